//! A page of a tree, of which some bytes may be anything.
//!
//! ```text
//! leaf   = 1 · any · count (2) · end of each key (4) · end of each value (4) · keys · values
//! branch = 2 · any · count (2) · any (4) · checksum of each child (16) · number of each child (8) · ends of keys · keys
//! ```
//! Numbers are little-endian, ends count from the beginning of the page, and a branch has one child more than keys.

use std::ops::Range;

use confluo_store::{
    WreckFile,
    wreck::{Seal, look_at_seal},
};

use super::{PAGE_BYTES, work::Work};

const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const LEAF_HEAD_BYTES: usize = 4;
const BRANCH_HEAD_BYTES: usize = 8;
/// More than pages of values of at most 64 KiB take.
pub(super) const MOST_BYTES: usize = 1 << 20;

pub(super) enum Page {
    Leaf(Leaf),
    /// The numbers of the pages below.
    Branch(Vec<u64>),
}

/// A leaf with its bytes.
pub(super) struct Leaf {
    bytes: Vec<u8>,
    pairs: Vec<(Range<usize>, Range<usize>)>,
    seals: Vec<Option<Seal>>,
}

/// Reads the page at `at`; `None`: it looks like none, or is too much work. One bit of its type or its count may be wrong, where
/// its pairs show it.
pub(super) fn read(file: &WreckFile, at: u64, work: &mut Work) -> Option<Page> {
    work.begin_page();
    let bytes = file.read(at, PAGE_BYTES as usize);
    let (kind, count) = (*bytes.first()?, u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?));
    if kind == BRANCH {
        return read_children(&bytes, count.into()).map(Page::Branch);
    }
    if (kind ^ LEAF).count_ones() > 1 {
        return None;
    }
    let as_it_says = Leaf::read(file, at, &bytes, count, work);
    if as_it_says.as_ref().is_some_and(|leaf| leaf.has_seal(Seal::Sound) || leaf.has_ours() && leaf.is_readable()) {
        return as_it_says.map(Page::Leaf);
    }
    let flipped = (0..u16::BITS).filter_map(|bit| Leaf::read(file, at, &bytes, count ^ (1 << bit), work));
    let repaired = flipped.into_iter().find(|leaf| leaf.has_seal(Seal::Sound));
    repaired.or(as_it_says.filter(|_| kind == LEAF)).map(Page::Leaf)
}

/// The children of a branch.
fn read_children(bytes: &[u8], keys: usize) -> Option<Vec<u64>> {
    let numbers = bytes.get(BRANCH_HEAD_BYTES + 16 * (keys + 1)..)?.get(..8 * (keys + 1))?;
    Some(numbers.chunks_exact(8).filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?))).collect())
}

impl Leaf {
    /// Reads a leaf of so many pairs, without those whose ends cannot be. Ends may say that pairs overlap, and a bit more or less
    /// makes them: what it costs is not bounded by how long the leaf is.
    fn read(file: &WreckFile, at: u64, page: &[u8], count: u16, work: &mut Work) -> Option<Self> {
        let count = usize::from(count);
        let keys_start = LEAF_HEAD_BYTES + 8 * count;
        if count == 0 || keys_start > page.len() {
            return None;
        }
        let ends: Vec<_> = page[LEAF_HEAD_BYTES..keys_start]
            .chunks_exact(4)
            .filter_map(|end| usize::try_from(u32::from_le_bytes(end.try_into().ok()?)).ok())
            .collect();
        let is_end = |end: &usize| (keys_start..=MOST_BYTES).contains(end);
        let length = ends.iter().copied().filter(is_end).max()?;
        if !work.take(length) {
            return None;
        }
        let bytes = file.read(at, length);
        let starts = [keys_start].into_iter().chain(ends.iter().copied());
        let ranges: Vec<_> = starts.zip(ends.iter().copied()).map(|(start, end)| start..end).collect();
        let is_within = |range: &Range<usize>| range.start >= keys_start && bytes.get(range.clone()).is_some();
        let (keys, values) = ranges.split_at(count);
        let pairs = keys.iter().cloned().zip(values.iter().cloned());
        let pairs: Vec<_> = pairs.filter(|(key, value)| is_within(key) && is_within(value)).collect();
        if !work.take(pairs.iter().map(|(key, value)| key.len() + value.len()).sum()) {
            return None;
        }
        let seals = pairs.iter().map(|(key, value)| look_at_seal(&bytes[key.clone()], &bytes[value.clone()])).collect();
        Some(Self { bytes, pairs, seals })
    }

    /// Each key, with its value and where in the page that is.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], (usize, &[u8]))> {
        let pair = |(key, value): &(Range<usize>, Range<usize>)| {
            (&self.bytes[key.clone()], (value.start, &self.bytes[value.clone()]))
        };
        self.pairs.iter().map(pair)
    }

    /// Whether something in it is, or may be, of our table.
    pub(super) fn has_ours(&self) -> bool {
        self.has_seal(Seal::Sound) || self.has_seal(Seal::Part)
    }

    /// Whether nothing in it is other than what was written, as far as can be told.
    pub(super) fn is_readable(&self) -> bool {
        self.seals.iter().all(|seal| matches!(seal, Some(Seal::Sound | Seal::Part)))
    }

    /// Whether all of it is what was written.
    pub(super) fn is_sound(&self) -> bool {
        self.seals.iter().all(|seal| *seal == Some(Seal::Sound))
    }

    /// How far its pages reach at least.
    pub(super) fn whole_pages(&self) -> u64 {
        (self.bytes.len() as u64).next_multiple_of(PAGE_BYTES).max(PAGE_BYTES)
    }

    fn has_seal(&self, seal: Seal) -> bool {
        self.seals.contains(&Some(seal))
    }
}
