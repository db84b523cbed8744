//! What a salvage gets from the journal.

use std::{io, path::Path};

use bytes::Bytes;

use super::{
    aside,
    file::{self, Frame, Frames},
};
use crate::{
    Batch, EngineError, WreckFile, keys,
    wreck::{Pile, Sink},
};

/// Adds what the files hold to what was found of an engine that does not open. Of a file that was kept aside nobody knows what has
/// replaced it since, so it counts as little as what the engine has taken: it fills holes. A document that a later frame deletes is not
/// among what they are filled with.
pub(crate) fn add_frames(dir: &Path, pile: &mut Pile) -> Result<(), EngineError> {
    let taken = pile.taken();
    let Found { frames, mut lacks_some } = Found::read(dir, taken)?;
    let (older, newer): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame.number <= taken);
    let mut filling = Batch::default();
    for frame in read_aside(dir).map_err(EngineError::Io)?.into_iter().chain(older) {
        for (key, change) in frame.changes.into_changes() {
            match change {
                Some(value) => filling.put(key, value),
                None if keys::place(&key).is_none() => filling.remove(key),
                // Perhaps a compaction, whose snapshot is lost: then this is all there is. Nothing points at what a deletion left.
                None => {}
            }
        }
    }
    let mut through = taken;
    for frame in newer {
        lacks_some |= frame.number != through.saturating_add(1);
        through = frame.number;
        for (key, change) in frame.changes.into_changes() {
            if change.is_none() && keys::place(&key).is_none() {
                filling.remove(key.clone());
            }
            pile.add_change(&key, change, frame.number);
        }
    }
    for (key, change) in filling.into_changes() {
        if let Some(value) = change {
            pile.fill(&key, &value);
        }
    }
    if lacks_some {
        pile.lacks_some();
    }
    Ok(())
}

/// What can be made out.
struct Found {
    /// In the order of their numbers.
    frames: Vec<Frame>,
    /// There are more that the engine has not taken, or may be.
    lacks_some: bool,
}

impl Found {
    fn read(dir: &Path, taken: u64) -> Result<Self, EngineError> {
        let mut all = Frames { keeps: true, ..Frames::default() };
        let (mut newer, mut lacks_some) = (Frames::default(), false);
        for path in file::paths(dir) {
            let file = match WreckFile::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(EngineError::Io)?,
            };
            let bytes = Bytes::from(file.read_all());
            lacks_some |= file.has_unreadable();
            // Those that the engine has are worth having too, but nobody misses what lies before them.
            all.read(bytes.clone(), 0)?;
            newer.read(bytes, taken)?;
        }
        lacks_some |= newer.are_cut_short || all.unreadable > Some(taken);
        all.intact.sort_unstable_by_key(|frame| frame.number);
        Ok(Self { frames: all.intact, lacks_some })
    }
}

/// The frames that can be made out in the files that were kept aside, in the order of their numbers: by then the engine had some of
/// them, and others it never got.
fn read_aside(dir: &Path) -> io::Result<Vec<Frame>> {
    let mut frames = Frames { keeps: true, ..Frames::default() };
    for name in aside::names(dir)? {
        // What is kept for its damage may be of any kind.
        if let Ok(file) = WreckFile::open(&dir.join(name)) {
            frames.read(file.read_all().into(), 0).ok();
        }
    }
    frames.intact.sort_by_key(|frame| frame.number);
    Ok(frames.intact)
}
