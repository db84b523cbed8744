//! The peer's bytes: however they are cut, whatever they say.

use std::task::Poll;

use bytes::Bytes;
use confluo_ws::{CloseFrame, Incoming, Limits, ProtocolError, Role, WebSocket, WsError, frame};

use crate::scripted_stream::{ScriptedStream, cx, masked, receive_all, server};

fn message(bytes: &[u8], is_text: bool) -> Incoming {
    Incoming::Message { bytes: Bytes::copy_from_slice(bytes), is_text }
}

/// Everything a well-behaved client may say, and what it means.
fn conversation() -> (Vec<u8>, Vec<Incoming>) {
    let long = vec![7; 300];
    let bytes = [
        masked(0x82, b"one"),
        masked(0x81, "zwei €".as_bytes()),
        masked(0x89, b"are you there"),
        masked(0x01, "fragmented 😀".as_bytes().split_at(13).0),
        masked(0x8a, b"unasked"),
        masked(0x00, b""),
        masked(0x89, b""),
        masked(0x80, "fragmented 😀".as_bytes().split_at(13).1),
        masked(0x82, b""),
        masked(0x82, &long),
        masked(0x88, &[&4001_u16.to_be_bytes()[..], b"bye"].concat()),
    ];
    let incoming = vec![
        message(b"one", false),
        message("zwei €".as_bytes(), true),
        Incoming::Ping,
        Incoming::Pong(Bytes::from_static(b"unasked")),
        Incoming::Ping,
        message("fragmented 😀".as_bytes(), true),
        message(b"", false),
        message(&long, false),
        Incoming::Closed(Some(CloseFrame { code: 4001, reason: "bye".to_owned() })),
    ];
    (bytes.concat(), incoming)
}

#[test]
fn a_conversation_in_one_read() {
    let (bytes, expected) = conversation();
    let (received, error) = receive_all([bytes], Limits::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(received, expected);
}

#[test]
fn a_conversation_cut_at_every_byte() {
    let (bytes, expected) = conversation();
    for cut in 1..bytes.len() {
        let (received, error) = receive_all([bytes[..cut].to_vec(), bytes[cut..].to_vec()], Limits::default());
        assert!(error.is_none(), "cut at {cut}: {error:?}");
        assert_eq!(received, expected, "cut at {cut}");
    }
    let (received, error) = receive_all(bytes.iter().map(|byte| vec![*byte]), Limits::default());
    assert!(error.is_none(), "byte by byte: {error:?}");
    assert_eq!(received, expected);
}

#[test]
fn bytes_left_over_from_the_handshake_come_first() {
    let (bytes, expected) = conversation();
    for cut in [1, 10, bytes.len()] {
        let mut stream = ScriptedStream::new([bytes[cut..].to_vec()].into_iter().filter(|chunk| !chunk.is_empty()));
        let leftover = Bytes::copy_from_slice(&bytes[..cut]);
        let mut socket = WebSocket::new(&mut stream, Role::Server, leftover, Limits::default());
        for expected in &expected {
            assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(received)) if received == *expected));
        }
    }
}

#[test]
fn every_broken_rule_is_named() {
    let check = |bytes: &[u8], expected: ProtocolError| {
        let (received, error) = receive_all([bytes.to_vec()], Limits::default());
        assert!(received.is_empty());
        assert!(matches!(error, Some(WsError::Protocol(found)) if found == expected), "{expected:?}: {error:?}");
    };
    check(&[0xc2], ProtocolError::ReservedBits);
    check(&[0xa2], ProtocolError::ReservedBits);
    check(&[0x92], ProtocolError::ReservedBits);
    check(&[0x83], ProtocolError::UnknownOpcode(3));
    check(&[0x8b], ProtocolError::UnknownOpcode(11));
    check(&frame::binary(b"plain"), ProtocolError::Unmasked);
    check(&[0x89, 0xfe], ProtocolError::ControlTooLong);
    check(&[0x09], ProtocolError::ControlFragmented);
    check(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], ProtocolError::LengthOverflow);
    check(&[0x82, 0xfe, 0, 125], ProtocolError::LengthNotMinimal);
    check(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], ProtocolError::LengthNotMinimal);
    check(&masked(0x80, b"alone"), ProtocolError::UnexpectedContinuation);
    check(&[masked(0x01, b"first"), masked(0x81, b"second")].concat(), ProtocolError::UnfinishedMessage);
    check(&masked(0x88, b"x"), ProtocolError::CloseTooShort);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        check(&masked(0x88, &code.to_be_bytes()), ProtocolError::CloseCode(code));
    }
}

#[test]
fn a_server_must_not_mask() {
    let mut stream = ScriptedStream::new([masked(0x82, b"masked")]);
    let mut client = WebSocket::new(&mut stream, Role::Client, Bytes::new(), Limits::default());
    let received = client.poll_receive(&mut cx());
    assert!(matches!(received, Poll::Ready(Err(WsError::Protocol(ProtocolError::Masked)))));
}

#[test]
fn text_fails_at_the_first_byte_that_cannot_become_valid() {
    let check = |text: &[u8], invalid_at: usize| {
        let bytes = masked(0x81, &[text, b" and so on"].concat());
        for length in 0..=invalid_at {
            let (_, error) = receive_all([bytes[..6 + length].to_vec()], Limits::default());
            assert!(error.is_none(), "{length} bytes of {text:x?} are valid so far");
        }
        let (received, error) = receive_all([bytes[..=6 + invalid_at].to_vec()], Limits::default());
        assert!(received.is_empty() && matches!(error, Some(WsError::InvalidUtf8)), "{text:x?}");
    };
    check(b"ok\xff", 2);
    check(b"\xc0\x80", 0);
    check(b"\xed\xa0\x80", 1);
    check(b"\xf4\x90\x80\x80", 1);
    check(b"\xe2\x82x", 2);
    let (_, error) = receive_all([masked(0x81, b"\xe2\x82")], Limits::default());
    assert!(matches!(error, Some(WsError::InvalidUtf8)), "a message may not end inside a character");
    let (_, error) = receive_all([masked(0x88, b"\x03\xe8\xff")], Limits::default());
    assert!(matches!(error, Some(WsError::InvalidUtf8)), "nor may a close reason be anything else");
}

#[test]
fn a_lost_stream_is_not_a_close() {
    let mut stream = ScriptedStream::new([masked(0x82, b"cut off")[..8].to_vec()]);
    stream.ends = true;
    let mut socket = server(&mut stream);
    assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Err(WsError::ConnectionLost))));
    assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Err(WsError::AlreadyClosed))));
}

#[test]
fn every_read_is_activity_even_inside_a_message() {
    let bytes = masked(0x82, &[1; 100]);
    let mut stream = ScriptedStream::new([bytes[..20].to_vec()]);
    let mut socket = server(&mut stream);
    let before = socket.activity();
    assert!(socket.poll_receive(&mut cx()).is_pending());
    assert_ne!(socket.activity(), before);
}

#[test]
fn perturbed_bytes_never_panic() {
    let (bytes, _) = conversation();
    let limits = Limits { max_message_bytes: 4096, close_discard_bytes: 4096, ..Limits::default() };
    let mut state = 0x5eed_u64;
    let mut next = move |bound: usize| {
        // Knuth's MMIX generator: the same bytes in every run.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..5_000 {
        let mut bytes = bytes.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        let cut = next(bytes.len());
        let mut stream = ScriptedStream::new([bytes[..cut].to_vec(), bytes[cut..].to_vec()]);
        stream.ends = true;
        let mut socket = WebSocket::new(&mut stream, Role::Server, Bytes::new(), limits);
        while matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(_))) {}
        socket.begin_close(1000, "");
        assert!(socket.poll_close(&mut cx()).is_ready());
    }
}
