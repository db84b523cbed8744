//! The redb store passes the contract, and tells its own folder from others'.

use std::{fs, sync::Arc};

use confluo_store::{DocumentStore, StoreError, contract};
use confluo_store_redb::{RedbConfig, open};

#[test]
fn the_redb_store_keeps_the_contract() {
    contract::check_all(|| {
        let dir = tempfile::tempdir().unwrap();
        move || Arc::new(open(RedbConfig::new(dir.path())).unwrap()) as Arc<dyn DocumentStore>
    });
}

#[test]
fn a_second_user_of_the_folder_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(RedbConfig::new(dir.path())).unwrap();
    let error = open(RedbConfig::new(dir.path())).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path } if path == dir.path()), "{error}");
}

#[test]
fn another_engines_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf"), "").unwrap();
    fs::write(dir.path().join("db"), "").unwrap();
    assert!(matches!(open(RedbConfig::new(dir.path())), Err(StoreError::Foreign { .. })));
}
