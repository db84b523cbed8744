//! Who decides about a session while it lives: the hub's edge to tokens and quotas, of which it knows nothing.

use std::{
    borrow::Cow,
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use confluo_protocol::{Access, CloseCode};

use crate::outbox::Outbox;

/// Decides about one session. Every method is called on the session's task or its room's, and must not wait.
pub trait SessionGate: fmt::Debug + Send + Sync + 'static {
    /// The session is about to join, for which it may have to wait; through `control` it can be ended until it has gone.
    fn entering(&self, control: SessionControl);

    /// Its room has been told of it.
    fn joined(&self) {}

    /// The client sent a token in-band (AU2). The access is in force from its next message on; a refusal ends the session.
    fn renew(&self, token: &Bytes) -> Result<Access, Expulsion>;

    /// The session writes to a document that does not exist: whether it may create one more. If not, it is closed with 4529.
    fn may_create(&self) -> bool {
        true
    }

    /// Something that the session wrote was taken for the first time.
    fn wrote(&self) {}

    /// The session has ended, or was refused before it joined; by the server for this reason, or by the peer. Nothing more is
    /// asked or told. A closing that waits has not gone out yet.
    fn ended(&self, by_server: Option<&Expulsion>) {
        let _ = by_server;
    }
}

/// Why a session may not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expulsion {
    /// How the session must be closed.
    pub code: CloseCode,
    /// In words that are safe to show.
    pub reason: Cow<'static, str>,
}

/// Ends one live session from outside.
#[derive(Debug, Clone)]
pub struct SessionControl {
    outbox: Arc<Outbox>,
    room: ExpulsionFlag,
}

impl SessionControl {
    pub(crate) fn new(outbox: Arc<Outbox>, room: ExpulsionFlag) -> Self {
        Self { outbox, room }
    }

    /// Ends the session at once, and be it that it is ending already: what waits for it is not sent any more, what waits of
    /// it is not taken any more, and the close is not delayed.
    pub fn expel(&self, expulsion: Expulsion) {
        self.outbox.expel(expulsion.code, expulsion.reason);
        self.room.raise();
    }
}

/// Tells a room that one of its sessions was expelled. It looks before each step, so that it takes nothing more of that one,
/// what waits in its mailbox included.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExpulsionFlag(Arc<AtomicBool>);

impl ExpulsionFlag {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was raised since the last look.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

/// A session's gate, held by the session and by its room. Whoever lets go of it last tells it that the session has ended: so it
/// always hears that, and nothing after it.
#[derive(Debug)]
pub(crate) struct GateHold {
    gate: Arc<dyn SessionGate>,
    /// Why, if it was the server that ended it.
    by_server: OnceLock<Expulsion>,
}

impl GateHold {
    pub(crate) fn new(gate: Arc<dyn SessionGate>) -> Arc<Self> {
        Arc::new(Self { gate, by_server: OnceLock::new() })
    }

    pub(crate) fn note_end(&self, by_server: Expulsion) {
        let _ = self.by_server.set(by_server);
    }
}

impl Deref for GateHold {
    type Target = dyn SessionGate;

    fn deref(&self) -> &Self::Target {
        &*self.gate
    }
}

impl Drop for GateHold {
    fn drop(&mut self) {
        self.gate.ended(self.by_server.get());
    }
}
