//! The one owner of a `yrs::Doc`: every entry into yrs stands behind a guard that survives a panic.
//!
//! A panic inside yrs leaves its transaction half done. Dropping that transaction would commit it, and a second panic
//! while unwinding aborts the process; so the transaction lives *outside* the guard and is abandoned, with its document.
//! What is on disk is intact, and the room is rebuilt from it.

mod admit;
mod clocks;
mod load;
mod subdocuments;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use confluo_protocol::{
    ClientId, StateVectorV1, UpdateV1, encode_clocks, join_neighbours, join_updates,
    update::{ClockRange, IdSpread, ItemPlaces, UpdateLimits, check_own, with_stack_for},
};
use yrs::{
    ClientID, Doc, OffsetKind, Options, ReadTxn, StateVector, Transact, TransactionMut, Update, WriteTxn,
    updates::decoder::Decode,
};

use clocks::KnownClocks;
use subdocuments::{Subdocuments, forget_subdocuments};

/// yrs panicked or refused what passed our checks. The document in memory is lost; the one on disk is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// What a batch did to the document.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The batch as one minimal update, or `None` if it changed nothing.
    pub(crate) update: Option<UpdateV1>,
    /// Some of it refers to what the document has not, and was taken out again.
    pub(crate) was_pruned: bool,
}

/// A document in memory.
pub(crate) struct Document {
    doc: Doc,
    clocks: KnownClocks,
    /// Of the ids in `clocks`.
    spread: IdSpread,
    places: ItemPlaces,
    subdocuments: Subdocuments,
    lost_content: bool,
    /// What was in memory is lost: nothing is read from here, or applied, until the document is loaded again.
    is_broken: bool,
    #[cfg(test)]
    pub(crate) fails_next: bool,
}

impl Document {
    pub(crate) fn empty() -> Self {
        // Formatting clean-up would make the server an author of deletions; collection of deleted content stays on. Counted in
        // bytes, a text would be shorter than the halves of a character of it that is cut in two, and yrs would panic.
        let options = Options { cleanup_formatting: false, offset_kind: OffsetKind::Utf16, ..Options::default() };
        Self {
            doc: Doc::with_options(options),
            clocks: KnownClocks::default(),
            spread: IdSpread::default(),
            places: ItemPlaces::default(),
            subdocuments: Subdocuments::default(),
            lost_content: false,
            is_broken: false,
            #[cfg(test)]
            fails_next: false,
        }
    }

    /// Whether some of what was loaded refers to what is not there.
    pub(crate) fn lost_content_at_load(&self) -> bool {
        self.lost_content
    }

    pub(crate) fn clocks(&mut self) -> &mut KnownClocks {
        &mut self.clocks
    }

    /// Whether more is known of places than a document of this size can need.
    pub(crate) fn places_outgrow(&self, document_bytes: usize) -> bool {
        self.places.outgrow(document_bytes)
    }

    /// Forgets what is known of places but for what `state`, the whole document, tells of them.
    pub(crate) fn read_places(&mut self, state: UpdateV1) {
        let Ok(checked) = check_own(state, &UpdateLimits::default()) else { return };
        let mut places = ItemPlaces::default();
        // What nests too deep was never admitted, nor loaded.
        if places.load(&checked, |_| u32::MAX).is_ok() {
            self.places = places;
        }
    }

    /// Applies checked and admitted updates in one transaction and commits it once. Some of them `repeats` what is known.
    pub(crate) fn apply(&mut self, updates: &[UpdateV1], repeats: bool) -> Result<Applied, Broken> {
        // One update comes as joined as its sender made it. Of many, yrs would look at each keystroke.
        let joined = if updates.len() > 1 && !repeats { join_updates(updates) } else { None };
        let updates = joined.as_ref().map_or(updates, std::slice::from_ref);
        let (update, was_pruned) = self.transact(updates, encode_and_commit)?;
        let update = update.map(|update| UpdateV1(update.into()));
        let update = if updates.len() > 1 { update.map(join_neighbours) } else { update };
        Ok(Applied { update, was_pruned })
    }

    /// Applies stored updates in one transaction. Nobody is told what they brought, so it is not encoded. Returns
    /// whether some of it was taken out again.
    fn restore(&mut self, updates: &[UpdateV1]) -> Result<bool, Broken> {
        self.transact(updates, commit_alone).map(|((), was_pruned)| was_pruned)
    }

    /// Returns what `commit`, which must commit, has to say, and whether something was pruned before it.
    fn transact<T: Send>(
        &mut self,
        updates: &[UpdateV1],
        commit: impl FnOnce(&mut TransactionMut<'_>) -> T + Send,
    ) -> Result<(T, bool), Broken> {
        self.refuse_if_broken()?;
        match with_stack_for(updates, || self.merge(updates, commit)) {
            Ok(merged) => merged,
            // Nobody's fault, and nothing was merged. Whoever called gives up, and the document is loaded again.
            Err(error) => panic!("the system has no thread for a large merge: {error}"),
        }
    }

    fn merge<T>(
        &mut self,
        updates: &[UpdateV1],
        commit: impl FnOnce(&mut TransactionMut<'_>) -> T,
    ) -> Result<(T, bool), Broken> {
        // `doc` is a second handle, so that the transaction does not borrow `self`.
        let doc = self.doc.clone();
        let mut transaction = doc.transact_mut();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let merged = merge_all(&mut transaction, updates);
            let was_pruned = transaction.has_missing_updates();
            if was_pruned {
                transaction.prune_pending();
            }
            forget_subdocuments(&mut transaction);
            if merged.is_err() {
                // What was merged before is whole, and is freed with the document.
                commit_alone(&mut transaction);
            }
            merged.map(|()| (commit(&mut transaction), was_pruned))
        }));
        let Ok(outcome) = outcome else {
            abandon(transaction);
            self.lose();
            return Err(Broken);
        };
        self.subdocuments.remove(transaction.delete_set());
        // Already committed, so this only releases the document.
        drop(transaction);
        match outcome {
            Ok((_, true)) => self.read_clocks(),
            Ok((_, false)) => {}
            Err(Broken) => self.start_anew(),
        }
        outcome
    }

    /// The whole document as one update.
    pub(crate) fn encode_state(&mut self) -> Result<Vec<u8>, Broken> {
        self.encode_since(&StateVector::default())
    }

    /// What a peer with this state vector lacks, and the whole delete set (Yjs has no version vector for deletions).
    pub(crate) fn encode_diff(&mut self, known: &[(ClientId, u32)]) -> Result<Vec<u8>, Broken> {
        // Of other clients there is nothing to lack, and yrs makes a table of them all, where they may crowd (SY21).
        let known = known.iter().filter(|(client, _)| self.clocks.0.contains_key(client));
        let known = known.map(|&(client, clock)| (ClientID::new(client), clock)).collect();
        self.encode_since(&known)
    }

    /// What is deleted, ascending. Encodes the delete set: for the rare case only.
    pub(crate) fn deleted_ranges(&mut self) -> Result<Vec<ClockRange>, Broken> {
        let known = self.clocks_at(&[]);
        let update = UpdateV1(self.encode_diff(&known)?.into());
        let checked = check_own(update, &UpdateLimits::default());
        let mut deleted = checked.map_or_else(|_| Vec::new(), |checked| checked.delete_ranges().to_vec());
        deleted.sort_unstable();
        Ok(deleted)
    }

    fn encode_since(&mut self, known: &StateVector) -> Result<Vec<u8>, Broken> {
        self.look(|doc| doc.transact().encode_state_as_update_v1(known))
    }

    /// Reads the document in yrs's own terms. Nothing that borrows from it comes out.
    pub(crate) fn look<T>(&mut self, look: impl FnOnce(&Doc) -> T) -> Result<T, Broken> {
        self.refuse_if_broken()?;
        let doc = &self.doc;
        let seen = catch_unwind(AssertUnwindSafe(|| look(doc)));
        seen.map_err(|_| {
            self.lose();
            Broken
        })
    }

    /// How far the document knows each client.
    pub(crate) fn state_vector(&self) -> StateVectorV1 {
        encode_clocks(self.clocks.0.iter().map(|(&client, &clock)| (client, clock)))
    }

    /// Of how many clients the document knows anything.
    pub(crate) fn client_count(&self) -> usize {
        self.clocks.0.len()
    }

    /// [`Document::state_vector`] before it is encoded, with some clients set back to an earlier clock.
    pub(crate) fn clocks_at(&self, earlier: &[(ClientId, u32)]) -> Vec<(ClientId, u32)> {
        let mut clocks: Vec<_> = self.clocks.0.iter().map(|(&client, &clock)| (client, clock)).collect();
        for &(client, clock) in earlier {
            if let Ok(at) = clocks.binary_search_by_key(&client, |(client, _)| *client) {
                clocks[at].1 = clock.min(clocks[at].1);
            }
        }
        clocks
    }

    fn read_clocks(&mut self) {
        let vector = self.doc.transact().state_vector();
        self.clocks.0 = vector.iter().map(|(client, &clock)| (client.get(), clock)).collect();
        self.spread = IdSpread::default();
        let clock = |client| self.clocks.0.get(&client).copied().unwrap_or(0);
        self.places.retreat(clock);
        self.subdocuments.retreat(clock);
    }

    /// Goes on without what was in memory, after a panic. Nothing in it is looked at any more, so that it stays there if it has
    /// subdocuments.
    fn lose(&mut self) {
        self.subdocuments = Subdocuments::default();
        self.start_anew();
    }

    /// Frees what was in memory, and goes on without it.
    fn start_anew(&mut self) {
        *self = Self::empty();
        self.is_broken = true;
    }

    /// Whether there are subdocuments to be deleted before it is freed.
    pub(crate) fn has_subdocuments(&self) -> bool {
        !self.subdocuments.is_empty()
    }

    /// Whether the document in memory is lost.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn refuse_if_broken(&mut self) -> Result<(), Broken> {
        #[cfg(test)]
        if std::mem::take(&mut self.fails_next) {
            self.lose();
        }
        if self.is_broken { Err(Broken) } else { Ok(()) }
    }
}

/// Frees a transaction of which nobody knows how much is whole. A commit would look at it, and yrs commits whatever is dropped: but
/// not a second time, after a first attempt that did not come as far as to look at anything.
fn abandon(mut transaction: TransactionMut<'_>) {
    transaction.observe_before_observer_calls("abandon", |_| resume_unwind(Box::new(())));
    drop(catch_unwind(AssertUnwindSafe(|| drop(transaction))));
}

fn merge_all(transaction: &mut TransactionMut<'_>, updates: &[UpdateV1]) -> Result<(), Broken> {
    for update in updates {
        let update = Update::decode_v1(&update.0).map_err(|_| Broken)?;
        transaction.apply_update(update).map_err(|_| Broken)?;
    }
    Ok(())
}

fn commit_alone(transaction: &mut TransactionMut<'_>) {
    transaction.commit();
}

/// What the transaction changed, or `None` if it changed nothing.
fn encode_and_commit(transaction: &mut TransactionMut<'_>) -> Option<Vec<u8>> {
    // Before the commit, which joins what is new to what stood before it: taking that apart again costs as much as the
    // text before it is long. But only the commit collects what the batch inserted and deleted again.
    let early = (!deletes_its_own(transaction)).then(|| transaction.encode_update_v1());
    transaction.commit();
    transaction.has_changes().then(|| early.unwrap_or_else(|| transaction.encode_update_v1()))
}

/// Whether some of what the transaction inserted is deleted again.
fn deletes_its_own(transaction: &TransactionMut) -> bool {
    transaction.delete_set().iter().any(|(client, deleted)| {
        let Some(inserted) = transaction.insert_set().get(client) else { return false };
        let is_new = |old: &Range<u32>| inserted.ranges().any(|new| new.start < old.end && old.start < new.end);
        deleted.iter().any(is_new)
    })
}
