//! What is left of a file that redb does not open, read page by page.
//!
//! As redb 4 lays them out: pages of 4 KiB and of powers of two of them, the first of all with two commit slots, each of which
//! points at a tree of tables; leaves and branches as told in [`page`]. What the newer slot's tree reaches is current. The
//! rest of the file is searched for leaves that were replaced, which a flipped bit in a leaf or above it makes worth having.
//!
//! Pages carry no mark of their own, so bytes in a document could be laid out like a leaf: the pages of a leaf whose pairs
//! are sound are not searched. Nor may they be laid out so that reading takes for ever: each page is looked at twice at most, in
//! a tree and in the search, and what one look may cost is bounded ([`work`]).

mod page;
#[cfg(test)]
mod tests;
mod work;

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    ops::Bound,
    path::Path,
};

use confluo_store::{EngineError, Sink, StoreError, Wreck, WreckFile, WreckStore};
use redb::{StorageBackend, backends::FileBackend};

use crate::open::{FILE, explain};
use page::{Leaf, Page};
use work::Work;

pub(crate) const PAGE_BYTES: u64 = 4096;
/// No tree is deeper, as redb has it too.
const MOST_DEPTH: usize = 128;
const SLOTS: [usize; 2] = [64, 192];
const SLOT_BYTES: usize = 128;
const TABLE: &[u8] = b"confluo";

/// Opens what is left of the store in a folder, to be read only.
pub fn open_wreck(dir: &Path) -> Result<WreckStore, StoreError> {
    let file = File::open(dir.join(FILE)).map_err(EngineError::Io)?;
    lock(&file, dir)?;
    Wreck::read("redb", dir, file, |file, sink| scrape(file, sink))?.into_store()
}

/// Who has the file open for writing holds a lock on some of it. One on all of it is held as long as the wreck is read.
fn lock(file: &File, dir: &Path) -> Result<(), EngineError> {
    // It is the same open file, whose locks stay until the last of both is closed.
    let file = file.try_clone().map_err(EngineError::Io)?;
    let backend = FileBackend::new(file).map_err(|error| explain(redb::Error::from(error)))?;
    let is_locked = backend.try_lock_shared_range(Bound::Unbounded, Bound::Unbounded);
    // A system without such locks cannot tell.
    if matches!(is_locked, Ok(false)) { Err(EngineError::Locked(dir.to_owned())) } else { Ok(()) }
}

/// Hands over every pair that can be made out.
fn scrape(file: &WreckFile, sink: &mut dyn Sink) {
    let header = file.read(0, PAGE_BYTES as usize);
    let mut scrape = Scrape {
        file,
        sink,
        layout: Layout::of(&header),
        seen: HashSet::new(),
        read: BTreeMap::new(),
        work: Work::default(),
    };
    let mut roots: Vec<_> = SLOTS.into_iter().filter_map(|at| read_slot(header.get(at..at + SLOT_BYTES)?)).collect();
    roots.sort_unstable();
    if !roots.into_iter().rev().any(|(_, root)| scrape.read_tables(root)) {
        scrape.sink.lacks_some();
    }
    scrape.read_rest();
    if scrape.work.was_left_undone {
        scrape.sink.lacks_some();
    }
}

/// The transaction of a commit slot, and the root of its tables.
fn read_slot(slot: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| slot.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    Some((number(104)?, number(8)?))
}

/// Where a page lies, by its number.
struct Layout {
    region_header_bytes: u64,
    region_bytes: u64,
}

impl Layout {
    fn of(header: &[u8]) -> Self {
        let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let header_bytes = u64::from(number(16).unwrap_or(0)) * PAGE_BYTES;
        let data_bytes = u64::from(number(20).unwrap_or(0)) * PAGE_BYTES;
        Self { region_header_bytes: header_bytes, region_bytes: header_bytes + data_bytes }
    }

    /// Within the file or not: what was hit may say anything.
    fn place(&self, page_number: u64) -> Option<u64> {
        let order = page_number >> 59;
        let region = (page_number >> 20) & 0xF_FFFF;
        let index = page_number & 0xF_FFFF & (0xF_FFFF_u64.checked_shr(u32::try_from(order).ok()?)?);
        let within = self.region_header_bytes.checked_add(index.checked_mul(PAGE_BYTES << order.min(20))?)?;
        PAGE_BYTES.checked_add(region.checked_mul(self.region_bytes)?)?.checked_add(within)
    }
}

struct Scrape<'a> {
    file: &'a WreckFile,
    sink: &'a mut dyn Sink,
    layout: Layout,
    /// The pages of trees: those of one tree are no other's.
    seen: HashSet<u64>,
    /// The leaves that were read, and where each ends.
    read: BTreeMap<u64, u64>,
    work: Work,
}

impl Scrape<'_> {
    /// Reads the tree of our table; `false`: nothing of it was found.
    fn read_tables(&mut self, root: u64) -> bool {
        let mut roots = Vec::new();
        self.walk(root, &mut |_, _, leaf| {
            let tables = leaf.pairs().filter(|(key, _)| *key == TABLE);
            roots.extend(tables.filter_map(|(_, table)| read_table(table.1)));
        });
        let mut found = false;
        for root in roots {
            self.walk(root, &mut |scrape, at, leaf| found |= scrape.take(at, &leaf, true));
        }
        found
    }

    /// Visits the leaves of a tree, as far as it can be followed.
    fn walk(&mut self, root: u64, visit: &mut dyn FnMut(&mut Self, u64, Leaf)) {
        let mut next = vec![(root, 0)];
        while let Some((number, depth)) = next.pop() {
            let at = self.layout.place(number).filter(|at| *at < self.file.len() && self.seen.insert(*at));
            match at.and_then(|at| Some((at, page::read(self.file, at, &mut self.work)?))) {
                Some((at, Page::Leaf(leaf))) => visit(self, at, leaf),
                Some((_, Page::Branch(children))) if depth < MOST_DEPTH => {
                    next.extend(children.into_iter().map(|child| (child, depth + 1)));
                }
                _ => self.sink.lacks_some(),
            }
        }
    }

    /// Searches what no tree reached.
    fn read_rest(&mut self) {
        let mut at = PAGE_BYTES;
        while at < self.file.len() {
            let mut next = at + PAGE_BYTES;
            if let Some(end) = self.read.get(&at) {
                next = *end;
            } else if let Some(Page::Leaf(leaf)) = page::read(self.file, at, &mut self.work) {
                self.take(at, &leaf, false);
                if leaf.is_sound() {
                    next = at + leaf.whole_pages();
                }
            }
            at = next;
        }
    }

    /// Hands the pairs of a leaf over; `false`: none is ours.
    fn take(&mut self, at: u64, leaf: &Leaf, is_current: bool) -> bool {
        if is_current && !leaf.is_readable() {
            self.sink.lacks_some();
        }
        if !leaf.has_ours() {
            return false;
        }
        if is_current {
            self.read.insert(at, at + leaf.whole_pages());
        }
        for (key, (offset, value)) in leaf.pairs() {
            self.sink.found(key, value, at + offset as u64, 0);
            if is_current {
                self.sink.is_current(key, value);
            }
        }
        true
    }
}

/// The root of a table, of what the tree of tables has of it.
fn read_table(definition: &[u8]) -> Option<u64> {
    definition.get(10..18)?.try_into().ok().map(u64::from_le_bytes)
}
