//! How deep a document nests shared types in each other.
//!
//! yrs and yjs delete a type's children by recursion: a client could nest 20,000 types in 120 kB, delete the outermost in
//! six bytes, and the stack of whoever merges it would overflow, which in Rust ends the process. No single update need
//! show it, so the document's owner keeps [`TypeLevels`] beside it and asks before it applies.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
};

use smallvec::SmallVec;

use super::{
    CheckedUpdate,
    walk::{ForeignReferences, walk_struct},
};
use crate::{ClientId, Reader};

/// How deep shared types may nest. Real documents stay below 40; a stack of 2 MiB holds some thousand levels of yrs, and
/// those of browsers hold as many.
pub const MAX_TYPE_NESTING: u16 = 200;

/// An update would nest shared types deeper than [`MAX_TYPE_NESTING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shared types would nest deeper than {MAX_TYPE_NESTING} levels")]
pub struct NestedTooDeep;

/// On which level each item of a document stands: 0 in a root, one more than its parent elsewhere.
///
/// A client's clocks only grow, so each client's levels are one ascending list, in which neighbours share an entry.
#[derive(Debug, Default)]
pub struct TypeLevels(HashMap<ClientId, Levels>);

#[derive(Debug, Default)]
struct Levels {
    runs: Vec<Run>,
    /// The clock after the last item.
    end: u32,
}

/// From this clock to the next run's, all items stand on this level.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    level: u16,
}

impl TypeLevels {
    /// Notes the update's structs that start before the clock that `through` tells for their client: what was admitted.
    /// When they nest too deep, nothing is noted.
    pub fn take(&mut self, update: &CheckedUpdate, through: impl FnMut(ClientId) -> u32) -> Result<(), NestedTooDeep> {
        let sections = update.sections.iter();
        let before: SmallVec<[_; 1]> = sections.map(|section| (section.client, self.end(section.client))).collect();
        let outcome = Walk::new(self, update, through).run();
        if outcome.is_err() {
            for (client, end) in before {
                self.cut(client, end);
            }
        }
        outcome
    }

    /// Forgets what the document does not have after all.
    pub fn retreat(&mut self, mut clock: impl FnMut(ClientId) -> u32) {
        let clients: Vec<ClientId> = self.0.keys().copied().collect();
        for client in clients {
            self.cut(client, clock(client));
        }
    }

    fn end(&self, client: ClientId) -> u32 {
        self.0.get(&client).map_or(0, |levels| levels.end)
    }

    fn cut(&mut self, client: ClientId, end: u32) {
        if let Some(levels) = self.0.get_mut(&client)
            && end < levels.end
        {
            levels.runs.truncate(levels.runs.partition_point(|run| run.start < end));
            levels.end = end;
        }
    }

    fn level(&self, client: ClientId, clock: u32) -> u16 {
        let Some(levels) = self.0.get(&client).filter(|levels| clock < levels.end) else { return 0 };
        let after = levels.runs.partition_point(|run| run.start <= clock);
        after.checked_sub(1).map_or(0, |at| levels.runs[at].level)
    }

    fn note(&mut self, client: ClientId, end: u32, start: u32, level: u16) {
        let levels = self.0.entry(client).or_default();
        if levels.runs.last().is_none_or(|last| last.level != level) {
            levels.runs.push(Run { start, level });
        }
        levels.end = end;
    }
}

/// One pass over an update's sections, each as far as what it refers to is noted already, and on when it is.
struct Walk<'a, F> {
    levels: &'a mut TypeLevels,
    update: &'a CheckedUpdate,
    through: F,
    cursors: SmallVec<[Cursor; 1]>,
    /// Whose sections there are; made when first asked for, which an update that stands on what is noted never does.
    clients: OnceCell<HashSet<ClientId>>,
    /// The sections that stand still until an item is noted.
    waiting: BTreeMap<(ClientId, u32), Vec<usize>>,
}

#[derive(Clone, Copy)]
struct Cursor {
    structs_left: u64,
    clock: u32,
    offset: usize,
}

impl<'a, F: FnMut(ClientId) -> u32> Walk<'a, F> {
    fn new(levels: &'a mut TypeLevels, update: &'a CheckedUpdate, through: F) -> Self {
        let sections = update.sections.iter();
        let cursors = sections.map(|section| Cursor {
            structs_left: section.end.structs,
            clock: section.clock,
            offset: section.offset,
        });
        let cursors = cursors.collect();
        Self { levels, update, through, cursors, clients: OnceCell::new(), waiting: BTreeMap::new() }
    }

    fn run(mut self) -> Result<(), NestedTooDeep> {
        let mut ready: SmallVec<[usize; 1]> = (0..self.cursors.len()).collect();
        while let Some(index) = ready.pop() {
            self.advance(index)?;
            let client = self.update.sections[index].client;
            if self.waiting.is_empty() {
                continue;
            }
            let noted = self.levels.end(client);
            while let Some((&awaited, _)) = self.waiting.range((client, 0)..(client, noted)).next() {
                ready.extend(self.waiting.remove(&awaited).unwrap_or_default());
            }
        }
        // What still waits refers to what is not there. It is never admitted, and of a damaged document not kept.
        Ok(())
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
            let known = self.levels.end(client);
            if !walked.is_skip && end > known {
                if let Some(awaited) = self.awaited(client, &links) {
                    self.waiting.entry(awaited).or_default().push(index);
                    break;
                }
                let level = links
                    .0
                    .iter()
                    .flatten()
                    .map(|link| self.levels.level(link.client, link.clock) + u16::from(link.is_parent));
                let level = level.max().unwrap_or(0).min(MAX_TYPE_NESTING);
                if walked.is_type && level >= MAX_TYPE_NESTING {
                    return Err(NestedTooDeep);
                }
                self.levels.note(client, end, cursor.clock.max(known), level);
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
            others.find(|link| self.levels.end(link.client) <= link.clock && self.clients().contains(&link.client))?;
        Some((link.client, link.clock))
    }
}

/// An item is the child of its parent, or has the parent of its origins.
#[derive(Clone, Copy)]
struct Link {
    client: ClientId,
    clock: u32,
    is_parent: bool,
}

#[derive(Default)]
struct Links([Option<Link>; 2]);

impl ForeignReferences for Links {
    fn add(&mut self, _: ClientId, _: u32) {}

    fn add_link(&mut self, client: ClientId, clock: u32, is_parent: bool) {
        if let Some(free) = self.0.iter_mut().find(|link| link.is_none()) {
            *free = Some(Link { client, clock, is_parent });
        }
    }
}
