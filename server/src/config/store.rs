//! `[store]`: the engine, and when snapshots replace what was written.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::choice::choice;
use super::{ByteCount, Problems};

/// The engine, and when snapshots replace what was written.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The engine that keeps documents.
    #[serde(deserialize_with = "choice")]
    pub engine: StoreEngine,
    /// Memory that the engine may use for its pages.
    pub cache_bytes: ByteCount,
    /// A snapshot replaces a log of this many records,
    pub snapshot_after_records: u32,
    /// or of this many bytes,
    pub snapshot_after_bytes: ByteCount,
    /// or, when nothing was written for this long or its document is closed,
    #[serde(with = "humantime_serde")]
    pub snapshot_after_idle: Duration,
    /// of at least this many records.
    pub snapshot_at_close_records: u32,
    /// Records of all rooms that may wait for the disk; then rooms wait.
    pub commit_queue_records: u32,
    /// From the start of one flush to that of the next, where records of several documents come together.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// After disk trouble, how often to try to open the store again.
    #[serde(with = "humantime_serde")]
    pub reopen_interval: Duration,
}

/// The engines that can keep documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreEngine {
    /// The embedded default.
    Sled,
    /// Copy-on-write in one file; opening it after a crash reads the whole file.
    Redb,
}

impl StoreConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let (short, minute) = (Duration::from_millis(100), Duration::from_secs(60));
        let cache = ByteCount::mib(1)..=ByteCount::gib(1024);
        problems.check_range("store.cache_bytes", &self.cache_bytes, &cache);
        let day = Duration::from_secs(86_400);
        problems.check_range("store.snapshot_after_idle", &self.snapshot_after_idle, &(short..=day));
        for (setting, value) in [
            ("store.snapshot_after_records", self.snapshot_after_records),
            ("store.snapshot_at_close_records", self.snapshot_at_close_records),
            ("store.commit_queue_records", self.commit_queue_records),
        ] {
            problems.check_range(setting, &value, &(1..=1_000_000));
        }
        let bytes = ByteCount::kib(1)..=ByteCount::gib(1);
        problems.check_range("store.snapshot_after_bytes", &self.snapshot_after_bytes, &bytes);
        problems.check_range("store.flush_interval", &self.flush_interval, &(Duration::ZERO..=Duration::from_secs(1)));
        problems.check_range("store.reopen_interval", &self.reopen_interval, &(short..=minute * 10));
    }
}
