//! What goes into the engine, and what comes out of it.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use confluo_protocol::{Access, ClientId, CloseCode, Frame, LineageId, Message, Seq, SessionId, UpdateV1, UserId};

use crate::{awareness::Refusal, token_bucket::Rate};

/// One thing that happened to a room.
#[derive(Debug)]
pub enum RoomInput {
    /// A session has opened.
    Joined(Joining),
    /// A session has ended. What it sent before is still taken.
    Left(SessionId),
    /// A session was expelled, and will leave: nothing more of it is taken, what it sent before included, and its presence
    /// goes at once.
    Expelled(SessionId),
    /// A session sent a message.
    Received(SessionId, Message),
    /// What a session may do has changed, by a token that it sent: that binds what it sends from here on.
    AccessChanged(SessionId, Access),
    /// A session's outbound queue is at its bound: it received nothing of the content that was just released.
    Overflowed(SessionId),
    /// A session's outbound queue has drained after an overflow.
    CaughtUp(SessionId),
    /// Whether the session may create the document ([`Effects::asks_to_create`]).
    CreationAnswered(SessionId, bool),
    /// The commit in flight is on disk.
    Committed(Seq),
    /// Time has passed: see [`crate::Room::next_deadline`].
    Tick,
}

/// A session that opens.
#[derive(Debug, Clone)]
pub struct Joining {
    /// The new session.
    pub session: SessionId,
    /// What it may do.
    pub access: Access,
    /// Whose it is, once there are users.
    pub user: Option<UserId>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// Whether it wants to know the document's lineage, or brings a copy of one.
    pub lineage: LineageClaim,
}

/// What a client said about the lineage of its own copy (`?lineage=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineageClaim {
    /// Nothing: it is never told.
    Unaware,
    /// It has no copy, and wants to know.
    Asks,
    /// It has a copy of this lineage, and wants to know.
    Has(LineageId),
}

/// What the outside must do, in this order: close, then send `now`, then commit.
#[derive(Debug, Default)]
pub struct Effects {
    /// Sessions to end, each with a reason in words that are safe to show.
    pub close: Vec<(SessionId, CloseCode, Cow<'static, str>)>,
    /// What may leave at once.
    pub now: Vec<Outgoing>,
    /// What must be made durable; answered by [`RoomInput::Committed`]. At most one is in flight.
    pub commit: Option<NewRecord>,
    /// The session is about to create the document, by the first write to it. Nothing more is taken before
    /// [`RoomInput::CreationAnswered`].
    pub asks_to_create: Option<SessionId>,
    /// Sessions of which something was taken for the first time.
    pub first_writes: Vec<SessionId>,
    /// Sessions that have left, and of which nothing waits any more.
    pub departed: Vec<SessionId>,
    /// The document in memory is lost: load it from the store and call [`crate::Room::rebuild`].
    pub needs_rebuild: bool,
    /// For metrics.
    pub counts: Counts,
}

/// One batch's change, to be stored under the next seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// One more than the last.
    pub seq: Seq,
    /// The users of the client ids that appear here for the first time.
    pub authors: Vec<(ClientId, UserId)>,
    /// The batch as one update.
    pub update: UpdateV1,
}

/// Something that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// To one session; never dropped.
    Direct(SessionId, Frame),
    /// A step 1 to one session; never dropped. Before it is read nothing can answer it.
    Question(SessionId, Frame),
    /// The states of all to one session that asked for them; never dropped.
    States(SessionId, Frame),
    /// The states of all to one session that has come, or missed some of them; dropped if its queue is at its bound.
    Introduction(SessionId, Frame),
    /// Brings one session up to date; never dropped. From here on it is subscribed to content.
    CatchUp(SessionId, Vec<Frame>),
    /// Content, to every subscribed session; dropped for one whose queue is at its bound ([`RoomInput::Overflowed`]).
    Content(Frame),
    /// Awareness, to every session; dropped for one whose queue is at its bound.
    Presence(Frame),
}

/// How often things happened in one call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Updates (steps 2 too) of which something was admitted, copies of what is known included.
    pub updates: u64,
    /// Updates of which a part was early.
    pub early: u64,
    /// Updates that were refused: malformed, unsupported, too large, or of a session that may not write.
    pub refused: u64,
    /// Panics caught inside yrs, and updates that it refused after our check.
    pub broken: u64,
    /// Step 2 messages sent to sessions whose queue had overflowed.
    pub resyncs: u64,
    /// Sessions closed because the document has no room for what they sent.
    pub document_full: u64,
    /// Sessions closed for too large an awareness state.
    pub awareness_too_large: u64,
    /// Awareness states that were dropped, for those of all sessions together would take too much (AW12).
    pub awareness_dropped: u64,
    /// Sessions closed for too many awareness states a second.
    pub awareness_too_fast: u64,
    /// Sessions closed for too many client ids.
    pub too_many_client_ids: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.updates += more.updates;
        self.early += more.early;
        self.refused += more.refused;
        self.broken += more.broken;
        self.resyncs += more.resyncs;
        self.document_full += more.document_full;
        self.awareness_too_large += more.awareness_too_large;
        self.awareness_dropped += more.awareness_dropped;
        self.awareness_too_fast += more.awareness_too_fast;
        self.too_many_client_ids += more.too_many_client_ids;
    }
}

/// Bounds and intervals of one room.
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// The largest document, in bytes of its full state (V1). At the bound only deletions are taken.
    pub max_document_bytes: usize,
    /// The awareness states of one session together, in bytes of JSON.
    pub max_awareness_bytes: usize,
    /// How many client ids may speak through one session.
    pub max_client_ids_per_session: usize,
    /// How many awareness states one session may publish. What is not taken, as the copies that stock clients relay, counts
    /// towards nothing (AW4).
    pub awareness_rate: Rate,
    /// Whether a session that may only read may publish awareness; else what it sends is not taken (AW10).
    pub readers_may_publish: bool,
    /// Whether to ask before a document is created ([`Effects::asks_to_create`]).
    pub asks_before_creating: bool,
    /// How long an awareness state lives without renewal. Stock clients renew every 15 s, and expire others after 30 s.
    pub awareness_expiry: Duration,
    /// The shortest time between two awareness broadcasts.
    pub awareness_interval: Duration,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            max_document_bytes: 64 << 20,
            max_awareness_bytes: 64 << 10,
            max_client_ids_per_session: 32,
            awareness_rate: Rate::per_second(500, 5_000),
            readers_may_publish: true,
            asks_before_creating: false,
            awareness_expiry: Duration::from_secs(30),
            awareness_interval: Duration::from_millis(100),
        }
    }
}

impl RoomConfig {
    /// Whether a session with this access may publish awareness.
    pub(crate) fn may_publish(&self, access: Access) -> bool {
        self.readers_may_publish || access == Access::Write
    }

    /// The close code and the words for a refused awareness message, which is counted.
    pub(crate) fn explain(&self, refusal: Refusal, counts: &mut Counts) -> (CloseCode, String) {
        match refusal {
            Refusal::Malformed(error) => (CloseCode::Malformed, format!("malformed awareness: {error}")),
            Refusal::StateTooLarge => {
                counts.awareness_too_large += 1;
                let limit = self.max_awareness_bytes;
                (CloseCode::TooLarge, format!("the awareness states of a session may have at most {limit} bytes"))
            }
            Refusal::TooManyIds => {
                counts.too_many_client_ids += 1;
                let limit = self.max_client_ids_per_session;
                (CloseCode::SlowDown, format!("at most {limit} client ids may speak through one session"))
            }
            Refusal::TooFast => {
                counts.awareness_too_fast += 1;
                let limit = self.awareness_rate.count;
                let reason = format!("a session may publish {limit} awareness states a second; come back more slowly");
                (CloseCode::SlowDown, reason)
            }
        }
    }
}
