//! Whichever call of the engine fails, nothing acknowledged is lost and no mixture is seen.

use confluo_store::contract::every_call;
use confluo_store_redb::{RedbConfig, RedbEngine};

#[test]
fn any_one_call_may_fail() {
    every_call::check(|dir| RedbEngine::open(RedbConfig::new(dir)).unwrap());
}
