//! The engine refuses a commit, or the files cannot be read.

use std::{fs, sync::atomic::Ordering};

use confluo_store::{
    DocumentStore, Engine, EngineStore, JournalConfig, Journaled,
    contract::{append, expected, name},
};

use crate::disk::{Disk, Pairs, Random, UNSYNCED, apply, pairs};

#[test]
fn when_the_engine_fails_the_next_commit_says_so_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = EngineStore::open(Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap(), None).unwrap();
    disk.0.fails.store(true, Ordering::Relaxed);
    let mut head = 0;
    let error = loop {
        match store.append(&[append("a", head + 1, 60_000)]) {
            Ok(()) => head += 1,
            Err(error) => break error,
        }
        assert!(head < 5_000, "the engine's failure is never told");
    };
    assert!(matches!(error, confluo_store::StoreError::OutOfSpace { .. }), "{error}");
    assert!(store.reopen().is_err(), "the engine still takes nothing");
    disk.0.fails.store(false, Ordering::Relaxed);
    store.reopen().unwrap();
    let loaded = store.load(&name("a")).unwrap().unwrap();
    assert_eq!(loaded, expected("a", head, 0, 60_000));
    assert_eq!(store.stats().findings, []);
    store.append(&[append("a", head + 1, 60_000)]).unwrap();
}

#[test]
fn a_hand_over_that_failed_is_told_before_the_next_commit_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let config = JournalConfig { seal_bytes: 2_000, ..UNSYNCED };
    let store = EngineStore::open(Journaled::open(disk.clone(), dir.path(), config).unwrap(), None).unwrap();
    assert_eq!(store.stats().unhealthy, None);
    disk.0.fails.store(true, Ordering::Relaxed);
    store.append(&[append("a", 1, 5_000)]).unwrap();
    let reason = (0..10_000_000).find_map(|_| {
        std::thread::yield_now();
        store.stats().unhealthy
    });
    assert!(reason.expect("the engine refuses what it is given").contains("no storage space"));
    disk.0.fails.store(false, Ordering::Relaxed);
    store.reopen().unwrap();
    assert_eq!((store.stats().unhealthy, store.stats().findings), (None, vec![]));
    assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", 1, 0, 5_000)));
}

/// Where it panics, a checkpoint says so, and nobody waits for it for ever.
#[test]
fn a_checkpoint_that_panics_is_told_as_one_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let config = JournalConfig { seal_bytes: 2_000, ..UNSYNCED };
    let store = EngineStore::open(Journaled::open(disk.clone(), dir.path(), config).unwrap(), None).unwrap();
    disk.0.panics.store(true, Ordering::Relaxed);
    store.append(&[append("a", 1, 5_000)]).unwrap();
    let reason = (0..10_000_000).find_map(|_| {
        std::thread::yield_now();
        store.stats().unhealthy
    });
    assert!(reason.expect("it is told").contains("panicked"));
    assert!(store.append(&[append("a", 2, 5_000)]).is_err());
    disk.0.panics.store(false, Ordering::Relaxed);
    store.reopen().unwrap();
    assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", 1, 0, 5_000)));
    store.append(&[append("a", 2, 5_000)]).unwrap();
}

#[test]
fn the_second_file_is_made_before_a_commit_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("journal-0"), dir.path().join("journal-1"));
    let disk = Disk::default();
    let journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
    assert!(!first.exists() && !second.exists(), "who only reads waits for neither");
    let (mut random, mut model) = (Random(5), Pairs::new());
    let mut commit = |longest| {
        let (batch, changes) = random.batch(longest);
        journaled.commit(batch).unwrap();
        apply(&mut model, changes);
        model.clone()
    };
    commit(10);
    let is_made = |_| {
        std::thread::yield_now();
        second.metadata().is_ok_and(|metadata| metadata.len() == first.metadata().unwrap().len())
    };
    assert!((0..10_000_000).any(is_made));
    let begins = fs::read(&second).unwrap();
    while fs::read(&second).unwrap() == begins {
        commit(60_000);
    }
    let last = commit(10);
    assert!(pairs(&journaled) == last);
    drop(journaled);
    assert!(!first.exists() && !second.exists());
}

/// With a journal so small that the engine takes what is in it all the time.
#[test]
fn whichever_commit_fails_behind_the_journal_nothing_acknowledged_is_lost() {
    const LAST: u64 = 40;
    for applies in [false, true] {
        for fail_at in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::default();
            disk.0.applies.store(applies, Ordering::Relaxed);
            disk.0.fail_at.store(fail_at, Ordering::Relaxed);
            let config = JournalConfig { seal_bytes: 2_000, ..UNSYNCED };
            let open = || EngineStore::open(Journaled::open(disk.clone(), dir.path(), config).unwrap(), None);
            let store = open().unwrap();
            let mut acknowledged = 0;
            while acknowledged < LAST {
                if store.append(&[append("a", acknowledged + 1, 500)]).is_ok() {
                    acknowledged += 1;
                } else {
                    store.reopen().or_else(|_| store.reopen()).expect("only one commit fails");
                    let head = store.load(&name("a")).unwrap().map_or(0, |loaded| loaded.head.0);
                    assert!(head >= acknowledged, "commit {fail_at}: {head} of {acknowledged}");
                    acknowledged = head;
                }
            }
            assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", LAST, 0, 500)));
            drop(store);
            assert_eq!(open().unwrap().load(&name("a")).unwrap(), Some(expected("a", LAST, 0, 500)));
            if disk.0.commits.load(Ordering::Relaxed) < fail_at {
                assert!(fail_at > 1, "the engine takes it at the latest when the store is closed");
                break;
            }
        }
    }
}

/// The engine refuses what the journal has, and then the journal cannot be read either.
#[test]
fn while_reopening_fails_reads_find_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut random, mut model) = (Disk::default(), Random(5), Pairs::new());
    let journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
    for _ in 0..20 {
        let (batch, changes) = random.batch(30_000);
        journaled.commit(batch).unwrap();
        apply(&mut model, changes);
    }
    for part in [1, 3] {
        disk.0.fail_at.store(disk.0.commits.load(Ordering::Relaxed) + part, Ordering::Relaxed);
        assert!(journaled.reopen().is_err());
        assert!(pairs(&journaled) == model, "the engine refuses part {part}");
    }
    let (file, hidden) = (dir.path().join("journal-0"), dir.path().join("hidden"));
    fs::rename(&file, &hidden).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(journaled.reopen().is_err());
    assert!(pairs(&journaled) == model, "the journal cannot be read");
    assert!(journaled.commit(random.batch(10).0).is_err(), "nothing is taken before it was reopened");
    fs::remove_dir(&file).unwrap();
    fs::rename(&hidden, &file).unwrap();
    journaled.reopen().unwrap();
    assert!(pairs(&journaled) == model);
    drop(journaled);
    assert!(pairs(&disk) == model);
}
