//! What was found of each key.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use super::WreckFile;
use crate::{
    engine::MAX_VALUE_BYTES,
    keys::{self, CATALOGUE, FINDINGS, FORMAT, JOURNAL, Place, STATE},
    value::{self, Entry, Head, State},
};

/// A key's older values are in as many replaced pages as there were commits.
const MOST_CANDIDATES: usize = 4;
/// What is shorter was no value.
const LEAST_BYTES: usize = value::SEAL_BYTES;
/// Frames of the journal are newer than anything in the engine.
const JOURNAL_ORDER: u64 = 1 << 63;

/// Takes what an engine's file holds, in any order. Keys that are none of ours are passed over.
pub trait Sink {
    /// A pair whose value stands at `offset`. Of two values of one key the one with the higher `order` is newer, as far as the
    /// format tells.
    fn found(&mut self, key: &[u8], value: &[u8], offset: u64, order: u64);

    /// The engine, if it could read its file, would have that value, found before, at that key.
    fn is_current(&mut self, key: &[u8], value: &[u8]);

    /// Something was there that cannot be made out, so that what is current may be older than what was written last.
    fn lacks_some(&mut self);
}

/// What the checksum of a value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seal {
    /// It is not what was written at that key.
    Broken,
    /// It is a part of a value, and only the whole can be judged.
    Part,
    /// It is what was written at that key.
    Sound,
}

/// Judges a value; `None` where the key is none of ours.
pub fn look_at_seal(key: &[u8], value: &[u8]) -> Option<Seal> {
    let sealed_for = match keys::place(key) {
        Some(place) if place.chunk() > 0 || value.len() == MAX_VALUE_BYTES => {
            return Some(if (1..=MAX_VALUE_BYTES).contains(&value.len()) { Seal::Part } else { Seal::Broken });
        }
        Some(_) => keys::chunks_of(key)?,
        None if is_single(key) => key,
        None => return None,
    };
    Some(if value::is_sealed_for(sealed_for, value) { Seal::Sound } else { Seal::Broken })
}

/// Whether all of a value stands at that key.
fn is_single(key: &[u8]) -> bool {
    [FORMAT, STATE, FINDINGS, JOURNAL].contains(&key)
        || keys::head_number(key).is_some()
        || keys::catalogue_name(key).is_some()
}

/// Where a value is.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In the engine's file.
    File { offset: u64, length: u32 },
    /// In the journal, or made here.
    Memory(Arc<[u8]>),
}

impl Source {
    pub(super) fn read(&self, file: &WreckFile) -> Vec<u8> {
        match self {
            Self::File { offset, length } => file.read(*offset, *length as usize),
            Self::Memory(bytes) => bytes.to_vec(),
        }
    }

    /// How much of the engine's file it is.
    pub(super) fn bytes_of_file(&self) -> u64 {
        match self {
            Self::File { length, .. } => u64::from(*length),
            Self::Memory(_) => 0,
        }
    }
}

/// A value that was found at a key.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) seal: Seal,
    pub(super) is_current: bool,
    /// What the value says of its age.
    rank: (u64, u64),
    order: u64,
    pub(super) source: Source,
    length: usize,
    checksum: u32,
}

impl Candidate {
    fn worth(&self) -> (Seal, bool, (u64, u64), u64) {
        (self.seal, self.is_current, self.rank, self.order)
    }
}

/// Some values of each key, the best first.
#[derive(Debug, Default)]
pub(crate) struct Pile {
    pub(super) keys: BTreeMap<Vec<u8>, Vec<Candidate>>,
    pub(super) lacks_some: bool,
}

impl Pile {
    /// Counters that are newer than the current ones tell that what seems current is not: the file's beginning was hit.
    pub(super) fn doubt_an_older_state(&mut self) {
        let states = self.keys.get(STATE).map_or(&[][..], Vec::as_slice);
        let newest = |is_current| {
            let states = states.iter().filter(|state| state.seal == Seal::Sound && state.is_current == is_current);
            states.map(|state| state.rank).max()
        };
        if newest(false) > newest(true) {
            for candidate in self.keys.values_mut().flatten() {
                candidate.is_current = false;
            }
        }
    }

    /// The number of the last frame of the journal that the engine has taken.
    pub(crate) fn taken(&self) -> u64 {
        let places = self.keys.get(JOURNAL).into_iter().flatten().filter(|place| place.seal == Seal::Sound);
        places.map(|place| place.rank.0).max().unwrap_or(0)
    }

    /// A change from a frame of the journal that the engine has not taken, in their order.
    pub(crate) fn add_change(&mut self, key: &[u8], change: Option<Vec<u8>>, frame: u64) {
        if change.is_none() && keys::place(key).is_none() {
            // A document was deleted, and is not wanted in the place of one that is missing.
            self.keys.remove(key);
        }
        for candidate in self.keys.get_mut(key).into_iter().flatten() {
            candidate.is_current = false;
        }
        if let Some(value) = change {
            self.add(key, &value, Source::Memory(value.as_slice().into()), JOURNAL_ORDER | frame, true);
        }
    }

    /// A value that the journal had once: it is worth less than anything that the engine's file holds.
    pub(crate) fn fill(&mut self, key: &[u8], value: &[u8]) {
        self.add(key, value, Source::Memory(value.into()), 0, false);
    }

    fn add(&mut self, key: &[u8], value: &[u8], source: Source, order: u64, is_current: bool) {
        let Some(seal) = look_at_seal(key, value) else { return };
        // What is broken is kept only where it tells that there was something.
        let is_of_document = key.first() == Some(&CATALOGUE) || keys::place(key).is_some();
        if seal == Seal::Broken && (!is_of_document || value.len() < LEAST_BYTES) {
            return;
        }
        let checksum = crc32fast::hash(value);
        let candidates = match self.keys.get_mut(key) {
            Some(candidates) => candidates,
            None => self.keys.entry(key.to_vec()).or_default(),
        };
        let same = candidates.iter_mut().find(|known| (known.length, known.checksum) == (value.len(), checksum));
        if let Some(known) = same {
            if order >= known.order {
                (known.source, known.order) = (source, order);
            }
            known.is_current |= is_current;
        } else {
            let rank = rank(key, value);
            // Most keys have one.
            candidates.reserve_exact(1);
            candidates.push(Candidate { seal, is_current, rank, order, source, length: value.len(), checksum });
        }
        candidates.sort_unstable_by_key(|candidate| Reverse(candidate.worth()));
        candidates.truncate(MOST_CANDIDATES);
    }
}

impl Sink for Pile {
    fn found(&mut self, key: &[u8], value: &[u8], offset: u64, order: u64) {
        if let Ok(length) = u32::try_from(value.len()) {
            self.add(key, value, Source::File { offset, length }, order, false);
        }
    }

    fn is_current(&mut self, key: &[u8], value: &[u8]) {
        let Some(candidates) = self.keys.get_mut(key) else { return };
        let identity = (value.len(), crc32fast::hash(value));
        for candidate in candidates.iter_mut() {
            candidate.is_current = (candidate.length, candidate.checksum) == identity;
        }
        candidates.sort_unstable_by_key(|candidate| Reverse(candidate.worth()));
    }

    fn lacks_some(&mut self) {
        self.lacks_some = true;
    }
}

/// Of two sound values of a key, the one with the higher rank is newer.
fn rank(key: &[u8], value: &[u8]) -> (u64, u64) {
    if keys::head_number(key).is_some() {
        Head::decode(key, value).map_or((0, 0), |head| (head.seq.0, u64::from(head.generation)))
    } else if key == STATE {
        (State::decode(key, value).map_or(0, |state| state.commits), 0)
    } else if key == JOURNAL {
        (value::decode_journal(key, value).unwrap_or(0), 0)
    } else if key.first() == Some(&CATALOGUE) {
        // A document that is made anew has a new number.
        (Entry::decode(key, value).map_or(0, |entry| entry.number.0), 0)
    } else {
        (0, 0)
    }
}

impl Place {
    /// Which part of the value it is.
    pub(super) fn chunk(self) -> u32 {
        match self {
            Self::Snapshot { chunk, .. } | Self::Record { chunk, .. } | Self::Aside { chunk, .. } => chunk,
        }
    }
}
