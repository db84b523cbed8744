//! What the ids of a document's items tell of their places: how deep each stands, which stand in the order of their clocks
//! for certain, and in which none can stand.
//!
//! - yrs and yjs delete a type's children by recursion: a client could nest 20,000 types in 120 kB, delete the outermost in
//!   six bytes, and the stack of whoever merges it would overflow, which in Rust ends the process.
//! - An item says between which two it was put. Where the second does not stand right of the first, yrs and yjs put it
//!   somewhere, and where depends on the pieces in which the text lies in memory: replicas differ. Nobody who sees both could
//!   write that.
//! - An item may say in which shared type it stands. Where that is a text or a value, yjs passes over the item, and yrs over
//!   the whole update, when it has merged a part of it: the document must be loaded again.
//!
//! No single update need show either, so the document's owner keeps [`ItemPlaces`] beside it and asks before it applies.

mod walk;

use std::{collections::BTreeMap, ops::Range};

use smallvec::SmallVec;

use self::walk::Walk;
use super::CheckedUpdate;
use crate::ClientId;

/// How deep shared types may nest. Real documents stay below 40; a stack of 2 MiB holds some thousand levels of yrs, and
/// those of browsers hold as many.
pub const MAX_TYPE_NESTING: u16 = 200;

/// Up to 48 KiB of places are not worth a look at the document.
const MIN_OUTGROWN_RUNS: usize = 4096;

/// An update would nest shared types deeper than [`MAX_TYPE_NESTING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shared types would nest deeper than {MAX_TYPE_NESTING} levels")]
pub struct NestedTooDeep;

/// Why an update does not fit into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// SY18.
    #[error(transparent)]
    NestedTooDeep(#[from] NestedTooDeep),
    /// SY20.
    #[error("an item's right origin does not stand right of its origin")]
    CrossedOrigins,
    /// SY23.
    #[error("an item's parent is no shared type")]
    InvalidParent,
    /// SY21. Not told by [`ItemPlaces`], which knows items only.
    #[error(transparent)]
    CrowdedIds(#[from] super::CrowdedIds),
}

/// Of each item of a document: on which level it stands (0 in a root, one more than its parent elsewhere), whether it
/// stands right of the one before it, and whether it may be a parent.
///
/// A client's clocks only grow, so each client's items are one ascending list, in which neighbours share an entry.
#[derive(Debug, Default)]
pub struct ItemPlaces {
    /// Sorted: clients choose their ids, so a hash of them would have to be a slow one.
    clients: BTreeMap<ClientId, Places>,
    /// Of all clients together.
    run_count: usize,
}

#[derive(Debug, Default)]
struct Places {
    runs: Vec<Run>,
    /// The clock after the last item.
    end: u32,
}

/// From this clock to the next run's.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    /// From this clock on, which may be in a run before this.
    order_start: u32,
    level: u16,
    /// Each item but the first has the one before it as its origin, so it stands right of it for ever. Of what was
    /// collected, or could not be read, nobody knows the order.
    is_in_order: bool,
    /// They are shared types, or may have been.
    may_have_children: bool,
}

/// How an item begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The one before it is its origin.
    RightOfLast,
    Elsewhere,
    /// Collected: it stands nowhere any more.
    Nowhere,
}

impl ItemPlaces {
    /// Notes the update's structs that end by the clock that `through` tells for their client: what was admitted.
    /// When they do not fit, nothing is noted.
    pub fn take(&mut self, update: &CheckedUpdate, through: impl FnMut(ClientId) -> u32) -> Result<(), Misplaced> {
        let before = self.ends(update);
        let outcome = match Walk::new(self, update, through).run() {
            Ok(None) => return Ok(()),
            Ok(Some(misplaced)) => misplaced,
            Err(too_deep) => too_deep.into(),
        };
        self.undo(before);
        Err(outcome)
    }

    /// The same for what comes from a store or a file, where all but nesting is too late to be refused.
    pub fn load(&mut self, update: &CheckedUpdate, through: impl FnMut(ClientId) -> u32) -> Result<(), NestedTooDeep> {
        let before = self.ends(update);
        Walk::new(self, update, through).run().map(drop).inspect_err(|_| self.undo(before))
    }

    /// Forgets what the document does not have after all.
    pub fn retreat(&mut self, mut clock: impl FnMut(ClientId) -> u32) {
        let clients: Vec<ClientId> = self.clients.keys().copied().collect();
        for client in clients {
            self.cut(client, clock(client));
        }
    }

    /// Whether more is noted than a document can need whose full state has this size. What was collected since, or joined
    /// to its neighbour, is noted for ever; new places that [`load`](Self::load) the full state need not know of it.
    pub fn outgrow(&self, document_bytes: usize) -> bool {
        // A struct that was collected takes two bytes at least, and an item, which must stand between two of them, four.
        self.run_count > MIN_OUTGROWN_RUNS.max(document_bytes / 3)
    }

    fn ends(&self, update: &CheckedUpdate) -> SmallVec<[(ClientId, u32); 1]> {
        update.sections.iter().map(|section| (section.client, self.end(section.client))).collect()
    }

    fn undo(&mut self, before: SmallVec<[(ClientId, u32); 1]>) {
        for (client, end) in before {
            self.cut(client, end);
        }
    }

    fn end(&self, client: ClientId) -> u32 {
        self.clients.get(&client).map_or(0, |places| places.end)
    }

    fn cut(&mut self, client: ClientId, end: u32) {
        if end == 0 {
            self.run_count -= self.clients.remove(&client).map_or(0, |places| places.runs.len());
        } else if let Some(places) = self.clients.get_mut(&client)
            && end < places.end
        {
            let kept = places.runs.partition_point(|run| run.start < end);
            self.run_count -= places.runs.len() - kept;
            places.runs.truncate(kept);
            places.runs.shrink_to(2 * kept);
            places.end = end;
        }
    }

    fn level(&self, client: ClientId, clock: u32) -> u16 {
        self.run(client, clock).map_or(0, |run| run.level)
    }

    fn run(&self, client: ClientId, clock: u32) -> Option<&Run> {
        let places = self.clients.get(&client).filter(|places| clock < places.end)?;
        // What comes goes on with what came last, nearly always.
        let last = places.runs.last().filter(|run| run.start <= clock);
        last.or_else(|| places.runs[..places.runs.partition_point(|run| run.start <= clock)].last())
    }

    /// Whether `right` stands left of `left` for certain, or is the same item.
    fn are_crossed(&self, left: (ClientId, u32), right: (ClientId, u32)) -> bool {
        let run_of_left = || self.run(left.0, left.1).filter(|run| run.is_in_order);
        left.0 == right.0 && right.1 <= left.1 && run_of_left().is_some_and(|run| run.order_start <= right.1)
    }

    /// Whether an item may stand in this one. Of what is not noted nobody knows.
    fn may_have_children(&self, (client, clock): (ClientId, u32)) -> bool {
        self.run(client, clock).is_none_or(|run| run.may_have_children)
    }

    fn note(&mut self, client: ClientId, clocks: Range<u32>, level: u16, start: Start, may_have_children: bool) {
        let places = self.clients.entry(client).or_default();
        if clocks.start > places.end && !places.runs.is_empty() {
            // A store had something in between that nobody could read.
            let start = places.end;
            let unread = Run { start, order_start: start, level: 0, is_in_order: false, may_have_children: true };
            places.runs.push(unread);
            self.run_count += 1;
        }
        let last = places.runs.last().filter(|last| match start {
            Start::RightOfLast => last.is_in_order && last.level == level,
            Start::Nowhere => !last.is_in_order && last.level == level,
            Start::Elsewhere => false,
        });
        if last.is_none_or(|last| last.may_have_children != may_have_children) {
            let order_start = last.map_or(clocks.start, |last| last.order_start);
            let is_in_order = start != Start::Nowhere;
            places.runs.push(Run { start: clocks.start, order_start, level, is_in_order, may_have_children });
            self.run_count += 1;
        }
        places.end = clocks.end;
    }
}
