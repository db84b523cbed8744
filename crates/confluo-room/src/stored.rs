//! What passes between a room and its store.

use confluo_protocol::{ClientId, LineageId, Seq, UpdateV1, UserId};

/// What the store knows of a document.
#[derive(Debug, Clone)]
pub struct StoredState {
    /// Its lineage; for a document that is not stored yet, the one that it will get.
    pub lineage: LineageId,
    /// The last seq that is on disk; 0 for none.
    pub head: Seq,
    /// The snapshot, if there is one, then every later update, in order.
    pub updates: Vec<UpdateV1>,
    /// The users of client ids that are known so far.
    pub authors: Vec<(ClientId, UserId)>,
    /// How many records and bytes follow the snapshot.
    pub since_snapshot: SinceSnapshot,
    /// Something could not be read: no snapshot may replace what is left of it.
    pub is_damaged: bool,
}

impl StoredState {
    /// A document that is not stored yet.
    pub fn none(lineage: LineageId) -> Self {
        Self {
            lineage,
            head: Seq(0),
            updates: Vec::new(),
            authors: Vec::new(),
            since_snapshot: SinceSnapshot::default(),
            is_damaged: false,
        }
    }
}

/// What has been stored since the last snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinceSnapshot {
    /// How many records.
    pub records: u64,
    /// Their updates' bytes.
    pub bytes: u64,
}

/// The merged full state of a document at one seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// Every record up to this seq is in it.
    pub through: Seq,
    /// The state as one update.
    pub state: UpdateV1,
    /// The users of all client ids that are known.
    pub authors: Vec<(ClientId, UserId)>,
}
