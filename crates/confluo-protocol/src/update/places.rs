//! What the ids of a document's items tell of their places: how deep each stands, and which stand in the order of their
//! clocks for certain.
//!
//! - yrs and yjs delete a type's children by recursion: a client could nest 20,000 types in 120 kB, delete the outermost in
//!   six bytes, and the stack of whoever merges it would overflow, which in Rust ends the process.
//! - An item says between which two it was put. Where the second does not stand right of the first, yrs and yjs put it
//!   somewhere, and where depends on the pieces in which the text lies in memory: replicas differ. Nobody who sees both could
//!   write that.
//!
//! No single update need show either, so the document's owner keeps [`ItemPlaces`] beside it and asks before it applies.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use smallvec::SmallVec;

use super::{
    CheckedUpdate,
    walk::{ForeignReferences, Relation, walk_struct},
};
use crate::{ClientId, Reader};

/// How deep shared types may nest. Real documents stay below 40; a stack of 2 MiB holds some thousand levels of yrs, and
/// those of browsers hold as many.
pub const MAX_TYPE_NESTING: u16 = 200;

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
}

/// Of each item of a document: on which level it stands (0 in a root, one more than its parent elsewhere), and whether it
/// stands right of the one before it.
///
/// A client's clocks only grow, so each client's items are one ascending list, in which neighbours share an entry.
#[derive(Debug, Default)]
pub struct ItemPlaces(HashMap<ClientId, Places>);

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
    level: u16,
    /// Each item but the first has the one before it as its origin, so it stands right of it for ever. Of what was
    /// collected nobody knows the order.
    is_in_order: bool,
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
            Ok(Crossings(false)) => return Ok(()),
            Ok(Crossings(true)) => Misplaced::CrossedOrigins,
            Err(too_deep) => too_deep.into(),
        };
        self.undo(before);
        Err(outcome)
    }

    /// The same for what comes from a store or a file, where crossed origins are too late to be refused.
    pub fn load(&mut self, update: &CheckedUpdate, through: impl FnMut(ClientId) -> u32) -> Result<(), NestedTooDeep> {
        let before = self.ends(update);
        Walk::new(self, update, through).run().map(drop).inspect_err(|_| self.undo(before))
    }

    /// Forgets what the document does not have after all.
    pub fn retreat(&mut self, mut clock: impl FnMut(ClientId) -> u32) {
        let clients: Vec<ClientId> = self.0.keys().copied().collect();
        for client in clients {
            self.cut(client, clock(client));
        }
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
        self.0.get(&client).map_or(0, |places| places.end)
    }

    fn cut(&mut self, client: ClientId, end: u32) {
        if let Some(places) = self.0.get_mut(&client)
            && end < places.end
        {
            places.runs.truncate(places.runs.partition_point(|run| run.start < end));
            places.end = end;
        }
    }

    fn level(&self, client: ClientId, clock: u32) -> u16 {
        self.run(client, clock).map_or(0, |run| run.level)
    }

    fn run(&self, client: ClientId, clock: u32) -> Option<&Run> {
        let places = self.0.get(&client).filter(|places| clock < places.end)?;
        // What comes goes on with what came last, nearly always.
        let last = places.runs.last().filter(|run| run.start <= clock);
        last.or_else(|| places.runs[..places.runs.partition_point(|run| run.start <= clock)].last())
    }

    /// Whether `right` stands left of `left` for certain, or is the same item.
    fn are_crossed(&self, left: (ClientId, u32), right: (ClientId, u32)) -> bool {
        let run_of_left = || self.run(left.0, left.1).filter(|run| run.is_in_order);
        left.0 == right.0 && right.1 <= left.1 && run_of_left().is_some_and(|run| run.start <= right.1)
    }

    fn note(&mut self, client: ClientId, clocks: Range<u32>, level: u16, start: Start) {
        let places = self.0.entry(client).or_default();
        let goes_on = places.runs.last().is_some_and(|last| match start {
            Start::RightOfLast => last.is_in_order && last.level == level,
            Start::Nowhere => !last.is_in_order && last.level == level,
            Start::Elsewhere => false,
        });
        if !goes_on {
            places.runs.push(Run { start: clocks.start, level, is_in_order: start != Start::Nowhere });
        }
        places.end = clocks.end;
    }
}

/// Whether an item was met whose origins are crossed.
struct Crossings(bool);

/// One pass over an update's sections, each as far as what it refers to is noted already, and on when it is.
struct Walk<'a, F> {
    places: &'a mut ItemPlaces,
    update: &'a CheckedUpdate,
    through: F,
    cursors: SmallVec<[Cursor; 1]>,
    /// Whose sections there are; made when first asked for, which an update that stands on what is noted never does.
    clients: OnceCell<HashSet<ClientId>>,
    /// The sections that stand still until an item is noted.
    waiting: BTreeMap<(ClientId, u32), Vec<usize>>,
    crossings: Crossings,
}

#[derive(Clone, Copy)]
struct Cursor {
    structs_left: u64,
    clock: u32,
    offset: usize,
}

impl<'a, F: FnMut(ClientId) -> u32> Walk<'a, F> {
    fn new(places: &'a mut ItemPlaces, update: &'a CheckedUpdate, through: F) -> Self {
        let sections = update.sections.iter();
        let cursors = sections.map(|section| Cursor {
            structs_left: section.end.structs,
            clock: section.clock,
            offset: section.offset,
        });
        let cursors = cursors.collect();
        Self {
            places,
            update,
            through,
            cursors,
            clients: OnceCell::new(),
            waiting: BTreeMap::new(),
            crossings: Crossings(false),
        }
    }

    fn run(mut self) -> Result<Crossings, NestedTooDeep> {
        let mut ready: SmallVec<[usize; 1]> = (0..self.cursors.len()).collect();
        while let Some(index) = ready.pop() {
            self.advance(index)?;
            let client = self.update.sections[index].client;
            if self.waiting.is_empty() {
                continue;
            }
            let noted = self.places.end(client);
            while let Some((&awaited, _)) = self.waiting.range((client, 0)..(client, noted)).next() {
                ready.extend(self.waiting.remove(&awaited).unwrap_or_default());
            }
        }
        // What still waits refers to what is not there. It is never admitted, and of a damaged document not kept.
        Ok(self.crossings)
    }

    fn advance(&mut self, index: usize) -> Result<(), NestedTooDeep> {
        let client = self.update.sections[index].client;
        let through = (self.through)(client);
        let mut cursor = self.cursors[index];
        let bytes = &self.update.update.0;
        let mut reader = Reader::new(bytes);
        let _ = reader.read_slice(cursor.offset as u64);
        while cursor.structs_left > 0 && cursor.clock < through {
            let mut links = Links::default();
            // The bytes have passed this walk before.
            let Ok(walked) = walk_struct(&mut reader, client, cursor.clock, self.update.limits, &mut links) else {
                break;
            };
            let end = cursor.clock + walked.length as u32;
            // Admission takes whole structs: one that ends behind that clock is early, however much of it is known.
            if end > through {
                break;
            }
            let known = self.places.end(client);
            if !walked.is_skip && end > known {
                if let Some(awaited) = self.awaited(client, &links) {
                    self.waiting.entry(awaited).or_default().push(index);
                    break;
                }
                let level = links
                    .0
                    .iter()
                    .flatten()
                    .map(|link| self.places.level(link.client, link.clock) + u16::from(link.is(Relation::Parent)));
                let level = level.max().unwrap_or(0).min(MAX_TYPE_NESTING);
                if walked.is_type && level >= MAX_TYPE_NESTING {
                    return Err(NestedTooDeep);
                }
                // Of a struct that is known in part, the rest follows on the part that is.
                let start = cursor.clock.max(known);
                let follows = start > cursor.clock;
                let origin = if follows { Some((client, start - 1)) } else { links.find(Relation::Origin) };
                if let (Some(left), Some(right)) = (origin, links.find(Relation::RightOrigin)) {
                    self.crossings.0 |= self.places.are_crossed(left, right);
                }
                let begins = match origin {
                    _ if walked.is_collected => Start::Nowhere,
                    Some((of, clock)) if of == client && clock + 1 == start => Start::RightOfLast,
                    _ => Start::Elsewhere,
                };
                self.places.note(client, start..end, level, begins);
            }
            cursor = Cursor { structs_left: cursor.structs_left - 1, clock: end, offset: reader.position() };
        }
        self.cursors[index] = cursor;
        Ok(())
    }

    fn clients(&self) -> &HashSet<ClientId> {
        self.clients.get_or_init(|| self.update.sections.iter().map(|section| section.client).collect())
    }

    /// An item of another section that must be noted first.
    fn awaited(&self, client: ClientId, links: &Links) -> Option<(ClientId, u32)> {
        let mut others = links.0.iter().flatten().filter(|link| link.client != client);
        let link =
            others.find(|link| self.places.end(link.client) <= link.clock && self.clients().contains(&link.client))?;
        Some((link.client, link.clock))
    }
}

/// An item is the child of its parent, or has the parent of its origins.
#[derive(Clone, Copy)]
struct Link {
    client: ClientId,
    clock: u32,
    relation: Relation,
}

impl Link {
    fn is(&self, relation: Relation) -> bool {
        self.relation == relation
    }
}

#[derive(Default)]
struct Links([Option<Link>; 2]);

impl Links {
    fn find(&self, relation: Relation) -> Option<(ClientId, u32)> {
        self.0.iter().flatten().find(|link| link.is(relation)).map(|link| (link.client, link.clock))
    }
}

impl ForeignReferences for Links {
    fn add(&mut self, _: ClientId, _: u32) {}

    fn add_link(&mut self, client: ClientId, clock: u32, relation: Relation) {
        if let Some(free) = self.0.iter_mut().find(|link| link.is_none()) {
            *free = Some(Link { client, clock, relation });
        }
    }
}
