//! One call of the engine fails, and each call of a store's life takes its turn: opening, reading, appending, compacting,
//! deleting, importing, replacing, reopening. Nothing acknowledged is lost, and no mixture is ever seen.

use std::{
    fs,
    io::{self, ErrorKind},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{append, expected, name, scratch, snapshot};
use crate::{Batch, DocumentStore, Engine, EngineError, EngineStore, StoreError, StoredDocument, engine::Visit};

const RECORD_BYTES: usize = 100;
/// More than one commit writes at once, so that compactions and imports take several.
const SNAPSHOT_BYTES: usize = 1_100_000;

/// What happens to the call. One that reads is cut off in its middle, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing of a commit is applied; the system answers so.
    Before(ErrorKind),
    /// All of a commit is applied, and yet it fails.
    After,
}

/// What is to fail, shared by the engines of one life.
#[derive(Debug, Clone)]
struct Plan {
    calls: Arc<AtomicU64>,
    fail_at: u64,
    fault: Fault,
}

impl Plan {
    /// Counts a call; the error that it meets, if it is the one.
    fn next(&self) -> Option<EngineError> {
        let kind = match self.fault {
            Fault::Before(kind) => kind,
            Fault::After => ErrorKind::Other,
        };
        let is_hit = self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fail_at;
        is_hit.then(|| EngineError::Io(io::Error::new(kind, "a fault that a test asked for")))
    }

    fn has_struck(&self) -> bool {
        self.calls.load(Ordering::Relaxed) >= self.fail_at
    }
}

struct FailingEngine<E> {
    inner: E,
    plan: Plan,
}

impl<E: Engine> Engine for FailingEngine<E> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.plan.next().map_or_else(|| self.inner.get(key), Err)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let Some(error) = self.plan.next() else { return self.inner.scan(prefix, from, visit) };
        self.inner.scan(prefix, from, &mut |key, value| {
            let _ = visit(key, value);
            ControlFlow::Break(())
        })?;
        Err(error)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let Some(error) = self.plan.next() else { return self.inner.commit(batch) };
        if self.plan.fault == Fault::After {
            self.inner.commit(batch)?;
        }
        Err(error)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.plan.next().map_or_else(|| self.inner.reopen(), Err)
    }

    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }
}

/// The document `a` after a step: its head and the end of its snapshot; head 0: there is none.
type Shape = (u64, u64);
type Act = fn(&dyn DocumentStore) -> Result<(), StoreError>;

const LIFE: &[(Act, Shape)] = &[
    (|store| store.append(&[append("a", 1, RECORD_BYTES), append("a", 2, RECORD_BYTES)]), (2, 0)),
    (|store| store.compact(&name("a"), snapshot(1, SNAPSHOT_BYTES)), (2, 1)),
    (|store| store.append(&[append("a", 3, RECORD_BYTES)]), (3, 1)),
    (|store| store.reopen(), (3, 1)),
    (|store| store.compact(&name("a"), snapshot(3, SNAPSHOT_BYTES)), (3, 3)),
    (|store| store.delete(&name("a")).map(|_| ()), (0, 0)),
    (|store| store.import(&name("a"), &whole(3, 2)), (3, 2)),
    (|store| store.replace(&name("a"), &whole(4, 3)), (4, 3)),
    (|store| store.list("", None, 10).map(|_| ()), (4, 3)),
];

/// Lets every call fail in turn. `open` opens the engine in a folder, or opens it again.
pub fn check<E: Engine>(open: impl Fn(&Path) -> E) {
    let before = |fail_at| Fault::Before(if fail_at % 2 == 0 { ErrorKind::StorageFull } else { ErrorKind::Other });
    for fault in [before, |_| Fault::After] {
        let strikes = (1..10_000).take_while(|fail_at| survives(&open, *fail_at, fault(*fail_at))).count();
        assert!(strikes > 40, "a life has many calls, of which {strikes} failed");
    }
}

fn whole(head: u64, through: u64) -> StoredDocument {
    let mut document = expected("a", head, 0, RECORD_BYTES);
    document.records.retain(|record| record.seq.0 > through);
    document.snapshot = expected("a", through, through, SNAPSHOT_BYTES).snapshot;
    document
}

/// Lives once; false if the life has fewer calls.
fn survives<E: Engine>(open: impl Fn(&Path) -> E, fail_at: u64, fault: Fault) -> bool {
    let folder = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let plan = Plan { calls: Arc::default(), fail_at, fault };
    let life = Life { open, folder: folder.path().join("data"), plan };
    let store = life.start();
    let mut acknowledged = (0, 0);
    for (act, after) in LIFE {
        let failed = act(&store).err();
        if let Some(error) = &failed {
            let expects_full = fault == Fault::Before(ErrorKind::StorageFull);
            assert_eq!(matches!(error, StoreError::OutOfSpace { .. }), expects_full, "{error}");
            store.reopen().expect("only one call fails");
        }
        let seen = life.look(&store);
        assert!(seen == *after || failed.is_some() && seen == acknowledged, "call {fail_at}, {fault:?}: {seen:?}");
        // As a caller would: once more, if it had not happened.
        if seen != *after {
            act(&store).expect("only one call fails");
            assert_eq!(life.look(&store), *after, "call {fail_at}, {fault:?}");
        }
        acknowledged = *after;
    }
    drop(store);
    let store = life.start();
    assert_eq!(life.look(&store), acknowledged, "call {fail_at}, {fault:?}, started again");
    assert_eq!(store.stats().findings, Vec::new(), "call {fail_at}, {fault:?}");
    life.plan.has_struck()
}

struct Life<F> {
    open: F,
    folder: PathBuf,
    plan: Plan,
}

impl<F: Fn(&Path) -> E, E: Engine> Life<F> {
    /// A start may be what fails; the next one does not.
    fn start(&self) -> EngineStore<FailingEngine<E>> {
        fs::create_dir_all(&self.folder).expect("a scratch folder");
        let watermark = self.folder.join("watermark");
        let open = || {
            let engine = FailingEngine { inner: (self.open)(&self.folder), plan: self.plan.clone() };
            EngineStore::open(engine, Some(&watermark))
        };
        open().or_else(|_| open()).expect("only one call fails")
    }

    /// What is loaded, which must be whole. Loading may be what fails; it then says so, and the next one does not.
    fn look(&self, store: &dyn DocumentStore) -> Shape {
        let loaded = store.load(&name("a")).or_else(|_| store.load(&name("a"))).expect("only one call fails");
        let Some(loaded) = loaded else { return (0, 0) };
        let shape = (loaded.head.0, loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.through.0));
        let is_whole = loaded == whole(shape.0, shape.1);
        assert!(is_whole, "call {}, {:?}: a mixture at {shape:?}", self.plan.fail_at, self.plan.fault);
        shape
    }
}
