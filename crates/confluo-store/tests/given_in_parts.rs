//! The engine takes a file of the journal in parts. Whichever was the last before the power went: if the file is gone as well, the
//! engine must not look as if it had all of it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled, MemoryEngine,
    contract::{append, expected, name},
    engine::Visit,
};

/// A disk that takes so many commits more.
#[derive(Debug, Clone)]
struct Disk {
    pairs: Arc<MemoryEngine>,
    left: Arc<AtomicU64>,
}

impl Disk {
    fn new() -> Self {
        Self { pairs: Arc::default(), left: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

impl Engine for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.pairs.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.pairs.scan(prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| EngineError::Io(std::io::ErrorKind::StorageFull.into()))?;
        self.pairs.commit(batch)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

#[test]
fn some_parts_of_a_lost_file_are_reported() {
    for is_new in [true, false] {
        let most = (0..100).find(|parts| !is_cut_after(*parts, is_new)).unwrap();
        assert!(most > 10, "the file is given in parts: {most}");
    }
}

/// Cuts the power after so many parts, in a new store or one that was there before; false if those were all.
fn is_cut_after(parts: u64, is_new: bool) -> bool {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let disk = Disk::new();
    let open = || {
        // Nothing here needs a disk.
        let config = JournalConfig { syncs: false, ..JournalConfig::default() };
        let journaled = Journaled::open(disk.clone(), dir.path(), config).expect("this disk takes it");
        EngineStore::open(journaled, Some(&dir.path().join("watermark"))).expect("this disk takes it")
    };
    let mut store = open();
    if !is_new {
        store.append(&[append("a", 1, 100)]).expect("this disk takes it");
        drop(store);
        store = open();
    }
    for document in 0..20 {
        store.append(&[append(&format!("b{document}"), 1, 60_000)]).expect("this disk takes it");
    }
    disk.left.store(parts, Ordering::Relaxed);
    drop(store);
    // Whoever could give all of it leaves no file.
    let is_cut = fs::remove_file(dir.path().join("journal-0")).is_ok();
    disk.left.store(u64::MAX, Ordering::Relaxed);
    let store = open();
    let findings = store.stats().findings;
    if !is_cut {
        assert_eq!(findings, []);
        return false;
    }
    let is_reported = findings.iter().any(|finding| matches!(finding, Finding::RolledBack { .. }));
    // The last part is only the number of what was given.
    let is_whole = |document: u32| {
        let loaded = store.load(&name(&format!("b{document}")));
        loaded.is_ok_and(|loaded| loaded == Some(expected(&format!("b{document}"), 1, 0, 60_000)))
    };
    assert!(is_reported || (0..20).all(is_whole), "after {parts} parts: {findings:?}");
    store.append(&[append("c", 1, 100)]).expect("this disk takes it");
    assert_eq!(
        store.load(&name("c")).expect("this disk takes it"),
        Some(expected("c", 1, 0, 100)),
        "no mixture with what was left"
    );
    true
}
