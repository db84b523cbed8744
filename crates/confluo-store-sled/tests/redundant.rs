//! Over two kinds of damaged files sled refuses to open although it can make them anew: those are put aside, and somebody is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use confluo_store::{
    DocumentStore, Finding,
    contract::{append, expected, name},
};
use confluo_store_sled::{SledConfig, SledStore, open};

/// A closed store with a document, the page table's snapshot included, which sled makes when it opens a log.
fn closed_store(dir: &Path) {
    for seq in 1..=2 {
        open(SledConfig::new(dir)).expect("a sound store").append(&[append("a", seq, 100)]).expect("a sound store");
    }
}

fn snapshot_of(dir: &Path) -> PathBuf {
    let mut paths = fs::read_dir(dir).expect("a sound store").map(|entry| entry.expect("a sound store").path());
    paths.find(|path| path.file_stem().expect("a sound store") == "snap").expect("a sound store")
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("a sound store");
    bytes[5] ^= 1;
    fs::write(path, bytes).expect("a sound store");
}

fn check_whole(store: &SledStore) {
    assert_eq!(store.load(&name("a")).expect("a sound store"), Some(expected("a", 2, 0, 100)));
}

#[test]
fn a_flipped_bit_in_a_redundant_file_costs_nothing_and_is_told_until_the_file_is_removed() {
    for file in ["conf", "snap"] {
        let dir = tempfile::tempdir().unwrap();
        closed_store(dir.path());
        let path = if file == "conf" { dir.path().join(file) } else { snapshot_of(dir.path()) };
        flip(&path);
        let aside = format!("damaged.{}", path.file_name().unwrap().to_str().unwrap());
        let findings = vec![Finding::SetAside { file: aside.clone() }];
        for _ in 0..2 {
            let store = open(SledConfig::new(dir.path())).unwrap();
            assert_eq!(store.stats().findings, findings);
            assert!(dir.path().join(&aside).is_file());
            check_whole(&store);
            assert_eq!(store.load(&name("b")).unwrap(), None, "nothing is missing, so what is not there is new");
            store.reopen().unwrap();
            assert_eq!(store.stats().findings, findings);
        }
        let store = open(SledConfig::new(dir.path())).unwrap();
        assert_eq!((store.acknowledge().unwrap(), store.stats().findings), (vec![], findings));
        drop(store);
        fs::remove_file(dir.path().join(&aside)).unwrap();
        let store = open(SledConfig::new(dir.path())).unwrap();
        assert_eq!(store.stats().findings, []);
        check_whole(&store);
    }
}

#[test]
fn a_file_that_was_put_aside_by_an_opening_that_failed_is_told_of_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    closed_store(dir.path());
    flip(&dir.path().join("conf"));
    // The last of what is opened.
    let watermark = dir.path().join("watermark");
    fs::remove_file(&watermark).unwrap();
    fs::create_dir(&watermark).unwrap();
    open(SledConfig::new(dir.path())).unwrap_err();
    fs::remove_dir(&watermark).unwrap();
    let findings = open(SledConfig::new(dir.path())).unwrap().stats().findings;
    assert_eq!(findings, [Finding::SetAside { file: "damaged.conf".into() }]);
}

#[test]
fn what_was_put_aside_earlier_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    closed_store(dir.path());
    let conf = dir.path().join("conf");
    let mut damaged = Vec::new();
    for _ in 0..2 {
        flip(&conf);
        damaged.push(fs::read(&conf).unwrap());
        check_whole(&open(SledConfig::new(dir.path())).unwrap());
        fs::write(&conf, [&fs::read(&conf).unwrap()[..], b"\n"].concat()).unwrap();
    }
    let files = ["damaged.conf", "damaged.2.conf"];
    assert!(files.map(|file| fs::read(dir.path().join(file)).unwrap()) == damaged[..]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_disk_does_not_give_counts_as_damaged() {
    let dir = tempfile::tempdir().unwrap();
    closed_store(dir.path());
    let conf = dir.path().join("conf");
    fs::remove_file(&conf).unwrap();
    // At its beginning there is no memory, and the system says what it says of a bad sector.
    std::os::unix::fs::symlink("/proc/self/mem", &conf).unwrap();
    let store = open(SledConfig::new(dir.path())).unwrap();
    assert_eq!(store.stats().findings, [Finding::SetAside { file: "damaged.conf".into() }]);
    check_whole(&store);
}

#[test]
fn a_snapshot_that_nobody_finished_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    closed_store(dir.path());
    let snapshot = snapshot_of(dir.path());
    let unfinished = dir.path().join(format!("{}.generating", snapshot.file_name().unwrap().to_str().unwrap()));
    let bytes = fs::read(snapshot).unwrap();
    fs::write(&unfinished, &bytes[..bytes.len() / 2]).unwrap();
    let store = open(SledConfig::new(dir.path())).unwrap();
    assert_eq!(store.stats().findings, []);
    check_whole(&store);
    assert!(!unfinished.exists());
}

#[test]
fn the_files_of_another_process_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    closed_store(dir.path());
    let _first = open(SledConfig::new(dir.path())).unwrap();
    let snapshot = snapshot_of(dir.path());
    flip(&snapshot);
    open(SledConfig::new(dir.path())).unwrap_err();
    assert!(snapshot.exists());
}
