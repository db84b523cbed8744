//! What a crash leaves behind: updates in memory, or in one document of a real store.

use std::sync::Arc;

use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1};
use confluo_room::{NewRecord, Room, RoomConfig, RoomSnapshot, SinceSnapshot, StoredState};
use confluo_store::{Append, DocumentStore, NewSnapshot, Record, UnixMillis, encode_snapshot};

use crate::content::Content;

/// The lineage of every document here.
pub const LINEAGE: LineageId = LineageId([1; 16]);

/// What a flush did whose end nobody heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All of it is on the disk.
    All,
    /// Nothing of it is.
    Nothing,
}

/// Everything that was flushed, in order; and, with a store, the same in there.
pub(super) struct Disk {
    updates: Vec<UpdateV1>,
    store: Option<(Arc<dyn DocumentStore>, DocumentName)>,
}

impl Disk {
    pub(super) fn in_memory(updates: Vec<UpdateV1>) -> Self {
        Self { updates, store: None }
    }

    /// In a document that the store does not have yet.
    pub(super) fn in_store(store: Arc<dyn DocumentStore>, document: DocumentName) -> Self {
        Self { updates: Vec::new(), store: Some((store, document)) }
    }

    pub(super) fn updates(&self) -> &[UpdateV1] {
        &self.updates
    }

    pub(super) fn append(&mut self, record: &NewRecord) {
        assert_eq!(record.seq, Seq(self.updates.len() as u64 + 1), "seqs are contiguous");
        self.updates.push(record.update.clone());
        if let Some((store, document)) = &self.store {
            let record = Record {
                seq: record.seq,
                at: UnixMillis(record.seq.0),
                authors: record.authors.clone(),
                update: record.update.clone(),
            };
            let append = Append { document: document.clone(), lineage: LINEAGE, record };
            store.append(&[append]).expect("the store appends");
        }
    }

    /// Whether a snapshot is due, of which the store then keeps some records beside it.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.store.is_some() && self.updates.len() % 4 == 3
    }

    pub(super) fn compact(&self, snapshot: RoomSnapshot) {
        let Some((store, document)) = &self.store else { return };
        let RoomSnapshot { through, state, authors } = snapshot;
        let at = UnixMillis(through.0);
        let snapshot = NewSnapshot { through, at, authors, state: encode_snapshot(&state), keep_aside: Vec::new() };
        store.compact(document, snapshot).expect("the store compacts");
    }

    /// What is there after the store was opened anew. Panics if that is not what was flushed.
    pub(super) fn read_again(&self) -> StoredState {
        let Some((store, document)) = &self.store else { return self.read() };
        store.reopen().expect("the store opens again");
        let stored = self.read();
        let found = Content::of_updates(&stored.updates);
        assert_eq!(found, Content::of_updates(&self.updates), "{document} comes back from the store as it was flushed");
        stored
    }

    /// What is there.
    pub(super) fn read(&self) -> StoredState {
        let head = Seq(self.updates.len() as u64);
        let mut state = StoredState { head, ..StoredState::none(LINEAGE) };
        let Some((store, document)) = &self.store else {
            state.updates.clone_from(&self.updates);
            return state;
        };
        let Some(stored) = store.load(document).expect("the store loads") else {
            assert_eq!(head, Seq(0), "what was flushed is there");
            return state;
        };
        assert!(stored.set_aside.is_empty(), "nothing is damaged: {:?}", stored.set_aside);
        assert_eq!((stored.head, stored.lineage), (head, LINEAGE));
        state.since_snapshot = SinceSnapshot { records: stored.records.len() as u64, bytes: 0 };
        for (authors, update) in stored
            .snapshot
            .map(|snapshot| (snapshot.authors, snapshot.state))
            .into_iter()
            .chain(stored.records.into_iter().map(|record| (record.authors, record.update)))
        {
            state.authors.extend(authors);
            state.updates.push(update);
        }
        state
    }
}

/// A room of what is stored.
pub(super) fn open(config: &RoomConfig, stored: StoredState) -> Room {
    let (room, refused) = Room::open(config.clone(), stored).expect("what was stored opens");
    assert!(refused.is_empty(), "what was stored applies");
    room
}
