//! What goes into the engine, and what comes out of it.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use confluo_protocol::{Access, ClientId, CloseCode, Frame, LineageId, Message, Seq, SessionId, UpdateV1, UserId};

use crate::awareness::Refusal;

/// One thing that happened to a room.
#[derive(Debug)]
pub enum RoomInput {
    /// A session has opened.
    Joined(Joining),
    /// A session has ended. What it sent before is still taken.
    Left(SessionId),
    /// A session sent a message.
    Received(SessionId, Message),
    /// What a session may do has changed.
    AccessChanged(SessionId, Access),
    /// A session's outbound queue is at its bound: it received nothing of the content that was just released.
    Overflowed(SessionId),
    /// A session's outbound queue has drained after an overflow.
    CaughtUp(SessionId),
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
    /// Updates (and steps 2 with news) that were admitted, whole or in part.
    pub updates: u64,
    /// Updates of which a part was early.
    pub early: u64,
    /// Updates that were refused: malformed, unsupported, too large, or of a session that may not write.
    pub refused: u64,
    /// Panics caught inside yrs, and updates that it refused after our check.
    pub broken: u64,
    /// Step 2 messages sent to sessions whose queue had overflowed.
    pub resyncs: u64,
}

/// Bounds and intervals of one room.
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// The largest document, in bytes of its full state (V1). At the bound only deletions are taken.
    pub max_document_bytes: usize,
    /// The largest awareness state of one client id, in bytes of JSON.
    pub max_awareness_bytes: usize,
    /// How many client ids may speak through one session.
    pub max_client_ids_per_session: usize,
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
            awareness_expiry: Duration::from_secs(30),
            awareness_interval: Duration::from_millis(100),
        }
    }
}

impl RoomConfig {
    /// The close code and the words for a refused awareness message.
    pub(crate) fn explain(&self, refusal: Refusal) -> (CloseCode, String) {
        match refusal {
            Refusal::Malformed(error) => (CloseCode::Malformed, format!("malformed awareness: {error}")),
            Refusal::StateTooLarge => {
                let limit = self.max_awareness_bytes;
                (CloseCode::TooLarge, format!("an awareness state may have at most {limit} bytes"))
            }
            Refusal::TooManyIds => {
                let limit = self.max_client_ids_per_session;
                (CloseCode::SlowDown, format!("at most {limit} client ids may speak through one session"))
            }
        }
    }
}
