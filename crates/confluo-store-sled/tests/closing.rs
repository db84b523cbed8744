//! Closing a store of which much was written leaves behind what lets the next one open it soon.

use std::{
    fs,
    path::{Path, PathBuf},
};

use confluo_store::{Batch, Engine, Finding};
use confluo_store_sled::{SledConfig, SledEngine};

fn open(dir: &Path) -> SledEngine {
    SledEngine::open(SledConfig { syncs: false, ..SledConfig::new(dir) }).expect("a sound store")
}

/// Values as large as they get, in commits of a few MiB; not synced, since no power is cut here.
fn write(engine: &SledEngine, mib: u32) {
    for commit in 0..mib / 4 {
        let mut batch = Batch::default();
        for place in 0..64 {
            batch.put([commit.to_be_bytes(), u32::to_be_bytes(place)].concat(), vec![7; 64 << 10]);
        }
        engine.commit(batch).expect("a sound store");
    }
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a sound store").flatten();
    let snapshots = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap."));
    snapshots.map(|entry| entry.path()).collect()
}

#[test]
fn a_store_to_which_much_was_written_is_closed_with_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    write(&open(dir.path()), 160);
    assert_eq!(snapshots(dir.path()).len(), 1);
    let engine = open(dir.path());
    assert_eq!(engine.get(&[0; 8]).unwrap(), Some(vec![7; 64 << 10]));
    let last = [39_u32.to_be_bytes(), 63_u32.to_be_bytes()].concat();
    assert_eq!(engine.get(&last).unwrap(), Some(vec![7; 64 << 10]));
}

#[test]
fn a_store_to_which_little_was_written_is_closed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write(&open(dir.path()), 16);
    assert_eq!(snapshots(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_went_bad_while_the_store_ran_is_told_to_whoever_opens_it_next() {
    for damaged in ["conf", "snap"] {
        let dir = tempfile::tempdir().unwrap();
        write(&open(dir.path()), 4);
        let engine = open(dir.path());
        write(&engine, 160);
        let path = if damaged == "conf" { dir.path().join("conf") } else { snapshots(dir.path()).remove(0) };
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(engine.findings(), []);
        drop(engine);
        let file = format!("damaged.{}", path.file_name().unwrap().to_str().unwrap());
        assert_eq!(open(dir.path()).findings(), [Finding::SetAside { file }]);
    }
}
