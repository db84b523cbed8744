//! Which of the candidates of each key a store would have.
//!
//! What the engine would have is taken where it can be told and is sound. For the rest, the store's own numbers decide: of two
//! heads the one that is further, of two entries the one of the later document, and the counters tell how many documents are
//! wanted, so that those that were deleted come back only where others are missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use confluo_protocol::{DocumentName, Seq};

use super::{
    Doubt, WreckFile,
    pile::{Candidate, Pile, Seal, Source},
};
use crate::{
    Finding,
    keys::{self, CATALOGUE, DocumentNumber, FINDINGS, FORMAT, JOURNAL, Place, STATE},
    value::{self, Entry, FORMAT_VERSION, Head, State},
};

/// Of the parts of a value each may be there in some versions; so many sets of them are tried.
const MOST_SETS: usize = 64;

/// One value for each key.
#[derive(Default)]
pub(super) struct Choice {
    pub(super) chosen: BTreeMap<Vec<u8>, Source>,
    pub(super) doubts: Vec<(DocumentName, Doubt)>,
}

/// A value that is whole.
struct Whole {
    place: Place,
    is_current: bool,
    /// The last record in it, of a snapshot.
    through: Seq,
}

type Pairs<'a> = &'a [(Vec<u8>, Vec<Candidate>)];

pub(super) fn choose(pile: Pile, file: &WreckFile, acknowledged: Option<u64>) -> Choice {
    let mut choice = Choice::default();
    let pairs: Vec<_> = pile.keys.into_iter().collect();
    let single = |key: &[u8]| {
        let at = pairs.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok()?;
        pairs[at].1.first().filter(|best| best.seal == Seal::Sound)
    };
    let counted = single(STATE).and_then(|state| State::decode(STATE, &state.source.read(file)).ok());
    let heads = read_heads(&pairs, file);
    // Counters that are older than the last commit count what was deleted since.
    let newest = counted.filter(|state| acknowledged.is_none_or(|acknowledged| state.commits >= acknowledged));
    let entries = choose_entries(&pairs, file, &heads, newest.map(|state| state.documents), &mut choice);
    let mut wholes = BTreeMap::<DocumentNumber, Vec<Whole>>::new();
    visit_values(&pairs, |value| {
        if let Some(number) = keys::document_number(&value[0].0) {
            wholes.entry(number).or_default().extend(choose_parts(value, file, &mut choice.chosen));
        }
    });
    let mut last_number = counted.map_or(0, |state| state.last_number);
    for (name, number) in entries {
        last_number = last_number.max(number.0);
        if let Some((head, is_current)) = heads.get(&number).copied() {
            let corrected = correct(head, is_current, wholes.get(&number).map_or(&[], Vec::as_slice));
            if !is_current || corrected != head {
                choice.doubts.push((name, Doubt::OldHead));
            }
            choice.put(keys::head(number), |key| corrected.encode(key));
            choice.hide_beyond(number, corrected);
        }
    }
    let findings = single(FINDINGS).and_then(|list| value::decode_findings(FINDINGS, &list.source.read(file)).ok());
    choice.put_own(counted, last_number, acknowledged, findings.unwrap_or_default());
    // A newer build's store is refused, as everywhere. An older one's cannot be marked as one of this build's here.
    let is_older = |best: &&Candidate| {
        value::decode_format(FORMAT, &best.source.read(file)).is_ok_and(|format| format < FORMAT_VERSION)
    };
    for (key, best) in [(FORMAT, single(FORMAT).filter(|best| !is_older(best))), (JOURNAL, single(JOURNAL))] {
        if let Some(best) = best {
            choice.chosen.insert(key.to_vec(), best.source.clone());
        }
    }
    choice
}

impl Choice {
    fn put(&mut self, key: Vec<u8>, encode: impl FnOnce(&[u8]) -> Vec<u8>) {
        let sealed = encode(&key);
        self.chosen.insert(key, Source::Memory(sealed.into()));
    }

    /// What of a document lies beyond its head, by which it would not load: what was never written, at keys that were hit.
    fn hide_beyond(&mut self, number: DocumentNumber, head: Head) {
        let beyond = keys::record(number, head.seq.next());
        let end = keys::asides(number);
        let hidden: Vec<_> = self.chosen.range(beyond..end).map(|(key, _)| key.clone()).collect();
        for key in hidden {
            self.chosen.remove(&key);
        }
    }

    /// The store's own values: the counters for what is here, and what is wrong.
    fn put_own(
        &mut self,
        counted: Option<State>,
        last_number: u64,
        acknowledged: Option<u64>,
        mut findings: Vec<Finding>,
    ) {
        let documents = self.chosen.keys().filter(|key| key.first() == Some(&CATALOGUE)).count() as u64;
        let commits = counted.map_or(0, |state| state.commits);
        if let Some(acknowledged) = acknowledged.filter(|acknowledged| *acknowledged > commits) {
            findings.push(Finding::RolledBack { found: commits, acknowledged });
        }
        if let Some(expected) = counted.map(|state| state.documents).filter(|expected| *expected != documents) {
            findings.push(Finding::Catalogue { found: documents, expected });
        }
        self.put(FORMAT.to_vec(), |key| value::encode_format(key, FORMAT_VERSION));
        self.put(FINDINGS.to_vec(), |key| value::encode_findings(key, &findings));
        self.put(STATE.to_vec(), |key| State { commits, last_number, documents }.encode(key));
    }
}

/// The best head of each number, and whether the engine would have it.
fn read_heads(pairs: Pairs<'_>, file: &WreckFile) -> BTreeMap<DocumentNumber, (Head, bool)> {
    let read = |(key, candidates): &(Vec<u8>, Vec<Candidate>)| {
        let number = keys::head_number(key)?;
        let best = candidates.first().filter(|best| best.seal == Seal::Sound)?;
        Some((number, (Head::decode(key, &best.source.read(file)).ok()?, best.is_current)))
    };
    pairs.iter().filter_map(read).collect()
}

/// Chooses the documents that there are, and returns their numbers.
fn choose_entries(
    pairs: Pairs<'_>,
    file: &WreckFile,
    heads: &BTreeMap<DocumentNumber, (Head, bool)>,
    expected: Option<u64>,
    choice: &mut Choice,
) -> Vec<(DocumentName, DocumentNumber)> {
    let (mut listed, mut with_head, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut headless, mut damaged) = (Vec::new(), Vec::new());
    for (key, candidates) in pairs {
        let (Some(name), Some(best)) = (keys::catalogue_name(key), candidates.first()) else { continue };
        let decoded = Entry::decode(key, &best.source.read(file));
        let Ok(entry) = decoded else {
            damaged.push((key, best));
            continue;
        };
        let found = (key, best, name, entry.number);
        match heads.get(&entry.number) {
            _ if best.is_current => listed.push(found),
            // Heads lie far from entries: what hit the entry spared the head. A deletion removes both.
            Some((_, true)) => with_head.push(found),
            Some((_, false)) => rest.push(found),
            None => headless.push(found),
        }
    }
    let is_short = |found: usize| expected.is_none_or(|expected| (found as u64) < expected);
    if is_short(listed.len()) {
        listed.append(&mut with_head);
    }
    if is_short(listed.len()) {
        let are_more = expected.is_none_or(|expected| (listed.len() + rest.len()) as u64 > expected);
        if are_more {
            choice.doubts.extend(rest.iter().map(|(_, _, name, _)| (name.clone(), Doubt::MayBeDeleted)));
        }
        listed.append(&mut rest);
    }
    if is_short(listed.len()) {
        // Their records are there, or they are named as what could not be read.
        choice.doubts.extend(headless.iter().map(|(_, _, name, _)| (name.clone(), Doubt::MayBeDeleted)));
        listed.append(&mut headless);
    }
    if is_short(listed.len()) {
        // Each is told when it does not load.
        choice.chosen.extend(damaged.into_iter().map(|(key, best)| (key.clone(), best.source.clone())));
    }
    choice.chosen.extend(listed.iter().map(|(key, best, ..)| ((*key).clone(), best.source.clone())));
    listed.into_iter().map(|(_, _, name, number)| (name, number)).collect()
}

/// Visits the parts of each value of a document, all at once.
fn visit_values<'a>(pairs: Pairs<'a>, mut visit: impl FnMut(Pairs<'a>)) {
    let is_same = |key: &[u8], next: &[u8]| keys::chunks_of(key).is_some_and(|of| Some(of) == keys::chunks_of(next));
    let values = pairs.chunk_by(|(key, _), (next, _)| is_same(key, next));
    values.filter(|value| keys::chunks_of(&value[0].0).is_some()).for_each(&mut visit);
}

/// Chooses the parts that together are what was written; else the best of each, and the value fails to load as damaged.
fn choose_parts(value: Pairs<'_>, file: &WreckFile, chosen: &mut BTreeMap<Vec<u8>, Source>) -> Option<Whole> {
    let place = keys::place(&value[0].0)?;
    let key = keys::chunks_of(&value[0].0)?;
    // Parts that lie in each other are none, and whoever joins them would need more memory than the file has bytes.
    let bytes_of = |part: &[Candidate]| part.iter().map(|part| part.source.bytes_of_file()).max().unwrap_or(0);
    if value.iter().map(|(_, candidates)| bytes_of(candidates)).sum::<u64>() > file.len() {
        return None;
    }
    let is_all_there = (0..).zip(value).all(|(index, (key, _))| keys::place(key).is_some_and(|at| at.chunk() == index));
    let mut whole = None;
    if is_all_there {
        let _ = visit_sets(value, &mut |set| {
            if let ([part], Place::Record { .. }) = (set, place)
                && part.seal == Seal::Sound
            {
                whole = Some((set.to_vec(), Seq(0)));
                return ControlFlow::Break(());
            }
            let sealed: Vec<u8> = set.iter().flat_map(|part| part.source.read(file)).collect();
            if !value::is_sealed_for(key, &sealed) {
                return ControlFlow::Continue(());
            }
            let through = match place {
                Place::Snapshot { .. } => value::decode_snapshot(key, &sealed).map_or(Seq(0), |found| found.through),
                _ => Seq(0),
            };
            whole = Some((set.to_vec(), through));
            ControlFlow::Break(())
        });
    }
    let parts = whole.as_ref().map(|(parts, _)| parts.clone());
    let parts = parts.unwrap_or_else(|| value.iter().map(|(_, candidates)| &candidates[0]).collect());
    chosen.extend(value.iter().zip(&parts).map(|((key, _), part)| (key.clone(), part.source.clone())));
    let (parts, through) = whole?;
    Some(Whole { place, is_current: parts.iter().all(|part| part.is_current), through })
}

/// Visits sets of one candidate for each part, the best first, until told to stop or enough were tried.
fn visit_sets<'a>(value: Pairs<'a>, visit: &mut dyn FnMut(&[&'a Candidate]) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut turn = vec![0; value.len()];
    for _ in 0..MOST_SETS {
        let set: Vec<_> = value.iter().zip(&turn).map(|((_, candidates), at)| &candidates[*at]).collect();
        visit(&set)?;
        // The next set, as one counts.
        let next = turn.iter().zip(value).position(|(at, (_, candidates))| at + 1 < candidates.len());
        let Some(next) = next else { break };
        turn[..next].fill(0);
        turn[next] += 1;
    }
    ControlFlow::Continue(())
}

/// A head that reaches as far as what is there, and points at a snapshot that is there.
fn correct(head: Head, is_current: bool, wholes: &[Whole]) -> Head {
    let mut head = head;
    let snapshots: BTreeSet<_> = wholes
        .iter()
        .filter_map(|whole| match whole.place {
            Place::Snapshot { generation, .. } => Some((generation, whole.through)),
            _ => None,
        })
        .collect();
    let is_there = head.generation == 0 || snapshots.iter().any(|(generation, _)| *generation == head.generation);
    if let Some((generation, through)) = snapshots.last().filter(|_| !is_there) {
        (head.generation, head.through) = (*generation, *through);
        head.seq = head.seq.max(*through);
    }
    for whole in wholes.iter().filter(|whole| whole.is_current || !is_current) {
        if let Place::Record { seq, .. } = whole.place {
            head.seq = head.seq.max(seq);
        }
    }
    head
}
