//! A store that format 1 wrote opens with everything in it; one of a newer format is refused.

use std::{path::Path, sync::Arc};

use confluo_store::contract::old_store;
use confluo_store_redb::{RedbConfig, open};

#[test]
fn a_store_of_format_1_opens() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stores/redb-1");
    old_store::check(&fixture, "confluo.redb", |dir| Ok(Arc::new(open(RedbConfig::new(dir))?)));
}
