//! Stores that each format wrote open with everything in them.

use std::path::Path;

use confluo_store::contract::old_store;
use confluo_store_sled::{SledConfig, open};

#[test]
fn a_store_of_each_format_opens() {
    for format in 1..=2 {
        let fixture = format!("{}/../../fixtures/stores/sled-{format}", env!("CARGO_MANIFEST_DIR"));
        old_store::check(Path::new(&fixture), format, "db", |dir| open(SledConfig::new(dir)));
    }
}
