//! Giving the engine what the journal has, and doing without where it has a page that it cannot read.

use std::{collections::BTreeSet, io::ErrorKind, path::Path, thread};

use super::{JournalConfig, aside, layers::Sealed};
use crate::{
    Batch, Engine, EngineError,
    error::is_out_of_space,
    keys::{self, DocumentNumber, JOURNAL, STATE},
    value,
};

/// A file that was sealed in time is given to the engine in about this many commits: what an engine needs to make a commit (sled
/// copies a page for each of its changes, and frees none before the end) is then a part of what it would need for all. The
/// parts of a file that grew meanwhile are as large and so more, some 340 of one of [`super::MOST_BYTES`]: memory is what is bounded.
const PARTS: usize = 16;

/// So often the engine is asked what it cannot read, before it is not given what belongs there.
const LOOKS: u32 = 3;

/// Gives the engine changes of the journal, then the store's counters, then the number of the last frame. An engine that has the
/// counters before what they count would hide it if the rest never came. And each of them is a commit of its own: of one that
/// fails at a page that it cannot read, sled keeps what it has done so far, and that may have been the number.
pub(super) fn give<E: Engine>(engine: &E, sealed: &Sealed, config: JournalConfig) -> Result<(), EngineError> {
    give_without(engine, sealed, &BTreeSet::new(), config)
}

/// The same, but for changes of documents that belong on pages which the engine cannot read. The caller may throw the files of
/// the journal away then: if something is lost to a document, they are kept aside.
///
/// Only damage is dealt with so, and only where the engine, opened anew each time, cannot read what is to be changed at several looks:
/// anything else may be over at the next attempt, as a full disk is, and a disk may give later what it does not give now. What it
/// does not give is an error of the system's or damage while it is changed, and damage when it is read.
pub(super) fn give_what_it_can_take<E: Engine>(
    engine: &E,
    dir: &Path,
    sealed: &Sealed,
    config: JournalConfig,
) -> Result<(), EngineError> {
    match give(engine, sealed, config) {
        Err(error) if may_be_of_a_page(&error) => {}
        given => return given,
    }
    let unreadable = look_for_unreadable(engine, &sealed.changes, config)?;
    if unreadable.is_empty() {
        return give(engine, sealed, config);
    }
    let left_out = LeftOut::new(unreadable, &sealed.changes);
    if !left_out.losers.is_empty() {
        // Before the engine has the number of these frames: after a crash nobody would look at them again.
        aside::keep(dir).map_err(EngineError::Io)?;
    }
    engine.reopen()?;
    give_without(engine, sealed, &left_out.keys, config)
}

fn may_be_of_a_page(error: &EngineError) -> bool {
    match error {
        EngineError::Damaged(_) => true,
        EngineError::Io(error) => !is_out_of_space(error) && error.kind() != ErrorKind::ReadOnlyFilesystem,
        _ => false,
    }
}

/// A key with its new value, or with `None` where it is removed.
type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// The keys that the engine cannot change at any of some looks. Fails where the store as a whole would lose something.
fn look_for_unreadable<'a, E: Engine>(
    engine: &E,
    changes: &'a Batch,
    config: JournalConfig,
) -> Result<BTreeSet<&'a [u8]>, EngineError> {
    // Nobody knows what is in its memory now.
    engine.reopen()?;
    let mut unreadable = find_unreadable(engine, changes)?;
    for _ in 1..LOOKS {
        if unreadable.is_empty() {
            break;
        }
        thread::sleep(config.pause);
        engine.reopen()?;
        let found = find_unreadable(engine, changes)?;
        unreadable.retain(|key| found.contains(key));
    }
    Ok(unreadable)
}

fn find_unreadable<'a, E: Engine>(engine: &E, changes: &'a Batch) -> Result<BTreeSet<&'a [u8]>, EngineError> {
    let changes: Vec<_> = changes.changes_from(&[], &[]).collect();
    let mut unreadable = BTreeSet::new();
    for run in changes.chunk_by(lie_together) {
        let mut rest = run;
        while let Some(first) = rest.first() {
            let is_unreadable = !can_change(engine, first)?;
            let (done, left) = rest.split_at(if is_unreadable { count_unreadable(engine, rest)? } else { 1 });
            if is_unreadable {
                unreadable.extend(done.iter().map(|(key, _)| *key));
            }
            rest = left;
        }
    }
    Ok(unreadable)
}

/// Whether two changes that follow each other are of one kind, in one document.
fn lie_together((key, change): &Change<'_>, (next, next_change): &Change<'_>) -> bool {
    change.is_some() == next_change.is_some() && keys::kind_of(key).is_some_and(|kind| next.starts_with(kind))
}

/// How many changes from the first on, which is one of them, the engine cannot make. Of a bad sector a disk may take seconds to say
/// so: not each of thousands is asked for. All that is between two of them counts as one of them.
fn count_unreadable<E: Engine>(engine: &E, changes: &[Change<'_>]) -> Result<usize, EngineError> {
    let (mut unreadable, mut readable) = (0, changes.len() - 1);
    if readable == 0 || !can_change(engine, &changes[readable])? {
        return Ok(changes.len());
    }
    while readable - unreadable > 1 {
        let middle = usize::midpoint(unreadable, readable);
        if can_change(engine, &changes[middle])? {
            readable = middle;
        } else {
            unreadable = middle;
        }
    }
    Ok(readable)
}

fn can_change<E: Engine>(engine: &E, (key, change): &Change<'_>) -> Result<bool, EngineError> {
    let looked = if change.is_some() { engine.get(key).map(drop) } else { engine.check_removal(key) };
    match looked {
        Ok(()) => Ok(true),
        Err(EngineError::Damaged(_)) if keys::owner(key).is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the engine cannot be given.
struct LeftOut<'a> {
    keys: BTreeSet<&'a [u8]>,
    /// The documents that so lose something. A removal that is left out costs nobody anything: nothing points at what stays.
    losers: BTreeSet<DocumentNumber>,
}

impl<'a> LeftOut<'a> {
    fn new(unreadable: BTreeSet<&'a [u8]>, changes: &'a Batch) -> Self {
        let is_put = |key: &&&[u8]| changes.get(key).is_some_and(Option::is_some);
        let losers: BTreeSet<_> = unreadable.iter().filter(is_put).filter_map(|key| keys::owner(key)).collect();
        // A compaction removes what its snapshot replaces. Where that is lost, the rest is all there is.
        let is_removed_from_a_loser = |(key, change): &Change<'_>| {
            change.is_none() && keys::owner(key).is_some_and(|number| losers.contains(&number))
        };
        let kept = changes.changes_from(&[], &[]).filter(is_removed_from_a_loser).map(|(key, _)| key);
        Self { keys: unreadable.into_iter().chain(kept).collect(), losers }
    }
}

fn give_without<E: Engine>(
    engine: &E,
    Sealed { changes, through }: &Sealed,
    left_out: &BTreeSet<&[u8]>,
    config: JournalConfig,
) -> Result<(), EngineError> {
    let mut part = Batch::default();
    let mut part_bytes = 0;
    let is_given = |key: &[u8]| key != STATE && !left_out.contains(key);
    for (key, change) in changes.changes_from(&[], &[]).filter(|(key, _)| is_given(key)) {
        part_bytes += key.len() + change.map_or(0, <[u8]>::len);
        match change {
            Some(value) => part.put(key.to_vec(), value.to_vec()),
            None => part.remove(key.to_vec()),
        }
        if part_bytes >= config.seal_bytes / PARTS {
            engine.commit(std::mem::take(&mut part))?;
            part_bytes = 0;
        }
    }
    if !part.is_empty() {
        engine.commit(part)?;
    }
    if let Some(Some(state)) = changes.get(STATE) {
        let mut counters = Batch::default();
        counters.put(STATE.to_vec(), state.clone());
        engine.commit(counters)?;
    }
    let mut taken = Batch::default();
    taken.put(JOURNAL.to_vec(), value::encode_journal(JOURNAL, *through));
    engine.commit(taken)
}
