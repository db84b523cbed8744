//! A peer whose network takes nothing until it is let, and the gate of its session.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use confluo_hub::{Expulsion, Hub, JoinRequest, Received, SessionControl, SessionGate, SessionSocket, SocketLost};
use confluo_protocol::{Access, CloseCode, DocumentName, Frame};
use confluo_testkit::socket::by_nobody;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::task::TaskTracker;

/// Longer than anything takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(20);

/// Hands the session's control to the test, and notes what it is told.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    control: Mutex<Option<SessionControl>>,
    told: Mutex<Vec<&'static str>>,
    entering: Notify,
    pub(crate) joined: Notify,
    pub(crate) ended: Notify,
}

impl Gate {
    pub(crate) fn expel(&self) {
        let expulsion = Expulsion { code: CloseCode::Unauthorised, reason: "the token was revoked".into() };
        self.control.lock().unwrap().as_ref().unwrap().expel(expulsion);
    }

    /// The session can be expelled from here on.
    pub(crate) async fn can_expel(&self) {
        tokio::time::timeout(DEADLINE, self.entering.notified()).await.expect("the session can be reached");
    }

    pub(crate) fn told(&self) -> Vec<&'static str> {
        self.told.lock().unwrap().clone()
    }
}

impl SessionGate for Gate {
    fn entering(&self, control: SessionControl) {
        *self.control.lock().unwrap() = Some(control);
        self.entering.notify_one();
    }

    fn joined(&self) {
        self.told.lock().unwrap().push("joined");
        self.joined.notify_one();
    }

    fn renew(&self, _: &Bytes) -> Result<Access, Expulsion> {
        Err(Expulsion { code: CloseCode::Unauthorised, reason: "the token is no token".into() })
    }

    fn wrote(&self) {
        self.told.lock().unwrap().push("wrote");
    }

    fn ended(&self, by_server: Option<&Expulsion>) {
        self.told.lock().unwrap().push(if by_server.is_some() { "ended by the server" } else { "ended" });
        self.ended.notify_one();
    }
}

/// The peer's end.
#[derive(Debug, Default)]
pub(crate) struct Stalled {
    state: Mutex<State>,
    /// The server tried to write, or has closed.
    pub(crate) tried: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether the network takes anything.
    pub(crate) flows: bool,
    /// How much it has taken of a frame that has not gone whole.
    pub(crate) taken_bytes: u32,
    /// It is gone, and only writing shows that.
    pub(crate) is_lost: bool,
    /// Where the transport has a bug.
    pub(crate) panics_at: Option<Step>,
    /// What the peer sent and the server has not read.
    pub(crate) incoming: VecDeque<Bytes>,
    /// The frames that went out whole.
    pub(crate) sent: Vec<Bytes>,
    pub(crate) closed: Option<CloseCode>,
    waker: Option<std::task::Waker>,
}

/// What the server does with the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Read,
    Close,
}

impl Stalled {
    /// Enters `document` as a writer whom `gate` decides about.
    pub(crate) fn enter(
        self: &Arc<Self>,
        hub: &Hub,
        document: &DocumentName,
        tasks: &TaskTracker,
        gate: &Arc<Gate>,
    ) -> JoinHandle<()> {
        let gate: Arc<dyn SessionGate> = gate.clone();
        let request = JoinRequest { gate: Some(gate), ..by_nobody(document) };
        let (hub, socket) = (hub.clone(), StalledSocket(Arc::clone(self)));
        tasks.spawn(async move { hub.serve(request, socket).await })
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// How the server closed it.
    pub(crate) async fn closed(&self) -> CloseCode {
        let closed = async {
            loop {
                if let Some(code) = self.look(|state| state.closed) {
                    return code;
                }
                self.tried.notified().await;
            }
        };
        tokio::time::timeout(DEADLINE, closed).await.expect("it is closed in time")
    }

    /// Waits until nothing more of what came is read, though everybody else has had their turn.
    pub(crate) async fn is_not_read_any_more(&self) {
        let mut last = usize::MAX;
        while std::mem::replace(&mut last, self.look(|state| state.incoming.len())) != last || last == 0 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }
}

pub(crate) struct StalledSocket(Arc<Stalled>);

impl StalledSocket {
    /// That of a peer who takes everything.
    pub(crate) fn flowing() -> Self {
        let stalled = Arc::new(Stalled::default());
        stalled.change(|state| state.flows = true);
        Self(stalled)
    }
}

impl SessionSocket for StalledSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut state = self.0.state.lock().unwrap();
        state.waker = Some(cx.waker().clone());
        if state.panics_at == Some(Step::Read) {
            drop(state);
            panic!("a bug that a test asked for");
        }
        state.incoming.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Received::Message(frame)))
    }

    fn activity(&self) -> u32 {
        0
    }

    fn received_bytes(&self) -> u32 {
        0
    }

    fn sent_bytes(&self) -> u32 {
        self.0.look(|state| state.taken_bytes)
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
        if state.is_lost {
            self.0.tried.notify_one();
            return Poll::Ready(Err(SocketLost));
        }
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
        let mut state = self.0.state.lock().unwrap();
        state.closed = Some(code);
        self.0.tried.notify_one();
        let panics = state.panics_at == Some(Step::Close);
        drop(state);
        assert!(!panics, "a bug that a test asked for");
        Poll::Ready(())
    }
}
