//! Records, heads and snapshots that are damaged, gone or newer are named; the rest of the document, and of the store, opens.

use std::{ops::ControlFlow, sync::Mutex};

use confluo_protocol::Seq;
use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, MemoryEngine, SetAside, SetAsideReason, StoreError,
    StoreStats,
    contract::{append, expected, name, snapshot},
    engine::Visit,
    keys::{self, DocumentNumber},
    value,
    watermark::Watermark,
};

const NUMBER: DocumentNumber = DocumentNumber(1);

/// A document `a` with number 1, records to 10 and a snapshot through 4, and a document `b`.
fn store() -> EngineStore<MemoryEngine> {
    let store = EngineStore::open(MemoryEngine::default(), None).expect("an empty engine opens");
    let records: Vec<_> = (1..=10).map(|seq| append("a", seq, 100_000)).collect();
    store.append(&records).expect("it is healthy");
    store.append(&[append("b", 1, 10)]).expect("it is healthy");
    store.compact(&name("a"), snapshot(4, 100)).expect("within range");
    store
}

fn change(store: &EngineStore<MemoryEngine>, key: Vec<u8>, value: Option<Vec<u8>>) {
    let mut batch = Batch::default();
    match value {
        Some(value) => batch.put(key, value),
        None => batch.remove(key),
    }
    store.engine().commit(batch).expect("memory takes anything");
}

fn record(seq: u64, chunk: u32) -> Vec<u8> {
    keys::chunk(&keys::record(NUMBER, Seq(seq)), chunk)
}

fn flipped(store: &EngineStore<MemoryEngine>, key: &[u8]) -> Vec<u8> {
    let mut value = store.engine().get(key).expect("memory reads").expect("it is there");
    let middle = value.len() / 2;
    value[middle] ^= 1;
    value
}

#[test]
fn a_bad_record_is_set_aside_and_the_rest_opens() {
    let check = |key: Vec<u8>, flips: bool, seq: u64, reason| {
        let store = store();
        let value = flips.then(|| flipped(&store, &key));
        change(&store, key, value);
        let loaded = store.load(&name("a")).unwrap().unwrap();
        assert_eq!(loaded.set_aside, [SetAside { seq: Some(Seq(seq)), reason }]);
        let mut rest = expected("a", 10, 4, 100_000).records;
        rest.retain(|record| record.seq != Seq(seq));
        assert_eq!((loaded.head, loaded.records), (Seq(10), rest));
        assert_eq!(store.load(&name("b")).unwrap(), Some(expected("b", 1, 0, 10)));
    };
    check(record(7, 0), true, 7, SetAsideReason::Damaged);
    check(record(7, 1), true, 7, SetAsideReason::Damaged);
    check(record(7, 0), false, 7, SetAsideReason::Damaged);
    check(record(7, 1), false, 7, SetAsideReason::Damaged);
    check(record(10, 1), false, 10, SetAsideReason::Damaged);
}

#[test]
fn a_record_that_is_gone_is_missing_also_at_the_end() {
    for seq in [5, 7, 10] {
        let store = store();
        change(&store, record(seq, 0), None);
        change(&store, record(seq, 1), None);
        let loaded = store.load(&name("a")).unwrap().unwrap();
        assert_eq!(loaded.set_aside, [SetAside { seq: Some(Seq(seq)), reason: SetAsideReason::Missing }]);
        assert_eq!(loaded.records.len(), 5);
    }
}

#[test]
fn a_bad_snapshot_or_head_is_an_error_and_can_be_salvaged() {
    let check = |key: Vec<u8>, flips: bool, reason, records: usize, has_snapshot| {
        let store = store();
        let value = flips.then(|| flipped(&store, &key));
        change(&store, key, value);
        let error = store.load(&name("a")).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("confluo doc verify"));
        let salvaged = store.salvage(&name("a")).unwrap().unwrap();
        assert_eq!(salvaged.set_aside[0], SetAside { seq: None, reason });
        assert_eq!((salvaged.records.len(), salvaged.snapshot.is_some()), (records, has_snapshot));
        assert_eq!(store.load(&name("b")).unwrap(), Some(expected("b", 1, 0, 10)));
    };
    let snapshot = keys::chunk(&keys::snapshot(NUMBER, 1), 0);
    check(snapshot.clone(), true, SetAsideReason::Snapshot, 6, false);
    check(snapshot, false, SetAsideReason::Snapshot, 6, false);
    check(keys::head(NUMBER), true, SetAsideReason::Head, 6, true);
    check(keys::head(NUMBER), false, SetAsideReason::Head, 6, true);
}

#[test]
fn a_head_that_was_turned_back_is_an_error() {
    let store = store();
    let key = keys::head(NUMBER);
    let old = value::Head { seq: Seq(8), generation: 1, through: Seq(4) }.encode(&key);
    change(&store, key, Some(old));
    assert!(matches!(store.load(&name("a")), Err(StoreError::Corrupt { seq: Some(Seq(9)), .. })));
}

/// A map of which some keys lie in a page that cannot be read.
#[derive(Debug, Default)]
struct BadPage {
    inner: MemoryEngine,
    keys: Mutex<Option<Vec<u8>>>,
}

impl BadPage {
    fn check(&self, key: &[u8]) -> Result<(), EngineError> {
        let keys = self.keys.lock().expect("no test panics with it");
        let is_in = keys.as_ref().is_some_and(|keys| key.starts_with(keys));
        if is_in { Err(EngineError::Damaged("a page".into())) } else { Ok(()) }
    }
}

impl Engine for BadPage {
    fn name(&self) -> &'static str {
        "bad page"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.check(key).and_then(|()| self.inner.get(key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let mut checked = Ok(());
        self.inner.scan(prefix, from, &mut |key, value| {
            checked = self.check(key);
            if checked.is_err() { ControlFlow::Break(()) } else { visit(key, value) }
        })?;
        checked
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        self.inner.commit(batch)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

#[test]
fn a_page_that_cannot_be_read_is_the_trouble_of_the_document_that_lies_there() {
    for keys in [keys::head(NUMBER), keys::document(NUMBER)] {
        let store = EngineStore::open(BadPage::default(), None).unwrap();
        for document in ["a", "b"] {
            store.append(&(1..=3).map(|seq| append(document, seq, 10)).collect::<Vec<_>>()).unwrap();
        }
        let has_head = keys != keys::head(NUMBER);
        *store.engine().keys.lock().unwrap() = Some(keys);
        let check = |error: StoreError| assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
        check(store.load(&name("a")).unwrap_err());
        check(store.document_stats(&name("a")).unwrap_err());
        check(store.compact(&name("a"), snapshot(2, 10)).unwrap_err());
        store.reopen().unwrap();
        let appended = store.append(&[append("a", 4, 10)]);
        if has_head {
            appended.unwrap();
        } else {
            check(appended.unwrap_err());
        }
        let salvaged = store.salvage(&name("a")).unwrap().unwrap();
        assert_eq!(
            (salvaged.records.len(), salvaged.set_aside.is_empty()),
            if has_head { (0, false) } else { (3, false) }
        );
        store.append(&[append("b", 4, 10)]).unwrap();
        assert_eq!(store.load(&name("b")).unwrap(), Some(expected("b", 4, 0, 10)));
        assert!(store.delete(&name("a")).unwrap());
        assert_eq!(store.load(&name("a")).unwrap(), None);
    }
}

#[test]
fn a_newer_store_is_refused() {
    let engine = MemoryEngine::default();
    let mut batch = Batch::default();
    batch.put(keys::FORMAT.to_vec(), value::encode_format(keys::FORMAT, value::FORMAT_VERSION + 1));
    engine.commit(batch).unwrap();
    let error = EngineStore::open(engine, None).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 3, supported: 2, .. }), "{error}");
}

#[test]
fn an_older_store_is_marked_before_anything_else_is_written() {
    let engine = MemoryEngine::default();
    let mut batch = Batch::default();
    batch.put(keys::FORMAT.to_vec(), value::encode_format(keys::FORMAT, 1));
    batch.put(keys::STATE.to_vec(), value::State { commits: 7, last_number: 0, documents: 0 }.encode(keys::STATE));
    engine.commit(batch).unwrap();
    let store = EngineStore::open(engine, None).unwrap();
    let marked = store.engine().get(keys::FORMAT).unwrap().unwrap();
    assert_eq!(value::decode_format(keys::FORMAT, &marked), Ok(value::FORMAT_VERSION));
    let state = store.engine().get(keys::STATE).unwrap().unwrap();
    assert_eq!(value::State::decode(keys::STATE, &state).unwrap().commits, 8);
    assert_eq!(store.stats().findings, []);
}

#[test]
fn a_store_behind_its_watermark_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("watermark");
    Watermark::open(&path).unwrap().note(1_000).unwrap();
    let store = EngineStore::open(MemoryEngine::default(), Some(&path)).unwrap();
    let StoreStats { findings, .. } = store.stats();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].to_string().contains("1000 commits"), "{}", findings[0]);
}
