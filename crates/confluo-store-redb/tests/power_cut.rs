//! What redb acknowledged survives cuts of power, and without its syncs it would not.
//! The journal is small, so that the engine takes what is in it all the time.
//! For many cuts: `cargo test -p confluo-store-redb --test power_cut -- --cuts 500 --seed 7`.

use std::sync::Arc;

use confluo_store::contract::power_cut;
use confluo_store_redb::{RedbConfig, open};

fn main() {
    power_cut::main(|dir, syncs| {
        Ok(Arc::new(open(RedbConfig { syncs, seal_bytes: 100_000, ..RedbConfig::new(dir) })?))
    });
}
