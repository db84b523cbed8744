//! What of a checked update a document can take now, and what is early.
//!
//! With structs that build on what is missing, or deletes of what does not exist yet, yrs would enter its *pending*
//! state, whose encodings can panic and whose events make replicas differ. Nothing that is admitted here gets it there:
//! of each client's structs those go in that start at or before the document's clock for that client, run on without a
//! gap, and refer only to what is known by then; delete ranges are clipped to what is known after that.

use std::{collections::HashMap, hash::BuildHasher};

use smallvec::SmallVec;

use super::{CheckedUpdate, ClockRange, Cut, Section, frontier::reach_by_references};
use crate::{ClientId, UpdateV1, Writer};

/// The clocks of a document: per client, the clock after the last struct that the document has.
pub trait Clocks {
    /// The next clock of `client`; 0 for a client that the document does not know.
    fn clock(&mut self, client: ClientId) -> u32;

    /// Notes that everything before `to` is admitted, so that the next update of a batch may build on it.
    fn advance(&mut self, client: ClientId, to: u32);

    /// Whether new structs of `client` wait, although nothing is missing, because the update is somebody else's (SY22).
    fn is_held(&mut self, _client: ClientId) -> bool {
        false
    }
}

impl<S: BuildHasher> Clocks for HashMap<ClientId, u32, S> {
    fn clock(&mut self, client: ClientId) -> u32 {
        self.get(&client).copied().unwrap_or(0)
    }

    fn advance(&mut self, client: ClientId, to: u32) {
        self.insert(client, to);
    }
}

/// An update, split at what a document has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What the document can take now: the very bytes that came when that is all of them, a shortened update otherwise,
    /// and `None` when there is nothing to apply.
    pub admitted: Option<UpdateV1>,
    /// Whether the admitted part begins with structs that the document has: whoever applies it takes them apart from the rest.
    pub repeats: bool,
    /// Whether the admitted part holds structs that are new, or any deletes. Whether a delete is news only the document
    /// itself can tell.
    pub brings_news: bool,
    /// The structs that are new to the document.
    pub structs: Vec<ClockRange>,
    /// What the document cannot take yet.
    pub early: Option<Early>,
}

/// The part of an update that builds on what the document does not have yet. It is not kept: whoever sent it, sends it
/// again in answer to a sync step 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Early {
    /// Which client's clock must reach what before a next piece can be admitted: one entry per client, ascending.
    pub waits_for: Vec<(ClientId, u32)>,
    /// Of which clients something waits only because they are held ([`Clocks::is_held`]), until they are not or the document
    /// has it all the same: each is in `waits_for` too.
    pub held: Vec<ClientId>,
}

/// How far one section of an update can be admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Behind the last struct that can.
    pub(super) cut: Cut,
    /// The client's clock before and after.
    pub(super) known: u32,
    pub(super) reached: u32,
    /// Where it stops, if it does not reach the section's end.
    pub(super) stop: Option<Stop>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The first clock that is early.
    pub(super) clock: u32,
    /// The client and clock that the document must reach first.
    pub(super) waits_for: (ClientId, u32),
    /// Nothing is missing: the section's client is held.
    pub(super) is_held: bool,
}

impl CheckedUpdate {
    /// Splits the update into what a document with these clocks can take now and what is early, and advances the clocks
    /// by what is admitted.
    pub fn admit(&self, clocks: &mut dyn Clocks) -> Admission {
        let reaches = self.reach(clocks);
        let mut structs = Vec::new();
        let mut remainder = Remainder::default();
        for (index, (section, reach)) in self.sections.iter().zip(&reaches).enumerate() {
            let stop = reach.stop.map_or(u32::MAX, |stop| stop.clock);
            for run in &self.runs[section.first_run..self.runs_end(index)] {
                let (start, end) = (run.start.max(reach.known), run.end.min(stop));
                if start < end {
                    structs.push(ClockRange { start, end, ..*run });
                }
            }
            if let Some(stop) = reach.stop {
                remainder.waits_for.push(stop.waits_for);
                remainder.held.extend(stop.is_held.then_some(section.client));
            }
            if reach.reached > reach.known {
                clocks.advance(section.client, reach.reached);
            }
        }
        let deletes = self.clip_deletes(clocks, &mut remainder);
        let has_deletes = match &deletes {
            Deletes::AsTheyCame => !self.deletes.is_empty(),
            Deletes::Clipped(kept) => !kept.is_empty(),
        };
        let has_structs = reaches.iter().any(|reach| reach.cut.structs > 0);
        let mut taken = self.sections.iter().zip(&reaches).filter(|(_, reach)| reach.cut.structs > 0);
        let repeats = taken.any(|(section, reach)| section.clock < reach.known);
        let brings_news = !structs.is_empty() || has_deletes;
        let whole = reaches.iter().all(|reach| reach.stop.is_none()) && matches!(deletes, Deletes::AsTheyCame);
        let admitted = match (has_structs || has_deletes, whole) {
            (false, _) => None,
            (true, true) => Some(self.update.clone()),
            (true, false) => Some(self.rewrite(&reaches, &deletes)),
        };
        Admission { admitted, repeats, brings_news, structs, early: remainder.into_early() }
    }

    fn reach(&self, clocks: &mut dyn Clocks) -> SmallVec<[Reach; 1]> {
        if !self.references.are_known(|client| clocks.clock(client)) {
            return reach_by_references(self, clocks);
        }
        let sections = self.sections.iter().enumerate();
        let reach = |(index, section): (usize, &Section)| {
            let reach = self.reach_by_runs(index, section, clocks.clock(section.client));
            held_back(section, reach, clocks).unwrap_or(reach)
        };
        sections.map(reach).collect()
    }

    /// How far a section reaches if all that it refers to is known.
    pub(super) fn reach_by_runs(&self, index: usize, section: &Section, known: u32) -> Reach {
        let mut reach = Reach { cut: Cut { structs: 0, offset: section.offset }, known, reached: known, stop: None };
        for run in section.first_run..self.runs_end(index) {
            let range = self.runs[run];
            if range.start > reach.reached {
                let waits_for = (section.client, range.start);
                reach.stop = Some(Stop { clock: range.start, waits_for, is_held: false });
                break;
            }
            reach.reached = reach.reached.max(range.end);
            reach.cut = self.cuts[run];
        }
        reach
    }

    /// Clips the deletes to what is known. Ranges without length go too: yjs cannot write them in encoding V2. What is left is
    /// sorted and joined: yrs cuts an item at each range, and copies all of it for that.
    fn clip_deletes(&self, clocks: &mut dyn Clocks, remainder: &mut Remainder) -> Deletes {
        let mut known_of = KnownClock::new(clocks);
        let whole = self.deletes.iter().all(|range| range.start < range.end && range.end <= known_of.get(range.client));
        if whole && are_joined(&self.deletes) {
            return Deletes::AsTheyCame;
        }
        let mut kept = SmallVec::with_capacity(self.deletes.len());
        for range in &self.deletes {
            let known = known_of.get(range.client);
            let clipped = ClockRange { end: range.end.min(known), ..*range };
            if clipped.start < clipped.end {
                kept.push(clipped);
            }
            let early = range.start.max(known);
            if early < range.end {
                remainder.waits_for.push((range.client, early + 1));
            }
        }
        Deletes::Clipped(join_ranges(kept))
    }

    /// Writes the admitted part: sections shortened at a struct's end, and the deletes that are kept.
    fn rewrite(&self, reaches: &[Reach], deletes: &Deletes) -> UpdateV1 {
        let bytes = &self.update.0;
        let mut writer = Writer::with_capacity(bytes.len());
        writer.write_var_uint(reaches.iter().filter(|reach| reach.cut.structs > 0).count() as u64);
        for (section, reach) in self.sections.iter().zip(reaches) {
            if reach.cut.structs > 0 {
                writer.write_var_uint(reach.cut.structs).write_var_uint(section.client);
                writer.write_var_uint(u64::from(section.clock));
                writer.write_raw(&bytes[section.offset..reach.cut.offset]);
            }
        }
        match deletes {
            Deletes::AsTheyCame => {
                writer.write_raw(&bytes[self.deletes_offset..]);
            }
            Deletes::Clipped(kept) => write_deletes(&mut writer, kept),
        }
        UpdateV1(writer.finish())
    }
}

/// Where a section stops that reaches this far, if its client is held and it has anything new: there is nothing of it
/// to take then, as all before that is known.
pub(super) fn held_back(section: &Section, reach: Reach, clocks: &mut dyn Clocks) -> Option<Reach> {
    let Reach { known, reached, .. } = reach;
    let is_held = reached > known && clocks.is_held(section.client);
    is_held.then(|| {
        let stop = Stop { clock: known, waits_for: (section.client, reached), is_held };
        Reach { cut: Cut { structs: 0, offset: section.offset }, known, reached: known, stop: Some(stop) }
    })
}

enum Deletes {
    AsTheyCame,
    Clipped(SmallVec<[ClockRange; 2]>),
}

/// An update that deletes these ranges, in any order, and does nothing else.
pub fn encode_deletes(ranges: impl IntoIterator<Item = ClockRange>) -> UpdateV1 {
    let mut writer = Writer::default();
    writer.write_var_uint(0);
    write_deletes(&mut writer, &join_ranges(ranges.into_iter().collect()));
    UpdateV1(writer.finish())
}

/// Whether each client's ranges are sorted, and no two of them touch.
fn are_joined(ranges: &[ClockRange]) -> bool {
    ranges.windows(2).all(|pair| pair[0].client != pair[1].client || pair[0].end < pair[1].start)
}

pub(super) fn join_ranges(mut ranges: SmallVec<[ClockRange; 2]>) -> SmallVec<[ClockRange; 2]> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let touches = next.client == range.client && next.start <= range.end;
        if touches {
            range.end = range.end.max(next.end);
        }
        touches
    });
    ranges
}

pub(super) fn write_deletes(writer: &mut Writer, deletes: &[ClockRange]) {
    let by_client = || deletes.chunk_by(|a, b| a.client == b.client);
    writer.write_var_uint(by_client().count() as u64);
    for ranges in by_client() {
        writer.write_var_uint(ranges[0].client).write_var_uint(ranges.len() as u64);
        for range in ranges {
            writer.write_var_uint(u64::from(range.start)).write_var_uint(u64::from(range.end - range.start));
        }
    }
}

/// Asks for each client once, though its ranges may be many.
struct KnownClock<'a> {
    clocks: &'a mut dyn Clocks,
    last: Option<(ClientId, u32)>,
}

impl<'a> KnownClock<'a> {
    fn new(clocks: &'a mut dyn Clocks) -> Self {
        Self { clocks, last: None }
    }

    fn get(&mut self, client: ClientId) -> u32 {
        match self.last {
            Some((last, clock)) if last == client => clock,
            _ => {
                let clock = self.clocks.clock(client);
                self.last = Some((client, clock));
                clock
            }
        }
    }
}

/// What is early, as it is found.
#[derive(Default)]
struct Remainder {
    waits_for: Vec<(ClientId, u32)>,
    held: Vec<ClientId>,
}

impl Remainder {
    fn into_early(self) -> Option<Early> {
        let Self { mut waits_for, held } = self;
        if waits_for.is_empty() {
            return None;
        }
        waits_for.sort_unstable();
        waits_for.dedup_by_key(|(client, _)| *client);
        Some(Early { waits_for, held })
    }
}
