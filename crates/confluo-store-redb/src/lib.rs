//! The second embedded store: redb, a copy-on-write tree in one file, `<dir>/confluo.redb`.
//!
//! redb syncs each commit itself. What is added here: the file is made under another name and takes its own when it is
//! whole, and the folder is synced, so that a cut of power at the first start leaves a store or none; panics on damaged
//! files become errors; after a failed write everything is dropped, and what the system shows of the file, which may not be on the
//! disk, is forgotten and opened again, as it is where the last process did not close it; and a page that the disk does not give is
//! damage of what lies there, where redb would serve nothing more, or, after a panic in a transaction, not open again.
//!
//! Opening after a crash walks the whole file to check it. This is the only crate that knows redb.

mod backend;
mod engine;
#[cfg(test)]
mod failing;
mod open;
mod wreck;

use std::path::PathBuf;

use confluo_store::{EngineStore, JournalConfig, Journaled, StoreError};

pub use engine::RedbEngine;
pub use wreck::open_wreck;

/// A [`confluo_store::DocumentStore`] on redb.
pub type RedbStore = EngineStore<Journaled<RedbEngine>>;

/// Where and how redb keeps its data.
#[derive(Debug, Clone)]
pub struct RedbConfig {
    /// The folder, created if it is not there.
    pub dir: PathBuf,
    /// How much memory redb's page cache may take.
    pub cache_capacity_bytes: usize,
    /// Only for the control of the power-cut test, which must lose records without it.
    #[doc(hidden)]
    pub syncs: bool,
    /// Only for tests: how much the journal takes before the engine does.
    #[doc(hidden)]
    pub seal_bytes: usize,
}

impl RedbConfig {
    /// The defaults: a page cache of 16 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cache_capacity_bytes: 16 * 1024 * 1024,
            syncs: true,
            seal_bytes: JournalConfig::default().seal_bytes,
        }
    }
}

/// Opens the store in a folder, or creates it there.
pub fn open(config: RedbConfig) -> Result<RedbStore, StoreError> {
    let watermark = config.dir.join("watermark");
    let journal = JournalConfig { seal_bytes: config.seal_bytes, syncs: config.syncs, ..JournalConfig::default() };
    let dir = config.dir.clone();
    EngineStore::open(Journaled::open(RedbEngine::open(config)?, &dir, journal)?, Some(&watermark))
}
