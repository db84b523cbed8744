//! A reopening that fails half-way does not forget what it found.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, MemoryEngine, StoreError,
    contract::{append, name},
    engine::Visit,
    keys,
    value::Entry,
};

/// A map whose newest commit is not on the disk yet.
#[derive(Debug, Default)]
struct Unsynced {
    pairs: MemoryEngine,
    newest: Mutex<Option<Batch>>,
    /// It comes back without the newest commit.
    forgets: AtomicBool,
    /// It takes no commit.
    is_full: AtomicBool,
}

impl Unsynced {
    fn newest(&self) -> std::sync::MutexGuard<'_, Option<Batch>> {
        self.newest.lock().expect("no test panics with it")
    }

    fn settle(&self) -> Result<(), EngineError> {
        self.newest().take().map_or(Ok(()), |batch| self.pairs.commit(batch))
    }
}

impl Engine for Unsynced {
    fn name(&self) -> &'static str {
        "unsynced"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let newest = self.newest().clone().unwrap_or_default();
        let change = newest.into_changes().find(|(changed, _)| changed == key);
        change.map_or_else(|| self.pairs.get(key), |(_, value)| Ok(value))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.settle()?;
        self.pairs.scan(prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(EngineError::Io(std::io::ErrorKind::StorageFull.into()));
        }
        self.settle()?;
        *self.newest() = Some(batch);
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        if self.forgets.swap(false, Ordering::Relaxed) {
            *self.newest() = None;
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

#[test]
fn what_an_engine_lost_is_found_again_where_it_could_not_be_written_down() {
    let store = EngineStore::open(Unsynced::default(), None).unwrap();
    store.append(&[append("a", 1, 10)]).unwrap();
    store.append(&[append("b", 1, 10)]).unwrap();
    store.engine().forgets.store(true, Ordering::Relaxed);
    store.engine().is_full.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert!(matches!(store.reopen(), Err(StoreError::OutOfSpace { .. })));
    }
    store.engine().is_full.store(false, Ordering::Relaxed);
    store.reopen().unwrap();
    assert_eq!(store.stats().findings, [Finding::RolledBack { found: 1, acknowledged: 2 }]);
    assert!(matches!(store.load(&name("b")), Err(StoreError::MayBeLost { .. })));
    store.append(&[append("c", 1, 10)]).unwrap();
    let key = keys::catalogue("c");
    let number = Entry::decode(&key, &store.engine().get(&key).unwrap().unwrap()).unwrap().number;
    assert!(number.0 > 1 << 32, "the lost commit may have left something at the next ones: {number:?}");
}
