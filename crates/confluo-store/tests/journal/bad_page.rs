//! The engine has a page that it cannot read, and the journal a change that belongs there.

use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled, StoreError,
    contract::{append, expected, name, snapshot},
    engine::Visit,
    keys::{self, DocumentNumber},
};

use crate::disk::{Disk, UNSYNCED};

/// Of the document b, which is the second.
const NUMBER: DocumentNumber = DocumentNumber(2);
const ASIDE: &str = "journal-0.aside";

/// An engine with a page that it may not be able to read.
#[derive(Debug, Clone, Default)]
struct Paged {
    disk: Disk,
    page: Arc<Page>,
}

#[derive(Debug, Default)]
struct Page {
    /// What its keys begin with, and what the engine says.
    bad: Mutex<Option<(Vec<u8>, Answer)>>,
    /// After a commit that failed, as after a panic.
    must_reopen: AtomicBool,
    /// The disk gives it again after so many reopenings.
    left: Mutex<Option<u32>>,
    /// How often it was come upon.
    met: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Damaged,
    /// The system's error.
    Io,
    /// That of the system when it writes to the page, and damage when it reads it.
    IoInCommit,
}

impl Paged {
    fn turn_bad(&self, prefix: Vec<u8>) {
        self.answer(prefix, Answer::Damaged);
    }

    fn answer(&self, prefix: Vec<u8>, answer: Answer) {
        *self.page.bad.lock().expect("no test panics with it") = Some((prefix, answer));
    }

    fn recover(&self) {
        *self.page.bad.lock().expect("no test panics with it") = None;
    }

    fn read(&self, key: &[u8]) -> Result<(), EngineError> {
        self.touch(key, Answer::Io)
    }

    /// What it says of a page where that answer, or `Io`, is an error of the system's.
    fn touch(&self, key: &[u8], io: Answer) -> Result<(), EngineError> {
        assert!(!self.page.must_reopen.load(Ordering::Relaxed), "it is used again before it was reopened");
        match &*self.page.bad.lock().expect("no test panics with it") {
            Some((prefix, answer)) if key.starts_with(prefix) => {
                self.page.met.fetch_add(1, Ordering::Relaxed);
                Err(if [Answer::Io, io].contains(answer) {
                    EngineError::Io(std::io::Error::other("asked for"))
                } else {
                    EngineError::Damaged("asked for".into())
                })
            }
            _ => Ok(()),
        }
    }
}

impl Engine for Paged {
    fn name(&self) -> &'static str {
        "paged"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.read(key)?;
        self.disk.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let mut failure = None;
        self.disk.scan(prefix, from, &mut |key, value| match self.read(key) {
            Ok(()) => visit(key, value),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// As sled, it has half of what it fails to take.
    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut taken = Batch::default();
        for (key, change) in batch.into_changes() {
            if let Err(error) = self.touch(&key, Answer::IoInCommit) {
                self.disk.commit(taken)?;
                self.page.must_reopen.store(true, Ordering::Relaxed);
                return Err(error);
            }
            match change {
                Some(value) => taken.put(key, value),
                None => taken.remove(key),
            }
        }
        self.disk.commit(taken)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.page.must_reopen.store(false, Ordering::Relaxed);
        let mut left = self.page.left.lock().expect("no test panics with it");
        *left = left.map(|left| left - 1);
        if *left == Some(0) {
            *left = None;
            self.recover();
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

type Store = EngineStore<Journaled<Paged>>;

fn open(engine: &Paged, dir: &Path) -> Result<Store, StoreError> {
    EngineStore::open(Journaled::open(engine.clone(), dir, UNSYNCED)?, Some(&dir.join("watermark")))
}

/// Three documents, of which the engine has two records each; what `write` does then is in the journal only. The process is killed.
fn killed(dir: &Path, write: impl FnOnce(&Store)) -> Paged {
    let engine = Paged::default();
    let store = open(&engine, dir).expect("a healthy store");
    for (seq, document) in [(1, "a"), (1, "b"), (1, "c"), (2, "a"), (2, "b"), (2, "c")] {
        store.append(&[append(document, seq, 100)]).expect("a healthy store");
    }
    drop(store);
    let store = open(&engine, dir).expect("a healthy store");
    write(&store);
    let next = Paged { disk: engine.disk.after_kill(), page: Arc::default() };
    std::mem::forget(store);
    next
}

fn append_third(store: &Store) {
    for document in ["a", "b", "c"] {
        store.append(&[append(document, 3, 100)]).expect("a healthy store");
    }
}

/// All is there but what b lost, which is told of.
fn check(engine: &Paged, store: &Store, dir: &Path, files: &[u8]) {
    assert_eq!(store.stats().findings, [Finding::Journal { file: ASIDE.into() }]);
    assert!(fs::read(dir.join(ASIDE)).expect("a healthy store") == files, "what was in the journal is kept");
    for document in ["a", "c"] {
        assert_eq!(store.load(&name(document)).expect("a healthy store"), Some(expected(document, 3, 0, 100)));
    }
    let error = store.load(&name("b")).expect_err("its page cannot be read");
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    // Should the disk read it one day.
    engine.recover();
    let loaded = store.load(&name("b")).expect("it can be read").expect("it is there");
    assert_eq!((loaded.head.0, loaded.set_aside.len(), loaded.set_aside[0].seq.map(|seq| seq.0)), (3, 1, Some(3)));
}

#[test]
fn a_change_that_belongs_on_a_page_which_cannot_be_read_costs_its_document_only() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), append_third);
    let files = fs::read(dir.path().join("journal-0")).unwrap();
    for _ in 0..2 {
        engine.turn_bad(keys::records(NUMBER));
        check(&engine, &open(&engine, dir.path()).unwrap(), dir.path(), &files);
    }
}

#[test]
fn so_does_one_on_a_page_that_the_disk_does_not_give() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), append_third);
    let files = fs::read(dir.path().join("journal-0")).unwrap();
    engine.answer(keys::records(NUMBER), Answer::IoInCommit);
    check(&engine, &open(&engine, dir.path()).unwrap(), dir.path(), &files);
}

#[test]
fn what_the_disk_gives_again_is_not_given_up() {
    for (prefix, reopenings) in [(keys::records(NUMBER), 1), (keys::records(NUMBER), 2), (keys::records(NUMBER), 3)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = killed(dir.path(), append_third);
        engine.answer(prefix, Answer::IoInCommit);
        *engine.page.left.lock().unwrap() = Some(reopenings);
        let store = open(&engine, dir.path()).unwrap();
        assert_eq!((store.stats().findings, dir.path().join(ASIDE).exists()), (vec![], false));
        for document in ["a", "b", "c"] {
            assert_eq!(store.load(&name(document)).unwrap(), Some(expected(document, 3, 0, 100)));
        }
    }
}

/// Each time a disk may take seconds to say that it cannot.
#[test]
fn of_many_changes_on_one_page_few_are_tried() {
    let head = 1_000;
    let write = |store: &Store| (3..=head).for_each(|seq| store.append(&[append("b", seq, 10)]).unwrap());
    for (page, from, to) in [(vec![], 1, head), (vec![1], 256, 511), (vec![3], 768, head)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = killed(dir.path(), write);
        // Of a number what is before its last byte.
        engine.turn_bad(
            [keys::records(NUMBER), if page.is_empty() { page } else { [vec![0; 6], page].concat() }].concat(),
        );
        let store = open(&engine, dir.path()).unwrap();
        assert_eq!(store.stats().findings, [Finding::Journal { file: ASIDE.into() }]);
        let met = engine.page.met.load(Ordering::Relaxed);
        assert!(met < 50, "the page is asked for {met} times");
        engine.recover();
        let loaded = store.load(&name("b")).unwrap().unwrap();
        let lost: Vec<_> = loaded.set_aside.iter().filter_map(|lost| lost.seq).map(|seq| seq.0).collect();
        assert_eq!(lost, (from.max(3)..=to).collect::<Vec<_>>());
    }
}

#[test]
fn whichever_commit_fails_meanwhile_the_next_opening_finds_all() {
    let mut failures = 0;
    for fail_at in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let engine = killed(dir.path(), append_third);
        engine.turn_bad(keys::records(NUMBER));
        let files = fs::read(dir.path().join("journal-0")).unwrap();
        let before = engine.disk.0.commits.load(Ordering::Relaxed);
        engine.disk.0.fail_at.store(before + fail_at, Ordering::Relaxed);
        engine.disk.0.applies.store(fail_at % 2 == 0, Ordering::Relaxed);
        let is_hit = open(&engine, dir.path()).is_err();
        engine.reopen().unwrap();
        check(&engine, &open(&engine, dir.path()).unwrap(), dir.path(), &files);
        failures += u32::from(is_hit);
        if engine.disk.0.commits.load(Ordering::Relaxed) < before + fail_at {
            break;
        }
    }
    assert!(failures >= 2, "before anything is left out, and after: {failures}");
}

#[test]
fn an_error_of_the_system_leaves_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), append_third);
    engine.answer(keys::records(NUMBER), Answer::Io);
    for _ in 0..2 {
        assert!(matches!(open(&engine, dir.path()), Err(StoreError::Io { .. })));
        engine.reopen().unwrap();
    }
    assert!(!dir.path().join(ASIDE).exists());
    engine.recover();
    let store = open(&engine, dir.path()).unwrap();
    assert_eq!(store.stats().findings, []);
    for document in ["a", "b", "c"] {
        assert_eq!(store.load(&name(document)).unwrap(), Some(expected(document, 3, 0, 100)));
    }
}

#[test]
fn what_the_whole_store_needs_is_never_left_out() {
    for needed in [b"\0state".to_vec(), keys::catalogue("d")] {
        let dir = tempfile::tempdir().unwrap();
        let engine = killed(dir.path(), |store| store.append(&[append("d", 1, 100)]).unwrap());
        engine.turn_bad(needed);
        assert!(matches!(open(&engine, dir.path()), Err(StoreError::Damaged { .. })));
        engine.reopen().unwrap();
        assert!(!dir.path().join(ASIDE).exists());
        engine.recover();
        let store = open(&engine, dir.path()).unwrap();
        assert_eq!((store.stats().findings, store.load(&name("d")).unwrap()), (vec![], Some(expected("d", 1, 0, 100))));
    }
}

#[test]
fn records_stay_when_the_snapshot_that_replaces_them_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), |store| store.compact(&name("b"), snapshot(2, 100)).unwrap());
    engine.turn_bad(keys::snapshots(NUMBER));
    let store = open(&engine, dir.path()).unwrap();
    assert_eq!(store.stats().findings, [Finding::Journal { file: ASIDE.into() }]);
    assert!(store.load(&name("b")).is_err());
    let salvaged = store.salvage(&name("b")).unwrap().unwrap();
    assert_eq!(salvaged.records, expected("b", 2, 0, 100).records);
}

#[test]
fn a_removal_that_is_left_out_accuses_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), |store| assert!(store.delete(&name("b")).unwrap()));
    engine.turn_bad(keys::records(NUMBER));
    let store = open(&engine, dir.path()).unwrap();
    assert_eq!((store.stats().findings, store.load(&name("b")).unwrap()), (vec![], None));
    assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", 2, 0, 100)));
}

/// The checkpoints' thread meets the page.
#[test]
fn a_running_store_goes_on_without_the_document_when_it_is_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Paged::default();
    let config = JournalConfig { seal_bytes: 2_000, ..UNSYNCED };
    let store = EngineStore::open(Journaled::open(engine.clone(), dir.path(), config).unwrap(), None).unwrap();
    for document in ["a", "b"] {
        store.append(&[append(document, 1, 100)]).unwrap();
    }
    engine.turn_bad(keys::records(NUMBER));
    let mut head = 1;
    let error = loop {
        match store.append(&[append("a", head + 1, 100)]) {
            Ok(()) => head += 1,
            Err(error) => break error,
        }
        assert!(head < 100_000, "the engine's failure is never told");
    };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    store.reopen().unwrap();
    let findings = store.stats().findings;
    assert!(matches!(findings[..], [Finding::Journal { .. }, ..]), "{findings:?}");
    for seq in head + 1..head + 100 {
        store.append(&[append("a", seq, 100)]).unwrap();
    }
    let lost = store.load(&name("b")).unwrap().unwrap().set_aside;
    assert_eq!(lost.iter().filter_map(|lost| lost.seq).map(|seq| seq.0).collect::<Vec<_>>(), [1]);
    drop(store);
    let store = EngineStore::open(Journaled::open(engine, dir.path(), config).unwrap(), None).unwrap();
    assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", head + 99, 0, 100)));
    assert_eq!(store.stats().findings, findings, "no other file is kept");
}

#[test]
fn a_second_incident_keeps_its_file_beside_that_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let engine = killed(dir.path(), append_third);
    let journal = dir.path().join("journal-0");
    let first = fs::read(&journal).unwrap();
    engine.turn_bad(keys::records(NUMBER));
    let store = open(&engine, dir.path()).unwrap();
    store.append(&[append("a", 4, 100), append("b", 4, 100)]).unwrap();
    let second = fs::read(&journal).unwrap();
    let disk = engine.disk.after_kill();
    std::mem::forget(store);
    let engine = Paged { disk, ..engine };
    for _ in 0..2 {
        let store = open(&engine, dir.path()).unwrap();
        let files = [ASIDE, "journal-0.2.aside"];
        let wanted: Vec<_> = files.iter().rev().map(|file| Finding::Journal { file: (*file).into() }).collect();
        assert_eq!(store.stats().findings, wanted);
        assert!(files.map(|file| fs::read(dir.path().join(file)).unwrap()) == [first.clone(), second.clone()]);
        assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", 4, 0, 100)));
    }
}
