//! Subdocuments are kept and passed on, never opened.
//!
//! Each holds the document that holds it: yrs would never free the two. And what yrs does with those that a transaction has
//! deleted, it does when the transaction ends, with items that are freed by then; so it is made to forget of them before.

use std::collections::BTreeSet;

use confluo_protocol::{
    ClientId,
    update::{ClockRange, encode_deletes},
};
use yrs::{IdSet, ReadTxn as _, Transact as _, TransactionMut, WriteTxn};

use super::{Document, commit_alone};

/// How many a document may hold (SY24). In memory each is a document of its own, of some KiB however short its bytes are.
pub(crate) const MAX_SUBDOCUMENTS: usize = 10_000;

/// An update would bring more than [`MAX_SUBDOCUMENTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document would hold more than {MAX_SUBDOCUMENTS} subdocuments; delete some first")]
pub(crate) struct TooManySubdocuments;

/// Which of a document's items are subdocuments that are not deleted.
#[derive(Debug, Default, Clone)]
pub(super) struct Subdocuments {
    ids: BTreeSet<(ClientId, u32)>,
    /// Some of what was loaded cannot be read here, but by yrs: there may be others.
    has_unknown: bool,
}

impl Subdocuments {
    pub(super) fn refuse_beyond_bound(&self, new: usize) -> Result<(), TooManySubdocuments> {
        if new > 0 && self.ids.len() + new > MAX_SUBDOCUMENTS { Err(TooManySubdocuments) } else { Ok(()) }
    }

    pub(super) fn extend(&mut self, ids: impl IntoIterator<Item = (ClientId, u32)>) {
        self.ids.extend(ids);
    }

    pub(super) fn note_unknown(&mut self) {
        self.has_unknown = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.has_unknown
    }

    /// Takes out what was deleted.
    pub(super) fn remove(&mut self, deleted: &IdSet) {
        if self.ids.is_empty() {
            return;
        }
        for (client, ranges) in deleted.iter() {
            let client = client.get();
            for range in ranges.iter() {
                while let Some(&id) = self.ids.range((client, range.start)..(client, range.end)).next() {
                    self.ids.remove(&id);
                }
            }
        }
    }

    /// Takes out what the document does not have after all.
    pub(super) fn retreat(&mut self, clock: impl Fn(ClientId) -> u32) {
        self.ids.retain(|&(client, id_clock)| id_clock < clock(client));
    }
}

/// Makes yrs forget which subdocuments the transaction has added and deleted: of all that is left to do at its end, that is
/// nothing which is needed here. To be called before each commit.
pub(super) fn forget_subdocuments(transaction: &mut TransactionMut<'_>) {
    drop(std::mem::take(transaction.subdocs_mut()));
}

#[cfg(test)]
mod tests;

impl Drop for Document {
    fn drop(&mut self) {
        if self.subdocuments.is_empty() {
            return;
        }
        let Subdocuments { ids, has_unknown } = std::mem::take(&mut self.subdocuments);
        let deletion = if has_unknown {
            let clocks = self.doc.transact().state_vector();
            encode_deletes(clocks.iter().map(|(client, &end)| ClockRange { client: client.get(), start: 0, end }))
        } else {
            encode_deletes(ids.into_iter().map(|(client, start)| ClockRange { client, start, end: start + 1 }))
        };
        let _ = self.transact(&[deletion], commit_alone);
    }
}
