//! Frames as bytes.

use std::task::Poll;

use bytes::Bytes;
use confluo_ws::frame::{self, FrameHeader};
use confluo_ws::{Incoming, Limits, Opcode, Role, WebSocket};

use crate::scripted_stream::{KEY, ScriptedStream, cx, hex, masked, receive_all};

#[test]
fn frames_are_these_bytes() {
    let check = |frame: Bytes, expected: &str| assert_eq!(hex(&frame), expected);
    // The examples of RFC 6455, section 5.7.
    check(frame::text("Hello"), "810548656c6c6f");
    check(frame::encode_masked(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]), "818537fa213d7f9f4d5158");
    check(frame::ping(b"Hello"), "890548656c6c6f");
    check(frame::binary(&[0; 256]).slice(..4), "827e0100");
    check(frame::binary(&vec![0; 65536]).slice(..10), "827f0000000000010000");
    // The edges between the three forms of the length.
    check(frame::binary(&[]), "8200");
    check(frame::binary(&[0; 125]).slice(..2), "827d");
    check(frame::binary(&[0; 126]).slice(..4), "827e007e");
    check(frame::binary(&vec![0; 65535]).slice(..4), "827effff");
    check(frame::close(1000, ""), "880203e8");
    check(frame::close(4413, "too large"), "880b113d746f6f206c61726765");
}

#[test]
fn a_header_has_the_length_it_is_said_to_have() {
    for payload_bytes in [0, 1, 125, 126, 65535, 65536, 1 << 32] {
        let header = FrameHeader::new(Opcode::Binary, payload_bytes);
        assert_eq!(header.as_bytes().len(), FrameHeader::encoded_len(payload_bytes));
    }
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    let frame = frame::close(4400, &"é".repeat(100));
    assert_eq!(frame.len(), 2 + 2 + 122);
    assert_eq!(std::str::from_utf8(&frame[4..]), Ok("é".repeat(61).as_str()));
    assert!(frame::ping(&[0; 200]).len() == 2 + 125);
}

#[test]
fn what_one_end_encodes_the_other_receives() {
    for payload_bytes in [0_usize, 1, 7, 125, 126, 1000, 65535, 65536, 200_000] {
        let payload: Vec<u8> = (0..payload_bytes).map(|index| (index % 251) as u8).collect();
        let expected = Incoming::Message { bytes: payload.clone().into(), is_text: false };

        let (received, error) = receive_all([masked(0x82, &payload)], Limits::default());
        assert!(error.is_none() && received == [expected], "{payload_bytes} bytes to the server: {error:?}");

        let mut stream = ScriptedStream::new([frame::binary(&payload).to_vec()]);
        let mut client = WebSocket::new(&mut stream, Role::Client, Bytes::new(), Limits::default());
        let received = client.poll_receive(&mut cx());
        assert!(
            matches!(received, Poll::Ready(Ok(Incoming::Message { ref bytes, .. })) if *bytes == payload),
            "{payload_bytes} bytes to the client"
        );
    }
}

#[test]
fn a_client_masks_what_it_sends() {
    let mut stream = ScriptedStream::new([]);
    let client = WebSocket::new(&mut stream, Role::Client, Bytes::new(), Limits::default());
    let (received, error) = receive_all([client.encode(Opcode::Text, b"hello").to_vec()], Limits::default());
    assert!(error.is_none());
    assert_eq!(received, [Incoming::Message { bytes: Bytes::from_static(b"hello"), is_text: true }]);
    assert_ne!(client.encode(Opcode::Text, b"hello"), client.encode(Opcode::Text, b"hello"), "each frame has a key");
    assert_ne!(KEY, [0; 4]);
}
