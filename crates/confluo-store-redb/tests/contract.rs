//! The redb store passes the contract, and tells its own folder from others'.

use std::{fs, fs::File, sync::Arc};

use confluo_store::{DocumentStore, StoreError, contract};
use confluo_store_redb::{RedbConfig, open, open_wreck};

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
fn a_second_user_that_makes_the_store_at_the_same_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    let error = open(RedbConfig::new(dir.path())).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path } if path == dir.path()), "{error}");
    folder.unlock().unwrap();
    drop(open(RedbConfig::new(dir.path())).unwrap());
    folder.lock().unwrap();
    open(RedbConfig::new(dir.path())).unwrap();
}

#[test]
fn what_is_left_of_a_store_is_read_by_those_who_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(RedbConfig::new(dir.path())).unwrap();
    assert!(matches!(open_wreck(dir.path()), Err(StoreError::Locked { .. })));
    drop(store);
    let wrecks = [open_wreck(dir.path()).unwrap(), open_wreck(dir.path()).unwrap()];
    assert!(matches!(open(RedbConfig::new(dir.path())), Err(StoreError::Locked { .. })));
    drop(wrecks);
    open(RedbConfig::new(dir.path())).unwrap();
}

#[test]
fn another_engines_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("db"), "").unwrap();
    assert!(matches!(open(RedbConfig::new(dir.path())), Err(StoreError::Foreign { .. })));
}
