//! What long messages of many connections hold together, and who waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use confluo_ws::{Incoming, Limits, ReceiveBudget, Role, WebSocket};

use crate::scripted_stream::{ScriptedStream, cx, masked};

const KIB: usize = 1024;
const LONG: usize = 1024 * KIB;
const BUDGET: usize = 512 * KIB;

struct Peers {
    sockets: Vec<WebSocket<ScriptedStream>>,
    received: Vec<Option<Bytes>>,
    budget: Arc<ReceiveBudget>,
    waits: Arc<AtomicUsize>,
}

impl Peers {
    /// Each sends one message of this many bytes; all of it is there to be read.
    fn sending(lengths: &[usize]) -> Self {
        let waits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waits);
        let budget = ReceiveBudget::new(BUDGET, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let socket = |length: &usize| {
            let frame = masked(0x82, &vec![7; *length]);
            let stream = ScriptedStream::new(frame.chunks(16 * KIB).map(<[u8]>::to_vec));
            WebSocket::new(stream, Role::Server, Bytes::new(), Limits::default()).with_budget(Arc::clone(&budget))
        };
        let sockets: Vec<_> = lengths.iter().map(socket).collect();
        Self { received: vec![None; sockets.len()], sockets, budget, waits }
    }

    fn poll(&mut self) {
        for (socket, received) in self.sockets.iter_mut().zip(&mut self.received) {
            if let Poll::Ready(Ok(Incoming::Message { bytes, .. })) = socket.poll_receive(&mut cx()) {
                assert_eq!(bytes, vec![7; bytes.len()]);
                *received = Some(bytes);
            }
        }
    }

    /// What has been read of all of them.
    fn arrived(&self, lengths: &[usize]) -> usize {
        let left = |socket: &WebSocket<ScriptedStream>| socket.stream().input.iter().map(Vec::len).sum::<usize>();
        lengths.iter().sum::<usize>() - self.sockets.iter().map(left).sum::<usize>()
    }
}

#[test]
fn many_long_messages_hold_no_more_than_the_budget_and_one_of_them() {
    let lengths = [LONG; 40];
    let mut peers = Peers::sending(&lengths);
    let free = 40 * (64 + 16) * KIB;
    for round in 0..lengths.len() {
        peers.poll();
        peers.poll();
        let dropped = round * LONG;
        let held = peers.arrived(&lengths) - dropped;
        assert!(held <= BUDGET + LONG + free, "{held} bytes are held in round {round}");
        assert!(peers.budget.taken_bytes() <= BUDGET);
        let whole: Vec<_> = peers.received.iter_mut().filter_map(Option::take).collect();
        assert_eq!(whole.len(), 1, "one goes on, and the others wait until its message is dropped: round {round}");
    }
    assert_eq!(peers.budget.taken_bytes(), 0);
    assert!(peers.waits.load(Ordering::Relaxed) >= 39);
}

#[test]
fn short_messages_wait_for_nobody() {
    let mut peers = Peers::sending(&[LONG, LONG, LONG, 60 * KIB, 10]);
    peers.poll();
    assert!(peers.received[3].is_some() && peers.received[4].is_some());
    assert_eq!(peers.received[..3].iter().flatten().count(), 1);
}

#[test]
fn a_part_of_a_message_keeps_its_share() {
    let mut peers = Peers::sending(&[300 * KIB]);
    peers.poll();
    let part = peers.received[0].take().unwrap().slice(10..20);
    assert_eq!(peers.budget.taken_bytes(), 256 * KIB);
    drop(part);
    assert_eq!(peers.budget.taken_bytes(), 0);
}

#[test]
fn who_is_closed_or_goes_gives_its_share_back() {
    for ends_by_close in [true, false] {
        let budget = ReceiveBudget::new(BUDGET, || {});
        // The end of it never comes.
        let frame = masked(0x82, &vec![7; LONG]);
        let stream = ScriptedStream::new(frame[..300 * KIB].chunks(16 * KIB).map(<[u8]>::to_vec));
        let socket = WebSocket::new(stream, Role::Server, Bytes::new(), Limits::default());
        let mut socket = socket.with_budget(Arc::clone(&budget));
        assert!(socket.poll_receive(&mut cx()).is_pending());
        assert!(budget.taken_bytes() > 0);
        if ends_by_close {
            socket.begin_close(1001, "");
        } else {
            drop(socket);
        }
        assert_eq!(budget.taken_bytes(), 0, "{ends_by_close}");
    }
}
