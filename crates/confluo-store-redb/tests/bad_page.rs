//! One page that cannot be read costs one document, at most.

use std::{fs, ops::ControlFlow, path::Path, sync::Arc};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled, StoreError,
    contract::{append, bad_page, expected, name},
    engine::Visit,
    keys::{self, DocumentNumber},
};
use confluo_store_redb::{RedbConfig, RedbEngine, open, open_wreck};

fn open_store(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(open(RedbConfig::new(dir))?))
}

#[test]
fn a_bad_page_costs_one_document() {
    bad_page::check(open_store, "confluo.redb");
}

#[test]
fn removals_beside_a_bad_page_cost_nobody_anything() {
    bad_page::check_removals(open_store, "confluo.redb");
}

#[test]
fn a_page_that_is_none_after_a_crash_is_refused_and_costs_one_document_in_a_salvage() {
    bad_page::check_killed_and_refused(open_store, open_wreck, "confluo.redb", turn_into_no_page);
}

/// Of a page whose first byte is neither a leaf's nor a branch's redb knows nothing.
fn turn_into_no_page(bytes: &mut [u8], place: usize) {
    const PAGE_BYTES: usize = 4096;
    const LEAF: u8 = 1;
    // It has one pair or two.
    let begins_leaf = |page: &usize| bytes[*page] == LEAF && bytes[page + 3] == 0 && (1..=2).contains(&bytes[page + 2]);
    let page = (0..place).step_by(PAGE_BYTES).rev().find(begins_leaf).expect("it is in a leaf");
    bytes[page] = 3;
}

/// redb that fails at the records of one document as at a page that the disk damages after it was opened: then it panics, which is
/// damage, and it takes nothing of that commit.
#[derive(Debug)]
struct WithBadPage(RedbEngine);

const NUMBER: DocumentNumber = DocumentNumber(2);

fn read(key: &[u8]) -> Result<(), EngineError> {
    let is_bad = key.starts_with(&keys::records(NUMBER));
    if is_bad { Err(EngineError::Damaged("asked for".into())) } else { Ok(()) }
}

impl Engine for WithBadPage {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        read(key)?;
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let mut outcome = Ok(());
        self.0.scan(prefix, from, &mut |key, value| {
            outcome = read(key);
            if outcome.is_ok() { visit(key, value) } else { ControlFlow::Break(()) }
        })?;
        outcome
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut taken = Batch::default();
        for (key, change) in batch.into_changes() {
            read(&key)?;
            match change {
                Some(value) => taken.put(key, value),
                None => taken.remove(key),
            }
        }
        self.0.commit(taken)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.0.reopen()
    }

    fn disk_bytes(&self) -> u64 {
        self.0.disk_bytes()
    }
}

#[test]
fn a_page_that_turns_bad_before_the_journal_is_handed_over_costs_one_document() {
    let work = tempfile::tempdir().unwrap();
    let (running, killed) = (work.path().join("running"), work.path().join("killed"));
    let store = open(RedbConfig::new(&running)).unwrap();
    for seq in 1..=2 {
        store.append(&["a", "b", "c"].map(|title| append(title, seq, 100))).unwrap();
    }
    drop(store);
    let store = open(RedbConfig::new(&running)).unwrap();
    store.append(&["a", "b", "c"].map(|title| append(title, 3, 100))).unwrap();
    fs::create_dir(&killed).unwrap();
    for file in ["confluo.redb", "journal-0", "watermark"] {
        fs::copy(running.join(file), killed.join(file)).unwrap();
    }
    let engine = WithBadPage(RedbEngine::open(RedbConfig::new(&killed)).unwrap());
    let journaled = Journaled::open(engine, &killed, JournalConfig::default()).unwrap();
    check(&EngineStore::open(journaled, Some(&killed.join("watermark"))).unwrap(), |loaded| loaded.is_err());
    // Should the disk read it one day.
    check(&open(RedbConfig::new(&killed)).unwrap(), |loaded| {
        loaded.is_ok_and(|loaded| loaded.is_some_and(|b| (b.head.0, b.records.len(), b.set_aside.len()) == (3, 2, 1)))
    });
}

/// All is there but what b lost, which is told of.
fn check(store: &dyn DocumentStore, lacks_some: fn(Result<Option<confluo_store::StoredDocument>, StoreError>) -> bool) {
    assert_eq!(store.stats().findings, [Finding::Journal { file: "journal-0.aside".to_owned() }]);
    for title in ["a", "c"] {
        assert_eq!(store.load(&name(title)).expect("it is whole"), Some(expected(title, 3, 0, 100)));
    }
    assert!(lacks_some(store.load(&name("b"))));
}
