//! Whichever call of the engine fails, nothing acknowledged is lost and no mixture is seen.

use confluo_store::contract::every_call;
use confluo_store_sled::{SledConfig, SledEngine};

#[test]
fn any_one_call_may_fail() {
    every_call::check(|dir| SledEngine::open(SledConfig::new(dir)).unwrap());
}
