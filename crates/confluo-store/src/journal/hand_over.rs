//! Giving the engine what the journal has, and doing without where it has a page that it cannot read.

use std::{collections::BTreeSet, io::ErrorKind, path::Path};

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

/// Gives the engine changes of the journal, then the store's counters, then the number of the last frame. An engine that has the
/// counters before what they count would hide it if the rest never came. And each of them is a commit of its own: of one that
/// fails at a page that it cannot read, sled keeps what it has done so far, and that may have been the number.
pub(super) fn give<E: Engine>(engine: &E, sealed: &Sealed, config: JournalConfig) -> Result<(), EngineError> {
    give_without(engine, sealed, &BTreeSet::new(), config)
}

/// The same, but for changes of documents that belong on pages which the engine cannot read. The caller may throw the files of
/// the journal away then: if something is lost to a document, they are kept aside.
///
/// Only damage is dealt with so, and only where the engine, opened anew, cannot read what is to be changed: anything else may be
/// over at the next attempt, as a full disk is. What the disk does not give any more is an error of the system's while it is
/// changed, and damage when it is read.
pub(super) fn give_what_it_can_take<E: Engine>(
    engine: &E,
    dir: &Path,
    sealed: &Sealed,
    config: JournalConfig,
) -> Result<(), EngineError> {
    let error = match give(engine, sealed, config) {
        Err(error) if may_be_of_a_page(&error) => error,
        given => return given,
    };
    // Nobody knows what is in its memory now.
    engine.reopen()?;
    let left_out = LeftOut::find(engine, &sealed.changes)?;
    if left_out.keys.is_empty() {
        return Err(error);
    }
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

/// What the engine cannot be given.
#[derive(Default)]
struct LeftOut<'a> {
    keys: BTreeSet<&'a [u8]>,
    /// The documents that so lose something. A removal that is left out costs nobody anything: nothing points at what stays.
    losers: BTreeSet<DocumentNumber>,
}

impl<'a> LeftOut<'a> {
    /// Fails where the store as a whole would lose something.
    fn find<E: Engine>(engine: &E, changes: &'a Batch) -> Result<Self, EngineError> {
        let mut left_out = Self::default();
        for (key, change) in changes.changes_from(&[], &[]) {
            match (engine.get(key), keys::owner(key)) {
                (Ok(_), _) => {}
                (Err(EngineError::Damaged(_)), Some(number)) => {
                    left_out.keys.insert(key);
                    left_out.losers.extend(change.map(|_| number));
                }
                (Err(error), _) => return Err(error),
            }
        }
        // A compaction removes what its snapshot replaces. Where that is lost, the rest is all there is.
        let is_removed_from_a_loser = |(key, change): &(&[u8], Option<&[u8]>)| {
            change.is_none() && keys::owner(key).is_some_and(|number| left_out.losers.contains(&number))
        };
        left_out.keys.extend(changes.changes_from(&[], &[]).filter(is_removed_from_a_loser).map(|(key, _)| key));
        Ok(left_out)
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
