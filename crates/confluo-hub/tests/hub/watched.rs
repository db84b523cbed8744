//! A store in memory that is slow, and that notices when two are at work on one document who may not be.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use confluo_protocol::{ClientId, DocumentName};
use confluo_store::{
    Append, DocumentStats, DocumentStore, Finding, MemoryStore, NewSnapshot, Page, StoreError, StoreStats,
    StoredDocument,
};

use crate::wire::authors_of;

/// Who is in the store at this moment, for one document.
#[derive(Debug, Default)]
struct Inside {
    loads: usize,
    writes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct WatchedStore {
    inner: MemoryStore,
    inside: Mutex<HashMap<DocumentName, Inside>>,
    /// What should not have happened.
    offences: Mutex<Vec<String>>,
    /// Records that did not follow the head, or another life of their document.
    conflicts: AtomicU64,
    calls: AtomicU64,
}

impl WatchedStore {
    /// Nothing that should not have happened did.
    pub(crate) fn assert_orderly(&self) {
        let offences = self.offences.lock().unwrap();
        assert!(offences.is_empty(), "{} offences, the first: {:?}", offences.len(), offences.first());
    }

    /// How many appends the store refused because another had come first.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Those who have an edit on the disk.
    pub(crate) fn authors(&self, document: &DocumentName) -> BTreeSet<ClientId> {
        authors_in(&self.inner, document)
    }

    fn load_slowly<T>(&self, document: &DocumentName, load: impl FnOnce() -> T) -> T {
        self.enter(document, |inside| {
            inside.loads += 1;
            (inside.loads > 1 || inside.writes > 0).then_some("a second room opens it")
        });
        self.dawdle();
        let loaded = load();
        self.enter(document, |inside| {
            inside.loads -= 1;
            None
        });
        loaded
    }

    fn write_slowly<T>(&self, documents: &BTreeSet<&DocumentName>, write: impl FnOnce() -> T) -> T {
        for document in documents {
            self.enter(document, |inside| {
                inside.writes += 1;
                (inside.loads > 0).then_some("one room writes while another opens it")
            });
        }
        self.dawdle();
        let written = write();
        for document in documents {
            self.enter(document, |inside| {
                inside.writes -= 1;
                None
            });
        }
        written
    }

    fn enter(&self, document: &DocumentName, change: impl FnOnce(&mut Inside) -> Option<&'static str>) {
        let mut all = self.inside.lock().unwrap();
        let inside = all.entry(document.clone()).or_default();
        if let Some(offence) = change(inside) {
            self.offences.lock().unwrap().push(format!("{document:?}: {offence}, {inside:?}"));
        }
    }

    /// Some calls take a moment, so that others come in between.
    fn dawdle(&self) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_micros((call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) & 0x3ff));
    }
}

/// Those who have an edit in a document that is whole.
pub(crate) fn authors_in(store: &impl DocumentStore, document: &DocumentName) -> BTreeSet<ClientId> {
    let Some(stored) = store.load(document).unwrap() else { return BTreeSet::new() };
    assert!(stored.set_aside.is_empty(), "{:?}", stored.set_aside);
    let snapshot = stored.snapshot.into_iter().map(|snapshot| snapshot.state);
    let updates = snapshot.chain(stored.records.into_iter().map(|record| record.update));
    updates.flat_map(authors_of).collect()
}

impl DocumentStore for WatchedStore {
    fn append(&self, records: &[Append]) -> Result<(), StoreError> {
        let documents = records.iter().map(|append| &append.document).collect();
        let appended = self.write_slowly(&documents, || self.inner.append(records));
        if appended.is_err() {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
        }
        appended
    }

    fn load(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        self.load_slowly(name, || self.inner.load(name))
    }

    fn salvage(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        self.inner.salvage(name)
    }

    fn compact(&self, name: &DocumentName, snapshot: NewSnapshot) -> Result<(), StoreError> {
        self.write_slowly(&BTreeSet::from([name]), || self.inner.compact(name, snapshot))
    }

    fn import(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        self.inner.import(name, document)
    }

    fn replace(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        self.inner.replace(name, document)
    }

    fn delete(&self, name: &DocumentName) -> Result<bool, StoreError> {
        self.inner.delete(name)
    }

    fn list(&self, prefix: &str, after: Option<&DocumentName>, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(prefix, after, limit)
    }

    fn document_stats(&self, name: &DocumentName) -> Result<Option<DocumentStats>, StoreError> {
        self.inner.document_stats(name)
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn acknowledge(&self) -> Result<Vec<Finding>, StoreError> {
        self.inner.acknowledge()
    }

    fn note_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        self.inner.note_findings(findings)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        self.inner.reopen()
    }
}
