//! A full disk costs nothing that was acknowledged, and the store comes back in its process.

use std::sync::Arc;

use confluo_store::contract::disk_full;
use confluo_store_redb::{RedbConfig, open};

#[test]
fn a_full_disk_loses_nothing_and_heals() {
    disk_full::check(|dir| Ok(Arc::new(open(RedbConfig::new(dir))?)));
}
