//! Whichever call of the engine fails, nothing acknowledged is lost and no mixture is seen.

use std::time::Duration;

use confluo_store::{JournalConfig, Journaled, contract::every_call};
use confluo_store_sled::{SledConfig, SledEngine};

#[test]
fn any_one_call_may_fail() {
    every_call::check(|dir| SledEngine::open(SledConfig::new(dir)).unwrap());
}

#[test]
fn any_one_call_may_fail_with_the_journal_before_the_engine() {
    let journal = JournalConfig { seal_bytes: 100_000, pause: Duration::ZERO, ..JournalConfig::default() };
    every_call::check(|dir| Journaled::open(SledEngine::open(SledConfig::new(dir)).unwrap(), dir, journal).unwrap());
}
