//! One client's membership of one document: reads, checks and posts; takes what waits and writes.

mod end;
mod writing;

use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use confluo_protocol::{Access, AuthMessage, CloseCode, DocumentName, Frame, Message, Reader, SessionId};
use confluo_room::{Joining, RoomInput};
use futures_util::FutureExt;

use crate::{
    gate::{Expulsion, GateHold, SessionControl},
    hub::Shared,
    mailbox::{Mailbox, Posting, RoomGone, detach},
    metrics::Limit,
    outbox::{Ending, Outbox},
    pace::{LEAST_AWARENESS_COST, Pace, TooManyMessages},
    socket::{Received, SessionSocket},
};

/// How many messages are read before other tasks get their turn.
const MESSAGES_PER_TURN: usize = 32;

/// A live session. Polled as one future, so that an idle one costs little more than its fields.
pub(crate) struct Session<S> {
    pub(crate) id: SessionId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: S,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) mailbox: Mailbox,
    /// What it may do, as far as the gate has said.
    pub(crate) access: Access,
    pub(crate) gate: Option<Arc<GateHold>>,
    /// Taken out of the queue and not yet written.
    writing: VecDeque<Bytes>,
    writing_bytes: usize,
    writing_frames: usize,
    /// A message whose room is busy; nothing more is read before it is delivered.
    posting: Option<Posting>,
    /// What is left of the last frame.
    unread: Bytes,
    /// How long that frame was.
    frame_bytes: usize,
    /// It says more before it has read what it was told; nothing more is read before it has.
    held: Option<Box<Message>>,
    owes_caught_up: bool,
    pace: Pace,
    /// What the socket had counted when it was last looked at.
    activity: u32,
    received_bytes: u32,
    sent_bytes: u32,
}

/// How a session came to its end.
#[derive(Debug)]
pub(crate) enum SessionEnd {
    /// By the peer's will or the network's.
    ByPeer,
    /// By the server's; the peer is still to be told.
    ByServer(Ending),
}

impl SessionEnd {
    fn by_server(code: CloseCode, reason: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::ByServer(Ending { code, reason: reason.into(), is_expulsion: false })
    }

    /// Why, if it was the server.
    pub(crate) fn expulsion(&self) -> Option<Expulsion> {
        let Self::ByServer(Ending { code, reason, .. }) = self else { return None };
        Some(Expulsion { code: *code, reason: reason.clone() })
    }
}

impl<S: SessionSocket> Session<S> {
    pub(crate) fn new(id: SessionId, shared: Arc<Shared>, socket: S, outbox: Arc<Outbox>, mailbox: Mailbox) -> Self {
        let pace = Pace::new(shared.clock.now());
        Self {
            id,
            shared,
            socket,
            outbox,
            mailbox,
            access: Access::Read,
            gate: None,
            writing: VecDeque::new(),
            writing_bytes: 0,
            writing_frames: 0,
            posting: None,
            unread: Bytes::new(),
            frame_bytes: 0,
            held: None,
            owes_caught_up: false,
            pace,
            activity: 0,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    /// Joins, and runs until one side ends it, or a bug does: then it must still leave, or its room would wait for it for ever.
    /// Delivers what was read before the end, but of whoever is expelled, and be it meanwhile, nothing more.
    pub(crate) async fn run(&mut self, document: &DocumentName, joining: Joining) -> SessionEnd {
        let outbox = Arc::clone(&self.outbox);
        let life = AssertUnwindSafe(async {
            // Boxed, as all that a session does but once: idle ones keep the size of the largest step.
            if let Err(RoomGone) = Box::pin(self.join(joining)).await {
                return SessionEnd::by_server(CloseCode::InternalError, "the room was just closed; try again");
            }
            let end = poll_fn(|cx| self.poll_run(cx)).await;
            Box::pin(self.deliver_unread()).await;
            end
        });
        let lived = tokio::select! {
            biased;
            // First, for by this the outbox wakes the session, whatever for.
            expulsion = outbox.expelled() => return SessionEnd::ByServer(expulsion),
            lived = life.catch_unwind() => lived,
        };
        lived.unwrap_or_else(|_| {
            self.shared.metrics.panics_caught.increment();
            let (session, document) = (self.id.0, document.as_str());
            tracing::error!(session, document, "the session panicked and is closed; this is a bug");
            // What it was at may be half done.
            self.posting = None;
            self.forget_unread();
            SessionEnd::by_server(CloseCode::InternalError, "the session was closed by a fault; try again")
        })
    }

    /// Waits until the room takes it. Whoever decides about it can reach it from before that.
    async fn join(&mut self, joining: Joining) -> Result<(), RoomGone> {
        if let Some(gate) = &self.gate {
            gate.entering(SessionControl::new(Arc::clone(&self.outbox), self.mailbox.expulsions.clone()));
        }
        self.mailbox.join(joining, Arc::clone(&self.outbox), self.gate.clone()).await?;
        tracing::debug!(access = ?self.access, "the session has joined");
        self.shared.sessions.insert(self.id, Arc::clone(&self.outbox));
        // `drain` first says that it has begun and then lists the sessions: who is not on that list sees it here.
        if self.shared.health.is_draining() {
            self.outbox.end(CloseCode::GoingAway, "the server is going away; come back".into());
        }
        if let Some(gate) = &self.gate {
            gate.joined();
        }
        Ok(())
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        if self.poll_write(cx).is_err() {
            return Poll::Ready(SessionEnd::ByPeer);
        }
        for _ in 0..MESSAGES_PER_TURN {
            if let Some(ending) = self.outbox.ending() {
                return Poll::Ready(SessionEnd::ByServer(ending.clone()));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => {
                    self.note_activity();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A peer in the middle of one long message is alive.
    fn note_activity(&mut self) {
        let activity = self.socket.activity();
        if std::mem::replace(&mut self.activity, activity) != activity {
            let pause = self.pace.pause_left(self.shared.clock.now()).as_secs() as u32;
            self.outbox.pulse.heard.store(self.shared.second().saturating_add(pause), Ordering::Relaxed);
        }
    }

    /// Takes one step on the way in: delivers what waits for the room, or reads one frame.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionEnd>> {
        if let Some(posting) = &mut self.posting {
            // It is not read meanwhile, however long its room is busy, so that its silence is ours.
            self.outbox.pulse.heard.store(self.shared.second(), Ordering::Relaxed);
            let delivered = std::task::ready!(posting.as_mut().poll(cx));
            self.posting = None;
            return Poll::Ready(delivered.map_err(|_| room_gone()));
        }
        if std::mem::take(&mut self.owes_caught_up) {
            return Poll::Ready(self.post(RoomInput::CaughtUp(self.id)));
        }
        if let Some(message) = self.held.take_if(|message| self.outbox.may_say(message)) {
            return Poll::Ready(self.take(self.shared.clock.now(), *message));
        }
        if self.held.is_some() {
            // The outbox wakes the session when the answer is there, and the socket when it has been read.
            return Poll::Pending;
        }
        std::task::ready!(self.pace.poll_ready(cx));
        if !self.unread.is_empty() {
            return Poll::Ready(self.take_next(self.shared.clock.now()));
        }
        let received = self.socket.poll_receive(cx);
        let now = self.shared.clock.now();
        self.spend_what_came(now);
        let received = std::task::ready!(received);
        Poll::Ready(match received {
            Received::Message(frame) => self.take_frame(now, frame),
            Received::Activity => Ok(()),
            Received::Closed => Err(SessionEnd::ByPeer),
            Received::Refused { code, reason } => {
                if code == CloseCode::TooLarge {
                    self.shared.metrics.limit_reached(Limit::MessageBytes).increment();
                }
                Err(SessionEnd::by_server(code, reason))
            }
        })
    }

    fn take_frame(&mut self, now: Instant, frame: Bytes) -> Result<(), SessionEnd> {
        self.shared.metrics.bytes_received.add(frame.len() as u64);
        self.frame_bytes = frame.len();
        self.unread = frame;
        self.take_next(now)
    }

    fn take_next(&mut self, now: Instant) -> Result<(), SessionEnd> {
        match self.next_message()? {
            Some(message) if !self.outbox.may_say(&message) => {
                self.held = Some(Box::new(message));
                Ok(())
            }
            Some(message) => self.take(now, message),
            None => Ok(()),
        }
    }

    /// Takes the next message of the frame that is being read. A frame may hold millions, so they are not all read at once.
    /// None at its end.
    fn next_message(&mut self) -> Result<Option<Message>, SessionEnd> {
        let mut reader = Reader::new(&self.unread);
        if reader.is_empty() {
            return Ok(None);
        }
        let read = Message::read(&mut reader);
        let rest = reader.position()..;
        // At its end the frame is let go of.
        self.unread = if read.is_err() || reader.is_empty() { Bytes::new() } else { self.unread.slice(rest) };
        let malformed = |error| SessionEnd::by_server(CloseCode::Malformed, format!("malformed message: {error}"));
        let mut message = read.map_err(malformed)?;
        detach(&mut message, self.frame_bytes);
        Ok(Some(message))
    }

    /// Counts all that came, of messages that are not whole yet and of pings too: whoever sends only these is read more
    /// slowly as well.
    fn spend_what_came(&mut self, now: Instant) {
        let received = self.socket.received_bytes();
        let came = received.wrapping_sub(std::mem::replace(&mut self.received_bytes, received));
        if came > 0 {
            self.spend_bytes(now, came as usize);
        }
    }

    fn spend_bytes(&mut self, now: Instant, bytes: usize) {
        if self.pace.take_bytes(now, bytes, self.shared.config.session_rates) {
            self.shared.metrics.limit_reached(Limit::Bytes).increment();
        }
    }

    fn take(&mut self, now: Instant, message: Message) -> Result<(), SessionEnd> {
        match &message {
            // Stock clients relay the awareness of all others, so its number is not the sender's.
            Message::Awareness(payload) => self.spend_bytes(now, LEAST_AWARENESS_COST.saturating_sub(payload.len())),
            _ => self.count_message(now)?,
        }
        match &message {
            Message::Unknown { kind } => {
                self.shared.metrics.unknown_messages.add(1);
                tracing::debug!(kind, "a message of unknown type was ignored");
                return Ok(());
            }
            Message::Auth(AuthMessage::Token(token)) => return self.renew(token),
            // Only for clients: the room would throw it away.
            Message::Lineage(_) | Message::Auth(AuthMessage::PermissionDenied(_) | AuthMessage::Accepted(_)) => {
                return Ok(());
            }
            Message::Awareness(_) => self.shared.metrics.awareness_received.add(1),
            _ => {}
        }
        self.outbox.note_question(&message);
        self.post(RoomInput::Received(self.id, message))
    }

    /// AU2: the answer is *accepted*, or the end. The room learns of the access before it gets the next message.
    fn renew(&mut self, token: &Bytes) -> Result<(), SessionEnd> {
        if let Some(gate) = &self.gate {
            self.access = gate.renew(token).map_err(|refusal| {
                // What stands behind a refused token in its frame is not taken either.
                self.forget_unread();
                let Expulsion { code, reason } = refusal;
                if code == CloseCode::SlowDown {
                    self.shared.metrics.limit_reached(Limit::Tokens).increment();
                }
                SessionEnd::by_server(code, reason)
            })?;
        }
        self.outbox.push(Frame::new(&Message::Auth(AuthMessage::Accepted(self.access))));
        self.post(RoomInput::AccessChanged(self.id, self.access))
    }

    fn count_message(&mut self, now: Instant) -> Result<(), SessionEnd> {
        let counted = self.pace.take_message(now, self.shared.config.session_rates);
        counted.map_err(|TooManyMessages| {
            // What stands behind it in its frame is not taken either.
            self.forget_unread();
            self.shared.metrics.limit_reached(Limit::Messages).increment();
            SessionEnd::by_server(CloseCode::SlowDown, "too many messages a second; come back more slowly")
        })
    }

    fn post(&mut self, input: RoomInput) -> Result<(), SessionEnd> {
        self.posting = self.mailbox.post(input).map_err(|_| room_gone())?;
        Ok(())
    }

    /// Nothing more of the last frame is taken.
    fn forget_unread(&mut self) {
        self.unread = Bytes::new();
    }
}

fn room_gone() -> SessionEnd {
    SessionEnd::by_server(CloseCode::InternalError, "the room is gone; try again")
}
