//! Sets of updates, merged and kept ready to be asked whether they hold something: what is on disk, what was permitted.

use confluo_protocol::{CheckedUpdate, ClientId, UpdateV1};
use yrs::{ClientID, Doc, ID, IdSet, ReadTxn, StateVector, Transact, Update, updates::decoder::Decode};

use super::client::Promise;
use crate::content::{apply, forget_subdocuments, new_document};

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

    /// A client sent an update, perhaps one that builds on what nobody else has.
    pub(super) fn add_perhaps_early(&mut self, update: &UpdateV1) {
        let update = Update::decode_v1(&update.0).expect("a client's update decodes");
        let mut transaction = self.doc.transact_mut();
        transaction.apply_update(update).expect("a client's update applies");
        forget_subdocuments(&mut transaction);
        drop(transaction);
        self.deleted = self.doc.transact().snapshot().delete_set;
    }

    /// Nobody sees what they may not: every struct and every deletion that is stored came from somebody who might write.
    pub(super) fn assert_permits(&self, stored: &CheckedUpdate) {
        self.assert_holds(stored, "AU6", "is stored, and what was permitted ends before");
    }

    /// Durable before visible: every struct and every deletion is in what a crash would leave behind.
    pub(super) fn assert_covers(&self, shown: &CheckedUpdate) {
        self.assert_holds(shown, "SY5", "was shown, and what is on disk ends before");
    }

    fn assert_holds(&self, shown: &CheckedUpdate, rule: &str, what: &str) {
        let clocks = self.doc.transact().state_vector();
        for range in shown.clock_ranges() {
            let durable = clocks.get(&ClientID::new(range.client));
            assert!(range.end <= durable, "{rule}: {range:?} {what}: {durable}");
        }
        for range in shown.delete_ranges() {
            for clock in range.start..range.end {
                let id = ID::new(ClientID::new(range.client), clock);
                assert!(self.deleted.contains(&id), "{rule}: the deletion {range:?} {what}");
            }
        }
    }

    /// A client that is online and up to date has all that is on disk.
    pub(super) fn assert_known_to(&self, client: ClientId, known: &StateVector) {
        for (id, durable) in self.doc.transact().state_vector().iter() {
            let known = known.get(id);
            assert!(known >= *durable, "SY4: client {client} has {known} of {id:?}, {durable} is on disk");
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
