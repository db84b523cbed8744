//! How far an update reaches when its sections build on each other, or on what the document does not have.
//!
//! Each section is walked as far as its structs find what they refer to; there it waits until the section that it waits
//! for has come far enough. The order in which this ends is the one in which yrs and yjs integrate the structs, and what
//! still waits at the end is early. Each struct is read once, and once more for each time that it had to wait (its
//! origins and its parent: at most three times), so the work stays linear, but for the sorted queue of who waits.

use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use super::{
    CheckedUpdate, Cut,
    admission::{Clocks, Reach, Stop, held_back},
    walk::{ForeignReferences, walk_struct},
};
use crate::{ClientId, Reader};

/// Computes each section's reach.
pub(super) fn reach_by_references(checked: &CheckedUpdate, clocks: &mut dyn Clocks) -> SmallVec<[Reach; 1]> {
    let mut frontier = Frontier {
        checked,
        by_client: checked.sections.iter().enumerate().map(|(index, section)| (section.client, index)).collect(),
        walks: (0..checked.sections.len()).map(|index| Walk::new(checked, index, clocks)).collect(),
        waiting: BTreeMap::new(),
    };
    let mut ready: Vec<usize> =
        (0..checked.sections.len()).filter(|&index| frontier.walks[index].reach.stop.is_none()).collect();
    while let Some(index) = ready.pop() {
        frontier.advance(index, clocks);
        frontier.wake(index, &mut ready);
    }
    frontier.walks.into_iter().map(|walk| walk.reach).collect()
}

struct Frontier<'a> {
    checked: &'a CheckedUpdate,
    by_client: HashMap<ClientId, usize>,
    walks: Vec<Walk>,
    /// Sections that wait, by what they wait for.
    waiting: BTreeMap<(ClientId, u32), Vec<usize>>,
}

/// One section on its way.
struct Walk {
    reach: Reach,
    /// The struct to read next, and its clock. Behind the reach there may be skips.
    next: Cut,
    clock: u32,
}

impl Walk {
    /// At the section's start; a section that is held stays there.
    fn new(checked: &CheckedUpdate, index: usize, clocks: &mut dyn Clocks) -> Self {
        let section = &checked.sections[index];
        let known = clocks.clock(section.client);
        let start = Cut { structs: 0, offset: section.offset };
        // Its runs are gone through only where it may be held: hardly ever.
        let may_be_held = clocks.is_held(section.client);
        let reach = may_be_held.then(|| checked.reach_by_runs(index, section, known));
        let reach = reach.and_then(|reach| held_back(section, reach, clocks));
        let reach = reach.unwrap_or(Reach { cut: start, known, reached: known, stop: None });
        Self { reach, next: start, clock: section.clock }
    }
}

impl Frontier<'_> {
    /// Walks a section on until it ends or must wait.
    fn advance(&mut self, index: usize, clocks: &mut dyn Clocks) {
        let section = &self.checked.sections[index];
        let bytes = &self.checked.update.0;
        let mut reader = Reader::new(bytes);
        let mut referred = Referred::default();
        self.walks[index].reach.stop = None;
        if reader.read_slice(self.walks[index].next.offset as u64).is_err() {
            return;
        }
        while self.walks[index].next.structs < section.end.structs {
            let clock = self.walks[index].clock;
            referred.0.clear();
            // The bytes have passed this walk before.
            let Ok(walked) = walk_struct(&mut reader, section.client, clock, self.checked.limits, &mut referred) else {
                return;
            };
            if !walked.is_skip()
                && let Some(waits_for) = self.missing(index, clock, &referred, clocks)
            {
                self.walks[index].reach.stop = Some(Stop { clock, waits_for, is_held: false });
                self.waiting.entry(waits_for).or_default().push(index);
                return;
            }
            let walk = &mut self.walks[index];
            walk.clock = clock + walked.length as u32;
            walk.next = Cut { structs: walk.next.structs + 1, offset: reader.position() };
            if !walked.is_skip() {
                walk.reach.cut = walk.next;
                walk.reach.reached = walk.reach.reached.max(walk.clock);
            }
        }
    }

    /// What must come before a struct, if it is not there yet.
    fn missing(
        &self,
        index: usize,
        clock: u32,
        referred: &Referred,
        clocks: &mut dyn Clocks,
    ) -> Option<(ClientId, u32)> {
        if clock > self.walks[index].reach.reached {
            return Some((self.checked.sections[index].client, clock));
        }
        referred.0.iter().copied().find(|&(client, end)| {
            let known = match self.by_client.get(&client) {
                Some(&other) => self.walks[other].reach.reached,
                None => clocks.clock(client),
            };
            known < end
        })
    }

    /// Makes those ready that waited for what this section has reached.
    fn wake(&mut self, index: usize, ready: &mut Vec<usize>) {
        let client = self.checked.sections[index].client;
        let reached = self.walks[index].reach.reached;
        while let Some((&waits_for, _)) = self.waiting.range((client, 0)..=(client, reached)).next() {
            ready.extend(self.waiting.remove(&waits_for).unwrap_or_default());
        }
    }
}

/// What one struct refers to, as the clock that must have been reached.
#[derive(Default)]
struct Referred(SmallVec<[(ClientId, u32); 3]>);

impl ForeignReferences for Referred {
    fn add(&mut self, client: ClientId, clock: u32) {
        self.0.push((client, clock + 1));
    }
}
