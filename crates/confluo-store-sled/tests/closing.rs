//! Closing a store of which much was written leaves behind what lets the next one open it soon.

use std::{fs, path::Path};

use confluo_store::{Batch, Engine};
use confluo_store_sled::{SledConfig, SledEngine};

/// Values as large as they get, in commits of a few MiB; not synced, since no power is cut here.
fn write(dir: &Path, mib: u32) {
    let engine = SledEngine::open(SledConfig { syncs: false, ..SledConfig::new(dir) }).expect("a sound store");
    for commit in 0..mib / 4 {
        let mut batch = Batch::default();
        for place in 0..64 {
            batch.put([commit.to_be_bytes(), u32::to_be_bytes(place)].concat(), vec![7; 64 << 10]);
        }
        engine.commit(batch).expect("a sound store");
    }
}

fn snapshots(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).expect("a sound store").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap.")).count()
}

#[test]
fn a_store_to_which_much_was_written_is_closed_with_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 160);
    assert_eq!(snapshots(dir.path()), 1);
    let engine = SledEngine::open(SledConfig::new(dir.path())).unwrap();
    assert_eq!(engine.get(&[0; 8]).unwrap(), Some(vec![7; 64 << 10]));
    let last = [39_u32.to_be_bytes(), 63_u32.to_be_bytes()].concat();
    assert_eq!(engine.get(&last).unwrap(), Some(vec![7; 64 << 10]));
}

#[test]
fn a_store_to_which_little_was_written_is_closed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 16);
    assert_eq!(snapshots(dir.path()), 0);
}
