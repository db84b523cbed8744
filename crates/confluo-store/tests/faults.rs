//! Every commit of a scenario fails in turn, before and after it was applied; nothing acknowledged is lost, and no mixture is seen.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, MemoryEngine, MemoryStore, StoreError,
    contract::{append, expected, name, snapshot},
    copy_store,
    engine::Visit,
    faulty::{Fault, FaultyStore},
};

/// Fails its n-th commit, with or without having applied it.
#[derive(Debug, Default)]
struct FailingEngine {
    inner: MemoryEngine,
    commits: AtomicU64,
    fail_at: AtomicU64,
    applies: bool,
}

impl Engine for FailingEngine {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.inner.scan(prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let fails = self.commits.fetch_add(1, Ordering::Relaxed) + 1 == self.fail_at.load(Ordering::Relaxed);
        if !fails || self.applies {
            self.inner.commit(batch)?;
        }
        if fails { Err(EngineError::Io(std::io::Error::other("asked for"))) } else { Ok(()) }
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

const LENGTH: usize = 1_100_000;

/// One step, and what every load may show when it was not acknowledged: `(head, through)` of document `a`; head 0: none.
type Step = (fn(&dyn DocumentStore) -> Result<(), StoreError>, (u64, u64));

const SCENARIO: &[Step] = &[
    (|store| store.append(&[append("a", 1, LENGTH), append("a", 2, LENGTH)]), (2, 0)),
    (|store| store.compact(&name("a"), snapshot(1, LENGTH)), (2, 1)),
    (|store| store.append(&[append("a", 3, LENGTH)]), (3, 1)),
    (|store| store.compact(&name("a"), snapshot(3, LENGTH)), (3, 3)),
    (|store| store.delete(&name("a")).map(|_| ()), (0, 0)),
    (|store| store.import(&name("a"), &expected("a", 3, 2, LENGTH)), (3, 2)),
    (|store| store.replace(&name("a"), &expected("a", 4, 3, LENGTH)), (4, 3)),
];

/// Runs the scenario with one failing commit; false once the number lies beyond its end.
fn run(fail_at: u64, applies: bool) -> bool {
    let engine = FailingEngine { applies, ..FailingEngine::default() };
    let store = EngineStore::open(engine, None).expect("an empty engine opens");
    store.engine().fail_at.store(fail_at + store.engine().commits.load(Ordering::Relaxed), Ordering::Relaxed);
    let mut acknowledged = (0, 0);
    let mut has_failed = false;
    for (step, after) in SCENARIO {
        if let Err(error) = step(&store) {
            has_failed = true;
            assert!(matches!(error, StoreError::Io { .. }), "{error}");
            assert!(matches!(store.load(&name("a")), Err(StoreError::Unhealthy { .. })));
            store.reopen().expect("only one commit fails");
            let loaded = store.load(&name("a")).expect("it is in service");
            let whole = |(head, through)| (head > 0).then(|| expected("a", head, through, LENGTH));
            assert!(loaded == whole(acknowledged) || loaded == whole(*after), "commit {fail_at}, applied: {applies}");
            // As a caller would: try the step again if it had not happened.
            if loaded != whole(*after) {
                step(&store).expect("only one commit fails");
            }
        }
        acknowledged = *after;
        let (head, through) = acknowledged;
        assert_eq!(
            store.load(&name("a")).expect("it is in service"),
            (head > 0).then(|| expected("a", head, through, LENGTH))
        );
    }
    has_failed
}

#[test]
fn any_one_commit_may_fail() {
    for applies in [false, true] {
        let failures = (1..1_000).take_while(|fail_at| run(*fail_at, applies)).count();
        assert!(failures > SCENARIO.len(), "compactions and imports take several commits: {failures}");
    }
}

#[test]
fn a_faulty_store_fails_tears_and_heals() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let slice = [append("a", 1, 10), append("a", 2, 10)];
    for (fault, head) in [(Fault::OutOfSpace, 0), (Fault::Io, 0), (Fault::Torn, 1)] {
        store.fail_call(store.calls() + 1, fault);
        assert!(store.append(&slice).unwrap_err().is_store_wide());
        assert!(matches!(store.load(&name("a")), Err(StoreError::Unhealthy { .. })));
        store.reopen().unwrap();
        assert_eq!(store.load(&name("a")).unwrap().map_or(0, |loaded| loaded.head.0), head, "{fault:?}");
    }
}

#[test]
fn a_held_store_waits_until_released() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    store.hold();
    let held = store.clone();
    let writer = std::thread::spawn(move || held.append(&[append("a", 1, 10)]));
    store.wait_until_held(1);
    assert_eq!(store.inner().load(&name("a")).unwrap(), None);
    store.release();
    writer.join().unwrap().unwrap();
    assert_eq!(store.inner().load(&name("a")).unwrap(), Some(expected("a", 1, 0, 10)));
}

#[test]
fn a_copy_goes_on_after_a_document_that_is_not_taken_and_ends_when_the_other_store_fails() {
    let (from, to) = (MemoryStore::new(), FaultyStore::new(MemoryStore::new()));
    from.append(&["a", "b", "c"].map(|document| append(document, 1, 10))).unwrap();
    to.append(&[append("b", 1, 20)]).unwrap();
    let report = copy_store(&from, &to).unwrap();
    assert_eq!(report.copied, 2);
    assert!(matches!(&report.failed[..], [(b, StoreError::DocumentExists { .. })] if *b == name("b")));
    assert_eq!(to.load(&name("b")).unwrap(), Some(expected("b", 1, 0, 20)));
    let full = FaultyStore::new(MemoryStore::new());
    full.fail_writes(Some(Fault::OutOfSpace));
    assert!(matches!(copy_store(&from, &full), Err(StoreError::OutOfSpace { .. })));
    for unfinished in [to.inner(), full.inner()] {
        assert_eq!(unfinished.stats().findings, [Finding::Salvaged]);
    }
    copy_store(&from, to.inner()).unwrap();
    assert_eq!(to.inner().stats().findings, [Finding::Salvaged], "once is enough");
    let whole = MemoryStore::new();
    copy_store(&from, &whole).unwrap();
    assert_eq!((whole.stats().findings, whole.load(&name("d")).unwrap()), (vec![], None));
}
