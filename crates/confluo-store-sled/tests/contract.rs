//! The sled store passes the contract, and keeps what its hardening stands on.

use std::{fs, sync::Arc};

use confluo_store::{
    DocumentStore, StoreError,
    contract::{self, append, name, snapshot},
};
use confluo_store_sled::{SledConfig, open};

#[test]
fn the_sled_store_keeps_the_contract() {
    contract::check_all(|| {
        let dir = tempfile::tempdir().unwrap();
        move || Arc::new(open(SledConfig::new(dir.path())).unwrap()) as Arc<dyn DocumentStore>
    });
}

#[test]
fn nothing_goes_to_the_unsynced_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(SledConfig::new(dir.path())).unwrap();
    // Neighbouring values of the largest size make the largest pages.
    for document in 0..4 {
        let document = format!("{document}");
        for seq in 1..=40 {
            store.append(&[append(&document, seq, 64 * 1024 - 20)]).unwrap();
        }
        store.append(&[append(&document, 41, 8 * 1024 * 1024)]).unwrap();
        store.compact(&name(&document), snapshot(20, 8 * 1024 * 1024)).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    }
}

#[test]
fn a_second_user_of_the_folder_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(SledConfig::new(dir.path())).unwrap();
    let error = open(SledConfig::new(dir.path())).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path } if path == dir.path()), "{error}");
}

#[test]
fn another_engines_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("confluo.redb"), "").unwrap();
    assert!(matches!(open(SledConfig::new(dir.path())), Err(StoreError::Foreign { .. })));
}
