//! Both ends of a session's socket, in memory, and a client that is no more than its edits.

use std::{
    collections::{BTreeSet, VecDeque},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use confluo_hub::{Hub, JoinRequest, LineageClaim, Received, SessionSocket, SocketLost};
use confluo_protocol::{
    Access, ClientId, CloseCode, DocumentName, Frame, Message, StateVectorV1, SyncMessage, UpdateV1, Writer,
    update::{UpdateLimits, check_update},
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// More than any test leaves unread.
const CAPACITY: usize = 4_096;

/// The server's end.
struct Wire {
    from: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<Bytes>,
    heard: u32,
}

impl SessionSocket for Wire {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let received = ready!(self.from.poll_recv(cx));
        self.heard += 1;
        Poll::Ready(received.map_or(Received::Closed, Received::Message))
    }

    fn activity(&self) -> u32 {
        self.heard
    }

    fn encode(frame: Frame) -> Bytes {
        frame.payload()
    }

    fn encode_ping() -> Bytes {
        Bytes::new()
    }

    fn poll_send(&mut self, _: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        for frame in frames.drain(..) {
            // A peer that is gone reads nothing more; what it sent is still read.
            let sent = self.to.try_send(frame);
            assert!(!matches!(sent, Err(TrySendError::Full(_))), "a test leaves too much unread");
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: CloseCode, _: &str) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The client's end. It has asked for the document, and notes whose edits it is shown.
pub(crate) struct Peer {
    to: mpsc::Sender<Bytes>,
    from: mpsc::Receiver<Bytes>,
    served: JoinHandle<()>,
    /// Whose edits it has been shown.
    pub(crate) shown: BTreeSet<ClientId>,
}

impl Peer {
    pub(crate) fn join(hub: &Hub, document: &DocumentName, tasks: &TaskTracker) -> Self {
        let ((to, server_from), (server_to, from)) = (mpsc::channel(CAPACITY), mpsc::channel(CAPACITY));
        let request = JoinRequest {
            document: document.clone(),
            access: Access::Write,
            user: None,
            address: None,
            lineage: LineageClaim::Unaware,
            gate: None,
        };
        let hub = hub.clone();
        let wire = Wire { from: server_from, to: server_to, heard: 0 };
        let nothing = StateVectorV1(Bytes::from_static(&[0]));
        let ask = Message::Sync(SyncMessage::Step1(nothing)).encode();
        to.try_send(ask).expect("its first message");
        let served = tasks.spawn(async move { hub.serve(request, wire).await });
        Self { to, from, served, shown: BTreeSet::new() }
    }

    /// False when the session has ended.
    pub(crate) async fn send(&self, message: &Message) -> bool {
        self.to.send(message.encode()).await.is_ok()
    }

    /// The next frame, as it lies in memory; `None` when the session has ended.
    pub(crate) async fn receive(&mut self) -> Option<(Bytes, Message)> {
        let frame = self.from.recv().await?;
        let message = Message::read_all(&frame).expect("the server's frames are well-formed").remove(0);
        if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = &message {
            self.shown.extend(authors_of(update.clone()));
        }
        Some((frame, message))
    }

    /// Reads until it is shown an edit of `client`; false when the session ends before.
    pub(crate) async fn wait_shown(&mut self, client: ClientId) -> bool {
        while !self.shown.contains(&client) {
            if self.receive().await.is_none() {
                return false;
            }
        }
        true
    }

    /// Asks, and waits until it is told, that everything so far is on disk; false when the session ends before.
    pub(crate) async fn wait_on_disk(&mut self) -> bool {
        let question = Message::SaveStatus(b"?"[..].into());
        if !self.send(&question).await {
            return false;
        }
        while let Some((_, message)) = self.receive().await {
            if message == question {
                return true;
            }
        }
        false
    }

    /// Goes, and returns when its session has ended; everything that it sent is read first.
    pub(crate) fn leave(self) -> JoinHandle<()> {
        self.served
    }
}

/// Whose edits an update holds.
pub(crate) fn authors_of(update: UpdateV1) -> Vec<ClientId> {
    let checked = check_update(update, &UpdateLimits::default()).expect("what the server has is well-formed");
    checked.clock_ranges().iter().map(|range| range.client).collect()
}

/// The one edit of a client that no other knows: an entry in a map under its own id.
pub(crate) fn edit_of(client: ClientId) -> Message {
    let mut update = Writer::default();
    for number in [1, 1, client, 0] {
        update.write_var_uint(number);
    }
    // A value under a key of the root `r`; one value, true; and no deletes.
    update.write_raw(&[0x28, 1, 1, b'r']).write_var_bytes(client.to_string().as_bytes()).write_raw(&[1, 120, 0]);
    Message::Sync(SyncMessage::Update(UpdateV1(update.finish())))
}
