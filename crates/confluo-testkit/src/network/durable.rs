//! What the disk holds, kept ready to be asked whether something may be shown.

use confluo_protocol::{CheckedUpdate, ClientId, UpdateV1};
use yrs::{ClientID, Doc, ID, IdSet, ReadTxn, Transact};

use super::client::Promise;
use crate::content::{apply, new_document};

/// The flushed updates, merged.
pub(super) struct Durable {
    doc: Doc,
    deleted: IdSet,
}

impl Default for Durable {
    fn default() -> Self {
        Self { doc: new_document(), deleted: IdSet::new() }
    }
}

impl Durable {
    /// An update was flushed.
    pub(super) fn add(&mut self, update: &UpdateV1) {
        apply(&self.doc, update);
        self.deleted = self.doc.transact().snapshot().delete_set;
    }

    /// Durable before visible: every struct and every deletion is in what a crash would leave behind.
    pub(super) fn assert_covers(&self, shown: &CheckedUpdate) {
        let clocks = self.doc.transact().state_vector();
        for range in shown.clock_ranges() {
            let durable = clocks.get(&ClientID::new(range.client));
            assert!(range.end <= durable, "SY5: {range:?} was shown, and {durable} is on disk");
        }
        for range in shown.delete_ranges() {
            for clock in range.start..range.end {
                let id = ID::new(ClientID::new(range.client), clock);
                assert!(self.deleted.contains(&id), "SY5: the deletion {range:?} was shown, and is not on disk");
            }
        }
    }

    /// What a client was told is on disk, is.
    pub(super) fn assert_keeps(&self, client: ClientId, promise: &Promise) {
        let durable = self.doc.transact().state_vector().get(&ClientID::new(client));
        assert!(promise.clock <= durable, "SS2: client {client} was promised {}, {durable} is on disk", promise.clock);
        let lost = promise.deleted.diff(&self.deleted);
        assert!(lost.is_empty(), "SS2: client {client} was promised deletions that are not on disk: {lost}");
    }
}
