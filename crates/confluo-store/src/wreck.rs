//! A store whose engine does not open, read as it lies there.
//!
//! 1. An engine's crate walks through its own file, opening nothing, and hands over every pair that it can make out, with stale
//!    ones from before: [`Sink`].
//! 2. The *pile* keeps a few candidates for each key ([`pile`]), and takes the frames of the journal as well, also of files of it
//!    that were kept aside. What lacks there, as far as the engine has not taken it, is told of.
//! 3. Of them one is *chosen* for each key ([`choice`]): every value is sealed with a checksum that is bound to its key, so each
//!    can be judged by itself, wherever it was found.
//! 4. What was chosen is an [`Engine`] that can only be read, so that documents load, list and copy as from any other.
//!
//! Invariants: nothing is written into the folder; what is given out was sealed for its key, or fails to load as damaged; no
//! bytes of the file make it panic, and memory is taken for keys, for a few hundred bytes each at most, and not for values but those
//! of the journal. Of a file that is laid out for it that is no more than 64 times its length.

mod choice;
mod file;
mod pile;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io,
    ops::{Bound, ControlFlow},
    path::Path,
};

use confluo_protocol::DocumentName;

use crate::{Batch, Engine, EngineError, EngineStore, StoreError, engine::Visit, journal, watermark};

pub use file::WreckFile;
pub(crate) use pile::Pile;
use pile::Source;
pub use pile::{Seal, Sink, look_at_seal};

/// A [`crate::DocumentStore`] that can only be read, over what is left of a store.
pub type WreckStore = EngineStore<Wreck>;

/// What is left of a store, as an engine that can only be read.
#[derive(Debug)]
pub struct Wreck {
    engine: &'static str,
    file: WreckFile,
    chosen: BTreeMap<Vec<u8>, Source>,
    doubts: Vec<(DocumentName, Doubt)>,
    lacks_some: bool,
}

/// What a salvage cannot know of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// Only replaced pages hold its entry in the catalogue.
    MayBeDeleted,
    /// Only replaced pages hold its head.
    OldHead,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MayBeDeleted => "only a replaced page lists it: it may have been deleted before",
            Self::OldHead => "only a replaced page tells where it ends: its last records may be missing",
        })
    }
}

impl Wreck {
    /// Reads the engine's `file` in `dir` with `scrape`, and the journal and watermark beside it. The caller sees to it that
    /// nobody else has the store open.
    pub fn read(
        engine: &'static str,
        dir: &Path,
        file: File,
        scrape: impl FnOnce(&WreckFile, &mut dyn Sink),
    ) -> Result<Self, EngineError> {
        let file = WreckFile::new(file).map_err(EngineError::Io)?;
        let mut pile = Pile::default();
        scrape(&file, &mut pile);
        pile.doubt_an_older_state();
        journal::add_frames(dir, &mut pile)?;
        let watermark = match WreckFile::open(&dir.join("watermark")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            watermark => Some(watermark.map_err(EngineError::Io)?),
        };
        let acknowledged =
            watermark.as_ref().and_then(|watermark| watermark::read(&watermark.read(0, watermark::BYTES)));
        let is_unreadable = file.has_unreadable() || watermark.is_some_and(|watermark| watermark.has_unreadable());
        let lacks_some = pile.lacks_some || is_unreadable;
        let choice::Choice { chosen, doubts } = choice::choose(pile, &file, acknowledged);
        Ok(Self { engine, file, chosen, doubts, lacks_some })
    }

    /// As a store that can only be read.
    pub fn into_store(self) -> Result<WreckStore, StoreError> {
        EngineStore::open(self, None)
    }

    /// Whether some of the engine's file or of the journal cannot be made out, so that any document may be older than it was.
    pub fn lacks_some(&self) -> bool {
        self.lacks_some
    }

    /// What cannot be known of single documents.
    pub fn doubts(&self) -> &[(DocumentName, Doubt)] {
        &self.doubts
    }
}

impl Engine for Wreck {
    fn name(&self) -> &'static str {
        self.engine
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.chosen.get(key).map(|source| source.read(&self.file)))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let start = Bound::Included(from.max(prefix));
        for (key, source) in self.chosen.range::<[u8], _>((start, Bound::Unbounded)) {
            if !key.starts_with(prefix) || visit(key, &source.read(&self.file)) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    /// Refuses.
    fn commit(&self, _: Batch) -> Result<(), EngineError> {
        Err(EngineError::Damaged("what is left of a store can only be read".into()))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.file.len()
    }
}
