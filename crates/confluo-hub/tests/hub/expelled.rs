//! Who is expelled is out at once: it sees nothing more, and nothing more of it is taken, however busy its room is.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use confluo_hub::{
    Expulsion, Hub, HubConfig, JoinRequest, LineageClaim, Received, SessionControl, SessionGate, SessionSocket,
    SocketLost,
};
use confluo_protocol::{Access, AuthMessage, CloseCode, DocumentName, Frame, Message};
use confluo_store::{DocumentStore, MemoryStore, faulty::FaultyStore};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::wire::{Peer, edit_of};

/// Hands the session's control to the test.
#[derive(Debug, Default)]
struct Gate {
    control: Mutex<Option<SessionControl>>,
    joined: Notify,
}

impl Gate {
    fn expel(&self) {
        let expulsion = Expulsion { code: CloseCode::Unauthorised, reason: "the token was revoked".into() };
        self.control.lock().unwrap().as_ref().unwrap().expel(expulsion);
    }
}

impl SessionGate for Gate {
    fn joined(&self, control: SessionControl) {
        *self.control.lock().unwrap() = Some(control);
        self.joined.notify_one();
    }

    fn renew(&self, _: &Bytes) -> Result<Access, Expulsion> {
        Ok(Access::Write)
    }
}

/// A peer whose network takes nothing until it is let.
#[derive(Debug, Default)]
struct Stalled {
    state: Mutex<StalledState>,
    tried: Notify,
}

#[derive(Debug, Default)]
struct StalledState {
    flows: bool,
    /// What the peer sent and the server has not read.
    incoming: VecDeque<Bytes>,
    /// The frames that went out whole.
    sent: Vec<Bytes>,
    closed: Option<CloseCode>,
    waker: Option<std::task::Waker>,
}

impl Stalled {
    fn change(&self, change: impl FnOnce(&mut StalledState)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

struct StalledSocket(Arc<Stalled>);

impl SessionSocket for StalledSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut state = self.0.state.lock().unwrap();
        state.waker = Some(cx.waker().clone());
        state.incoming.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Received::Message(frame)))
    }

    fn activity(&self) -> u32 {
        0
    }

    fn encode(frame: Frame) -> Bytes {
        frame.payload()
    }

    fn encode_ping() -> Bytes {
        Bytes::new()
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        let mut state = self.0.state.lock().unwrap();
        state.waker = Some(cx.waker().clone());
        if frames.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !state.flows {
            self.0.tried.notify_one();
            return Poll::Pending;
        }
        state.sent.extend(frames.drain(..));
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, code: CloseCode, _: &str) -> Poll<()> {
        self.0.state.lock().unwrap().closed = Some(code);
        self.0.tried.notify_one();
        Poll::Ready(())
    }
}

fn request(document: &DocumentName, gate: &Arc<Gate>) -> JoinRequest {
    let gate: Arc<dyn SessionGate> = gate.clone();
    JoinRequest {
        document: document.clone(),
        access: Access::Write,
        user: None,
        address: None,
        lineage: LineageClaim::Unaware,
        gate: Some(gate),
    }
}

#[tokio::test]
async fn au5_frames_that_the_network_has_not_taken_yet_are_not_sent_any_more() {
    let document = DocumentName::new("notes").unwrap();
    let hub = Hub::start(HubConfig::default(), Arc::new(MemoryStore::new())).unwrap();
    let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    // It asks for the document, so that it gets what others write.
    let ask = Message::Sync(confluo_protocol::SyncMessage::Step1(confluo_protocol::StateVectorV1([0][..].into())));
    stalled.change(|state| state.incoming.push_back(ask.encode()));
    let (serving, socket) = (hub.clone(), StalledSocket(stalled.clone()));
    let request = request(&document, &gate);
    tasks.spawn(async move { serving.serve(request, socket).await });
    gate.joined.notified().await;
    stalled.tried.notified().await;
    let mut writer = Peer::join(&hub, &document, &tasks);
    for client in 1..=20 {
        assert!(writer.send(&edit_of(client)).await);
        assert!(writer.wait_shown(client).await);
    }
    // All of it waits for the stalled one, a part already in its hands. Now its network is there again, and it is expelled.
    stalled.change(|state| state.flows = true);
    gate.expel();
    while stalled.state.lock().unwrap().closed.is_none() {
        stalled.tried.notified().await;
    }
    let state = stalled.state.lock().unwrap();
    assert_eq!(state.closed, Some(CloseCode::Unauthorised));
    assert_eq!(state.sent.len(), 1, "{:?}", state.sent);
    let last = Message::read_all(state.sent.last().unwrap()).unwrap();
    assert!(matches!(last.as_slice(), [Message::Auth(AuthMessage::PermissionDenied(_))]), "{last:?}");
}

#[tokio::test]
async fn au5_who_is_expelled_does_not_wait_for_a_room_that_is_busy() {
    let document = DocumentName::new("notes").unwrap();
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    // The room takes no more mail while a commit waits for the disk.
    let config = HubConfig { mailbox_messages: 1, mailbox_bytes: 64, ..HubConfig::default() };
    let hub = Hub::start(config, store.clone()).unwrap();
    let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    stalled.change(|state| state.flows = true);
    let (serving, socket) = (hub.clone(), StalledSocket(stalled.clone()));
    let request = request(&document, &gate);
    let served = tasks.spawn(async move { serving.serve(request, socket).await });
    gate.joined.notified().await;
    store.hold();
    stalled.change(|state| state.incoming.extend((1..=50).map(|client| edit_of(client).encode())));
    let waiting = store.clone();
    tokio::task::spawn_blocking(move || waiting.wait_until_held(1)).await.unwrap();
    // It has stopped reading: its room is full.
    while hub.metrics().bytes_received.get() == 0 || !is_stuck(&stalled).await {
        tokio::task::yield_now().await;
    }
    gate.expel();
    while stalled.state.lock().unwrap().closed.is_none() {
        stalled.tried.notified().await;
    }
    store.release();
    served.await.unwrap();
    let stored = store.inner().load(&document).unwrap().unwrap();
    assert!(stored.records.len() < 50, "what it had not delivered is not taken");
}

/// Whether nothing more of what came is read, though everybody else has had their turn.
async fn is_stuck(stalled: &Stalled) -> bool {
    let left = || stalled.state.lock().unwrap().incoming.len();
    let before = left();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    before == left() && before < 50
}
