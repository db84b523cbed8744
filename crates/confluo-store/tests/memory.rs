//! The memory store passes the contract.

use std::sync::Arc;

use confluo_store::{DocumentStore, MemoryStore, contract};

#[test]
fn the_memory_store_keeps_the_contract() {
    contract::check_all(|| {
        let store = Arc::new(MemoryStore::new());
        move || store.clone() as Arc<dyn DocumentStore>
    });
}
