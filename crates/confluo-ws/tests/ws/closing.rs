//! Closing over scripted streams: who says what, what is awaited, and where it ends.

use std::task::Poll;

use confluo_ws::{Incoming, Limits, frame};

use crate::scripted_stream::{Budgets, ScriptedStream, budgets, cx, masked, server, server_with};

fn close_frame(code: u16) -> Vec<u8> {
    masked(0x88, &code.to_be_bytes())
}

#[test]
fn a_close_awaits_the_answer_and_skips_what_comes_before_it() {
    let mut stream = ScriptedStream::new([masked(0x82, &[5; 500]), close_frame(1000)]);
    let mut socket = server(&mut stream);
    socket.begin_close(4503, "storage unavailable");
    assert!(matches!(socket.poll_close(&mut cx()), Poll::Ready(Ok(()))));
    assert!(stream.is_shut_down);
    assert_eq!(stream.output, frame::close(4503, "storage unavailable"));
}

#[test]
fn a_silent_peer_keeps_a_close_waiting() {
    let mut stream = ScriptedStream::new([]);
    let mut socket = server(&mut stream);
    socket.begin_close(1001, "");
    assert!(socket.poll_close(&mut cx()).is_pending());
    assert!(!stream.is_shut_down);
    assert_eq!(stream.output, frame::close(1001, ""));
}

#[test]
fn the_peers_close_is_answered_with_its_code() {
    for (sent, answered) in [
        (close_frame(3000), frame::close(3000, "")),
        (masked(0x88, b""), frame::encode(confluo_ws::Opcode::Close, b"")),
    ] {
        let mut stream = ScriptedStream::new([sent]);
        let mut socket = server(&mut stream);
        assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(Incoming::Closed(_)))));
        socket.begin_close(1000, "too late to say anything else");
        assert!(matches!(socket.poll_close(&mut cx()), Poll::Ready(Ok(()))));
        assert!(stream.is_shut_down);
        assert_eq!(stream.output, answered);
    }
}

#[test]
fn a_close_waits_for_the_frame_that_has_begun() {
    let mut stream = ScriptedStream::new([close_frame(1000)]);
    stream.budgets = budgets([4]);
    let grant = Budgets::clone(&stream.budgets);
    let mut socket = server(&mut stream);
    let mut frames = [frame::binary(b"begun"), frame::binary(b"not begun")].into();
    assert!(socket.poll_send(&mut cx(), &mut frames).is_pending());
    socket.begin_close(1001, "going away");
    for _ in 0..100 {
        assert!(socket.poll_close(&mut cx()).is_pending());
        grant.borrow_mut().push_back(1);
        if let Poll::Ready(result) = socket.poll_close(&mut cx()) {
            assert!(result.is_ok());
            break;
        }
    }
    assert_eq!(stream.output, [frame::binary(b"begun"), frame::close(1001, "going away")].concat());
}

#[test]
fn after_broken_framing_the_end_is_awaited_behind_our_own() {
    let mut stream = ScriptedStream::new([vec![0xff; 100], close_frame(1000)]);
    let mut socket = server(&mut stream);
    assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Err(_))));
    socket.begin_close(1002, "");
    assert!(socket.poll_close(&mut cx()).is_pending(), "no close can be made out in broken framing");
    assert!(stream.is_shut_down, "so the peer must see our end");
    stream.ends = true;
    assert_eq!(stream.output, frame::close(1002, ""));
}

#[test]
fn discarding_ends_at_its_bound() {
    let limits = Limits { max_message_bytes: 1000, close_discard_bytes: 10_000, ..Limits::default() };
    for first in [masked(0x82, &[0; 2000]), vec![0xff; 100]] {
        let mut stream =
            ScriptedStream::new(std::iter::once(first).chain(std::iter::repeat_n(masked(0x82, &[1; 500]), 100)));
        let mut socket = server_with(&mut stream, limits);
        let error = match socket.poll_receive(&mut cx()) {
            Poll::Ready(Err(error)) => error,
            other => panic!("{other:?}"),
        };
        socket.begin_close(error.close_code().unwrap_or(0), "");
        assert!(matches!(socket.poll_close(&mut cx()), Poll::Ready(Ok(()))));
        assert!(stream.is_shut_down);
        assert!(stream.input.len() > 70, "{} chunks are left", stream.input.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_in_time() {
    let (ours, _theirs) = tokio::io::duplex(64);
    let mut socket = confluo_ws::WebSocket::new(ours, confluo_ws::Role::Server, bytes::Bytes::new(), Limits::default());
    assert!(socket.close(1001, "").await.is_err());
}
