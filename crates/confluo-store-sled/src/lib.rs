//! The embedded default store: sled 0.34.7, hardened so that what it acknowledges survives a cut of power.
//!
//! What sled alone does not do, and what is done about it:
//! - Its flush calls `sync_file_range` only, which makes nothing durable. After each flush this crate calls `fdatasync` on a
//!   handle of its own of `<dir>/db`.
//! - Large pages go to `<dir>/blobs`, never synced. Segments of 16 MiB and values of at most 64 KiB keep that folder empty.
//! - The files that it creates, and their folder, are not synced. This crate does it once, when it opens.
//! - It panics on some damaged files, while opening and later. Every call stands behind a guard and becomes an error.
//! - It refuses to open over a damaged `conf` or `snap.*`, which it can make anew. Those are put aside first, and reported.
//! - After a full disk it answers the same error for ever. Reopening drops every handle and begins anew, in the process.
//! - After a sync that failed the system may show what is not on the disk ([`confluo_store::page_cache`]). Reopening has it forget that,
//!   and so has opening what was not closed.
//! - It notes that it joins two leaves before it reads the left one, and where it cannot, everything under their parent is lost. So
//!   both are read before a key is removed.
//! - It takes damage in its log for the end, and cuts off what follows, even where it then does not open. So this crate reads the
//!   log first, and refuses one that would lose more than a cut of power may leave: [`open_wreck`] gets all of it out.
//! - What is left of that it opens silently without the newest entries. [`confluo_store::watermark`] notices.
//! - It notes what its log holds only as it opens, and reads all that was written since at the next opening. So a store to which
//!   much was written is opened once more as it is closed: whoever opens it next does not wait.
//!
//! Its last stable version is pinned: all this was examined at 0.34.7. This is the only crate that knows sled.

mod engine;
mod open;
mod redundant;
mod wreck;

use std::path::PathBuf;

use confluo_store::{EngineStore, JournalConfig, Journaled, StoreError};

pub use engine::SledEngine;
pub use wreck::open_wreck;

/// A [`confluo_store::DocumentStore`] on sled.
pub type SledStore = EngineStore<Journaled<SledEngine>>;

/// Where and how sled keeps its data.
#[derive(Debug, Clone)]
pub struct SledConfig {
    /// The folder, created if it is not there.
    pub dir: PathBuf,
    /// How much memory sled's page cache may take.
    pub cache_capacity_bytes: u64,
    /// Only for the control of the power-cut test, which must lose records without it: `false` leaves out every real
    /// sync, so that an acknowledgement means nothing.
    #[doc(hidden)]
    pub syncs: bool,
    /// Only for tests: how much the journal takes before the engine does.
    #[doc(hidden)]
    pub seal_bytes: usize,
}

impl SledConfig {
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
pub fn open(config: SledConfig) -> Result<SledStore, StoreError> {
    let watermark = config.dir.join("watermark");
    let journal = JournalConfig { seal_bytes: config.seal_bytes, syncs: config.syncs, ..JournalConfig::default() };
    let dir = config.dir.clone();
    EngineStore::open(Journaled::open(SledEngine::open(config)?, &dir, journal)?, Some(&watermark))
}
