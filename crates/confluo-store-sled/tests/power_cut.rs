//! What sled acknowledged survives cuts of power, and without the hardening it would not.
//! The journal is small, so that the engine takes what is in it all the time.
//! For many cuts: `cargo test -p confluo-store-sled --test power_cut -- --cuts 500 --seed 7`.

use std::sync::Arc;

use confluo_store::contract::power_cut;
use confluo_store_sled::{SledConfig, open};

fn main() {
    power_cut::main(|dir, syncs| {
        Ok(Arc::new(open(SledConfig { syncs, seal_bytes: 100_000, ..SledConfig::new(dir) })?))
    });
}
