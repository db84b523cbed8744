//! One pass over an update, which notes where each of its items stands.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashSet},
};

use smallvec::SmallVec;

use super::{ItemPlaces, MAX_TYPE_NESTING, Misplaced, NestedTooDeep, Start};
use crate::{
    ClientId, Reader,
    update::{
        CheckedUpdate,
        walk::{ForeignReferences, Relation, StructKind, walk_struct},
    },
};

/// One pass over an update's sections, each as far as what it refers to is noted already, and on when it is.
pub(super) struct Walk<'a, F> {
    places: &'a mut ItemPlaces,
    update: &'a CheckedUpdate,
    through: F,
    cursors: SmallVec<[Cursor; 1]>,
    /// Whose sections there are; made when first asked for, which an update that stands on what is noted never does.
    clients: OnceCell<HashSet<ClientId>>,
    /// The sections that stand still until an item is noted.
    waiting: BTreeMap<(ClientId, u32), Vec<usize>>,
    /// The first thing that was met that is to be refused, if anybody can.
    misplaced: Option<Misplaced>,
}

#[derive(Clone, Copy)]
struct Cursor {
    structs_left: u64,
    clock: u32,
    offset: usize,
}

impl<'a, F: FnMut(ClientId) -> u32> Walk<'a, F> {
    pub(super) fn new(places: &'a mut ItemPlaces, update: &'a CheckedUpdate, through: F) -> Self {
        let sections = update.sections.iter();
        let cursors = sections.map(|section| Cursor {
            structs_left: section.end.structs,
            clock: section.clock,
            offset: section.offset,
        });
        let cursors = cursors.collect();
        Self { places, update, through, cursors, clients: OnceCell::new(), waiting: BTreeMap::new(), misplaced: None }
    }

    pub(super) fn run(mut self) -> Result<Option<Misplaced>, NestedTooDeep> {
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
        Ok(self.misplaced)
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
            if !walked.is_skip() && end > known {
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
                if walked.kind == StructKind::Type && level >= MAX_TYPE_NESTING {
                    return Err(NestedTooDeep);
                }
                // Of a struct that is known in part, the rest follows on the part that is.
                let start = cursor.clock.max(known);
                let follows = start > cursor.clock;
                let origin = if follows { Some((client, start - 1)) } else { links.find(Relation::Origin) };
                if let (Some(left), Some(right)) = (origin, links.find(Relation::RightOrigin))
                    && self.places.are_crossed(left, right)
                {
                    self.misplaced.get_or_insert(Misplaced::CrossedOrigins);
                }
                if links.find(Relation::Parent).is_some_and(|parent| !self.places.may_have_children(parent)) {
                    self.misplaced.get_or_insert(Misplaced::InvalidParent);
                }
                let begins = match origin {
                    _ if walked.kind == StructKind::Collected => Start::Nowhere,
                    Some((of, clock)) if of == client && clock + 1 == start => Start::RightOfLast,
                    _ => Start::Elsewhere,
                };
                self.places.note(client, start..end, level, begins, walked.kind.may_have_children());
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
