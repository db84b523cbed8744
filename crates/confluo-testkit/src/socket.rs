//! Both ends of a session's socket, in memory.

use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use confluo_hub::{Hub, JoinRequest, LineageClaim, Received, SessionSocket, SocketLost};
use confluo_protocol::{Access, CloseCode, DocumentName, Frame};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// The client's end. Dropping `to` is leaving.
#[derive(Debug)]
pub struct ClientEnd {
    /// What it says, a frame's payload each.
    pub to: mpsc::Sender<Bytes>,
    /// What it is told. Whoever leaves too much unread fails its test.
    pub from: mpsc::Receiver<Bytes>,
    /// Ends with the session.
    pub served: JoinHandle<()>,
}

/// Enters `document` as a writer that is nobody in particular; at most `capacity` frames wait in either direction. It says
/// its first words before the session begins, which may be over at once.
pub fn enter(hub: &Hub, document: &DocumentName, tasks: &TaskTracker, capacity: usize, first: Vec<Bytes>) -> ClientEnd {
    enter_as(by_nobody(document), hub, tasks, capacity, first)
}

/// The same with a request of one's own.
pub fn enter_as(request: JoinRequest, hub: &Hub, tasks: &TaskTracker, capacity: usize, first: Vec<Bytes>) -> ClientEnd {
    let (server_to, from) = mpsc::channel(capacity);
    let (to, server_from) = speaking(capacity, first);
    let socket = ServerEnd { from: server_from, to: Some(server_to), heard: 0, heard_bytes: 0 };
    ClientEnd { to, from, served: serve(hub, request, tasks, socket) }
}

/// Enters, says this, and never reads.
pub fn enter_deaf(
    hub: &Hub,
    document: &DocumentName,
    tasks: &TaskTracker,
    words: Vec<Bytes>,
) -> (mpsc::Sender<Bytes>, JoinHandle<()>) {
    let (to, from) = speaking(words.len(), words);
    (to, serve(hub, by_nobody(document), tasks, ServerEnd { from, to: None, heard: 0, heard_bytes: 0 }))
}

fn speaking(capacity: usize, words: Vec<Bytes>) -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    let (to, from) = mpsc::channel(capacity);
    for frame in words {
        to.try_send(frame).expect("there is room for the first words");
    }
    (to, from)
}

/// A request to enter `document` as a writer that is nobody in particular, without a gate.
pub fn by_nobody(document: &DocumentName) -> JoinRequest {
    JoinRequest {
        document: document.clone(),
        access: Access::Write,
        user: None,
        address: None,
        lineage: LineageClaim::Unaware,
        gate: None,
    }
}

fn serve(hub: &Hub, request: JoinRequest, tasks: &TaskTracker, socket: ServerEnd) -> JoinHandle<()> {
    let hub = hub.clone();
    tasks.spawn(async move { hub.serve(request, socket).await })
}

struct ServerEnd {
    from: mpsc::Receiver<Bytes>,
    /// None: the peer takes nothing.
    to: Option<mpsc::Sender<Bytes>>,
    heard: u32,
    heard_bytes: u32,
}

impl SessionSocket for ServerEnd {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let received = ready!(self.from.poll_recv(cx));
        self.heard += 1;
        self.heard_bytes += received.as_ref().map_or(0, Bytes::len) as u32;
        Poll::Ready(received.map_or(Received::Closed, Received::Message))
    }

    fn activity(&self) -> u32 {
        self.heard
    }

    fn received_bytes(&self) -> u32 {
        self.heard_bytes
    }

    fn sent_bytes(&self) -> u32 {
        0
    }

    fn encode(frame: Frame) -> Bytes {
        frame.payload()
    }

    fn encode_ping() -> Bytes {
        Bytes::new()
    }

    fn poll_send(&mut self, _: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        let Some(to) = &self.to else { return Poll::Pending };
        for frame in frames.drain(..) {
            // A peer that is gone reads nothing more; what it sent is still read.
            let sent = to.try_send(frame);
            assert!(!matches!(sent, Err(TrySendError::Full(_))), "the peer leaves too much unread");
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: CloseCode, _: &str) -> Poll<()> {
        Poll::Ready(())
    }
}
