//! Writing to streams that take little, and own control frames in between.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use confluo_ws::{Incoming, WsError, frame};

use crate::scripted_stream::{Budgets, ScriptedStream, budgets, cx, masked, server};

fn numbered_frames(count: usize) -> VecDeque<Bytes> {
    (0..count).map(|index| frame::binary(&vec![index as u8; 1 + index * 37 % 300])).collect()
}

#[test]
fn all_that_waits_goes_in_few_writes() {
    let mut stream = ScriptedStream::new([]);
    let mut frames = numbered_frames(100);
    let expected: Vec<u8> = frames.iter().flatten().copied().collect();
    assert!(matches!(server(&mut stream).poll_send(&mut cx(), &mut frames), Poll::Ready(Ok(()))));
    assert!(frames.is_empty());
    assert_eq!(stream.output, expected);
    assert_eq!(stream.writes, 2);
}

#[test]
fn partial_writes_lose_and_repeat_nothing() {
    for is_vectored in [true, false] {
        for budget in [1, 2, 3, 10, 64, 1000] {
            let mut stream = ScriptedStream::new([]);
            stream.is_vectored = is_vectored;
            stream.budgets = budgets(vec![budget; 10_000]);
            let mut frames = numbered_frames(40);
            let expected: Vec<u8> = frames.iter().flatten().copied().collect();
            assert!(server(&mut stream).poll_send(&mut cx(), &mut frames).is_ready());
            assert_eq!(stream.output, expected, "{budget} bytes at a time");
        }
    }
}

#[test]
fn the_queue_may_change_behind_a_partly_written_frame() {
    let mut stream = ScriptedStream::new([]);
    stream.budgets = budgets([3]);
    let grant = Budgets::clone(&stream.budgets);
    let mut socket = server(&mut stream);
    let mut frames = VecDeque::from([frame::binary(b"first"), frame::binary(b"dropped")]);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_pending());
    assert!(socket.has_unsent());
    assert_eq!(socket.sent_bytes(), 3, "what has gone of a frame counts");
    frames.clear();
    frames.push_back(frame::binary(b"instead"));
    grant.borrow_mut().push_back(usize::MAX);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_ready());
    assert!(!socket.has_unsent());
    assert_eq!(stream.output, [frame::binary(b"first"), frame::binary(b"instead")].concat());
}

#[test]
fn a_ping_is_answered_between_frames_and_only_the_latest() {
    let mut stream = ScriptedStream::new([masked(0x89, b"one"), masked(0x89, b"two"), masked(0x89, b"three")]);
    stream.budgets = budgets([3]);
    let grant = Budgets::clone(&stream.budgets);
    let mut socket = server(&mut stream);
    let mut frames = VecDeque::from([frame::binary(b"first"), frame::binary(b"second")]);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_pending());
    for _ in 0..3 {
        assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(Incoming::Ping))));
    }
    grant.borrow_mut().extend([1; 100]);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_ready());
    let pong = frame::encode(confluo_ws::Opcode::Pong, b"three");
    assert_eq!(stream.output, [frame::binary(b"first"), pong, frame::binary(b"second")].concat());
}

#[test]
fn a_ping_on_a_quiet_connection_is_answered_while_receiving() {
    let mut stream = ScriptedStream::new([masked(0x89, b"quiet")]);
    let mut socket = server(&mut stream);
    assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(Incoming::Ping))));
    assert!(!socket.has_unsent());
    assert_eq!(stream.output, frame::encode(confluo_ws::Opcode::Pong, b"quiet"));
}

#[test]
fn a_full_stream_does_not_keep_pings_from_being_read() {
    let mut stream = ScriptedStream::new((0..1000).map(|_| masked(0x89, &[9; 125])));
    stream.budgets = budgets([]);
    let grant = Budgets::clone(&stream.budgets);
    let mut socket = server(&mut stream);
    for _ in 0..1000 {
        assert!(matches!(socket.poll_receive(&mut cx()), Poll::Ready(Ok(Incoming::Ping))));
    }
    assert!(socket.poll_receive(&mut cx()).is_pending());
    grant.borrow_mut().push_back(usize::MAX);
    assert!(socket.poll_send(&mut cx(), &mut VecDeque::new()).is_ready());
    assert_eq!(stream.output.len(), 2 + 125, "a thousand pings owe one pong");
}

#[test]
fn what_the_stream_took_and_did_not_let_go_is_unsent() {
    let mut stream = ScriptedStream::new([]);
    let holds_back = Rc::clone(&stream.holds_back);
    let mut socket = server(&mut stream);
    let mut frames = numbered_frames(1);
    holds_back.set(true);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_pending());
    assert!(frames.is_empty());
    assert!(socket.has_unsent());
    holds_back.set(false);
    assert!(socket.poll_send(&mut cx(), &mut frames).is_ready());
    assert!(!socket.has_unsent());
}

#[test]
fn nothing_is_sent_behind_a_close() {
    let mut stream = ScriptedStream::new([]);
    let mut socket = server(&mut stream);
    socket.begin_close(1000, "");
    let result = socket.poll_send(&mut cx(), &mut numbered_frames(1));
    assert!(matches!(result, Poll::Ready(Err(WsError::AlreadyClosed))));
}
