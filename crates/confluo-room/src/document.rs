//! The one owner of a `yrs::Doc`: every entry into yrs stands behind a guard that survives a panic.
//!
//! A panic inside yrs leaves its transaction half done. Dropping that transaction would commit it, and a second panic
//! while unwinding aborts the process; so the transaction lives *outside* the guard and is leaked, with its document.
//! What is on disk is intact, and the room is rebuilt from it.

use std::{
    collections::BTreeMap,
    mem::ManuallyDrop,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use confluo_protocol::{
    ClientId, StateVectorV1, UpdateV1, Writer, join_neighbours, join_updates,
    update::{
        Admission, CheckedUpdate, ClockRange, Clocks, CrowdedIds, IdSpread, ItemPlaces, Misplaced, NestedTooDeep,
        UpdateLimits, check_update, with_stack_for,
    },
};
use yrs::{
    ClientID, Doc, Options, ReadTxn, StateVector, Transact, TransactionMut, Update, WriteTxn, updates::decoder::Decode,
};

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
    lost_content: bool,
    /// What was in memory is lost: nothing is read from here, or applied, until the document is loaded again.
    is_broken: bool,
    #[cfg(test)]
    pub(crate) fails_next: bool,
}

/// The next clock of each client, mirrored so that admission needs no transaction.
///
/// Sorted, not hashed: clients choose their ids, and a hash that they cannot turn against us costs more than a look into a
/// small tree.
#[derive(Debug, Default)]
pub(crate) struct KnownClocks(BTreeMap<ClientId, u32>);

impl Clocks for KnownClocks {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.0.insert(client, to);
    }
}

/// The clocks, as one sender meets them.
struct Held<'a, F> {
    clocks: &'a mut KnownClocks,
    is_held: F,
}

impl<F: Fn(ClientId) -> bool> Clocks for Held<'_, F> {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.clocks.clock(client)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.clocks.advance(client, to);
    }

    fn is_held(&mut self, client: ClientId) -> bool {
        (self.is_held)(client)
    }
}

impl Document {
    pub(crate) fn empty() -> Self {
        // Formatting clean-up would make the server an author of deletions; collection of deleted content stays on.
        let options = Options { cleanup_formatting: false, ..Options::default() };
        Self {
            doc: Doc::with_options(options),
            clocks: KnownClocks::default(),
            spread: IdSpread::default(),
            places: ItemPlaces::default(),
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

    /// Splits an update into what can be taken now and what is early, as is all that is new of a client that `is_held`. What
    /// is admitted counts as known from here on.
    pub(crate) fn admit(
        &mut self,
        update: &CheckedUpdate,
        is_held: impl Fn(ClientId) -> bool,
    ) -> Result<Admission, Misplaced> {
        let admission = update.admit(&mut Held { clocks: &mut self.clocks, is_held });
        let placed = self.note_new_ids(&admission).map_err(Misplaced::from).and_then(|()| {
            let placed = self.places.take(update, |client| self.clocks.clock(client));
            placed.inspect_err(|_| self.spread.remove(new_ids(&admission)))
        });
        self.admit_if(placed, admission)
    }

    /// The same for a document that comes from elsewhere: it is as it is there.
    pub(crate) fn admit_import(&mut self, update: &CheckedUpdate) -> Result<Admission, NestedTooDeep> {
        let admission = update.admit(&mut self.clocks);
        let placed = self.places.load(update, |client| self.clocks.clock(client));
        self.admit_if(placed, admission)
    }

    fn note_new_ids(&mut self, admission: &Admission) -> Result<(), CrowdedIds> {
        if new_ids(admission).next().is_none() {
            return Ok(());
        }
        self.spread.add(new_ids(admission), self.clocks.0.keys().copied())
    }

    fn admit_if<E>(&mut self, placed: Result<(), E>, admission: Admission) -> Result<Admission, E> {
        if placed.is_err() {
            // Ascending, so the last to be undone is where the client stood.
            for range in admission.structs.iter().rev() {
                self.clocks.0.insert(range.client, range.start);
            }
            self.clocks.0.retain(|_, clock| *clock > 0);
        }
        placed.map(|()| admission)
    }

    /// Whether more is known of places than a document of this size can need.
    pub(crate) fn places_outgrow(&self, document_bytes: usize) -> bool {
        self.places.outgrow(document_bytes)
    }

    /// Forgets what is known of places but for what `state`, the whole document, tells of them.
    pub(crate) fn read_places(&mut self, state: UpdateV1) {
        self.places = ItemPlaces::default();
        if let Ok(checked) = check_update(state, &UpdateLimits::default()) {
            // What nests too deep was never admitted, nor loaded.
            let _ = self.places.load(&checked, |_| u32::MAX);
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
        with_stack_for(updates, || self.merge(updates, commit)).unwrap_or(Err(Broken))
    }

    fn merge<T>(
        &mut self,
        updates: &[UpdateV1],
        commit: impl FnOnce(&mut TransactionMut<'_>) -> T,
    ) -> Result<(T, bool), Broken> {
        // `doc` is a second handle, so that the transaction does not borrow `self`.
        let doc = self.doc.clone();
        let mut transaction = ManuallyDrop::new(doc.transact_mut());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for update in updates {
                let update = Update::decode_v1(&update.0).map_err(|_| Broken)?;
                transaction.apply_update(update).map_err(|_| Broken)?;
            }
            let was_pruned = transaction.has_missing_updates();
            if was_pruned {
                transaction.prune_pending();
            }
            Ok::<_, Broken>((commit(&mut transaction), was_pruned))
        }));
        let Ok(Ok((outcome, was_pruned))) = outcome else {
            self.leak();
            return Err(Broken);
        };
        // Already committed, so this only releases the document.
        drop(ManuallyDrop::into_inner(transaction));
        if was_pruned {
            self.read_clocks();
        }
        Ok((outcome, was_pruned))
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

    /// Whether all of these ranges are deleted already. Encodes the delete set: for the rare case only.
    pub(crate) fn has_deleted(&mut self, ranges: &[ClockRange]) -> Result<bool, Broken> {
        let known = self.clocks_at(&[]);
        let update = UpdateV1(self.encode_diff(&known)?.into());
        let Ok(checked) = check_update(update, &UpdateLimits::default()) else { return Ok(false) };
        let mut deleted = checked.delete_ranges().to_vec();
        deleted.sort_unstable();
        Ok(ranges.iter().all(|range| {
            let mut from = range.start;
            let first = deleted.partition_point(|known| (known.client, known.end) <= (range.client, from));
            for known in &deleted[first..] {
                if from >= range.end || known.client != range.client || known.start > from {
                    break;
                }
                from = from.max(known.end);
            }
            from >= range.end
        }))
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
            self.leak();
            Broken
        })
    }

    /// How far the document knows each client.
    pub(crate) fn state_vector(&self) -> StateVectorV1 {
        encode_state_vector(self.clocks.0.iter().map(|(&client, &clock)| (client, clock)))
    }

    /// [`Document::state_vector`] before it is encoded, with some clients set back to an earlier clock.
    pub(crate) fn clocks_at(&self, earlier: &[(ClientId, u32)]) -> Vec<(ClientId, u32)> {
        let mut clocks = self.clocks.0.clone();
        for &(client, clock) in earlier {
            clocks.entry(client).and_modify(|known| *known = clock.min(*known));
        }
        clocks.into_iter().collect()
    }

    fn read_clocks(&mut self) {
        let vector = self.doc.transact().state_vector();
        self.clocks.0 = vector.iter().map(|(client, &clock)| (client.get(), clock)).collect();
        self.spread = IdSpread::default();
        self.places.retreat(|client| self.clocks.0.get(&client).copied().unwrap_or(0));
    }

    fn leak(&mut self) {
        let broken = std::mem::replace(self, Self::empty());
        std::mem::forget(broken.doc);
        self.is_broken = true;
    }

    /// Whether the document in memory is lost.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn refuse_if_broken(&mut self) -> Result<(), Broken> {
        #[cfg(test)]
        if std::mem::take(&mut self.fails_next) {
            self.leak();
        }
        if self.is_broken { Err(Broken) } else { Ok(()) }
    }

    /// Builds a document from stored updates, oldest first. Those that cannot be applied are left out, and their
    /// places in `updates` returned. A document that nests too deep is refused whole: what is stored passed
    /// [`Document::admit`], so it was damaged or comes from elsewhere, and the next deletion would end the process.
    pub(crate) fn load(updates: &[UpdateV1]) -> Result<(Self, Vec<usize>), NestedTooDeep> {
        let mut places = ItemPlaces::default();
        for update in updates {
            // What yrs wrote and our check does not read, yrs may still read.
            if let Ok(checked) = check_update(update.clone(), &UpdateLimits::default()) {
                places.load(&checked, |_| u32::MAX)?;
            }
        }
        let (mut document, refused) = Self::load_checked(updates);
        document.places = places;
        document.read_clocks();
        Ok((document, refused))
    }

    fn load_checked(updates: &[UpdateV1]) -> (Self, Vec<usize>) {
        let mut document = Self::empty();
        if let Ok(was_pruned) = document.restore(updates) {
            document.lost_content = was_pruned;
            return (document, Vec::new());
        }
        let mut refused: Vec<usize> = Vec::new();
        let mut document = Self::empty();
        for (place, update) in updates.iter().enumerate() {
            if document.restore(std::slice::from_ref(update)).is_err() {
                refused.push(place);
                document = Self::empty();
                let kept: Vec<_> = updates[..place]
                    .iter()
                    .enumerate()
                    .filter(|(kept, _)| !refused.contains(kept))
                    .map(|(_, update)| update.clone())
                    .collect();
                // Each of these was applied before, in this order.
                let _ = document.restore(&kept);
            }
        }
        (document, refused)
    }
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

/// The client ids that the document did not know before.
fn new_ids(admission: &Admission) -> impl Iterator<Item = ClientId> + Clone {
    admission.structs.iter().filter(|range| range.start == 0).map(|range| range.client)
}

fn encode_state_vector(clocks: impl ExactSizeIterator<Item = (ClientId, u32)>) -> StateVectorV1 {
    let mut writer = Writer::with_capacity(2 + clocks.len() * 8);
    writer.write_var_uint(clocks.len() as u64);
    for (client, clock) in clocks {
        writer.write_var_uint(client).write_var_uint(u64::from(clock));
    }
    StateVectorV1(writer.finish())
}

#[cfg(test)]
mod tests;
