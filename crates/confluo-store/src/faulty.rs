//! A store that fails, tears and waits on demand: for the tests of what stands on a store.
//!
//! Every call is counted from 1; [`FaultyStore::fail_call`] loops over all calls of a scenario.
//! After a fault it is as unhealthy as a real store: nothing is served until [`DocumentStore::reopen`] succeeds.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use confluo_protocol::DocumentName;

use crate::{
    Append, DocumentStats, DocumentStore, EngineError, Finding, NewSnapshot, Page, StoreError, StoreStats,
    StoredDocument,
};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the disk is full.
    OutOfSpace,
    /// Nothing is written; the disk failed.
    Io,
    /// Of an append the first half is written, of other calls nothing; then the disk fails.
    Torn,
    /// Everything is written; then the disk fails, so that the caller cannot know.
    AfterWriting,
}

/// What a call does, and with which document if it is one.
#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Write,
    Read(Option<&'a DocumentName>),
}

/// Wraps a store. Share it by [`Arc`] to steer it from the test.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    calls: AtomicU64,
    plan: Mutex<Plan>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Plan {
    at_call: Option<(u64, Fault)>,
    every_write: Option<Fault>,
    is_held: bool,
    holds_loads: bool,
    held_document: Option<DocumentName>,
    waiting: usize,
    failure: Option<String>,
}

impl<S: DocumentStore> FaultyStore<S> {
    /// A store without faults so far.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: AtomicU64::new(0), plan: Mutex::default(), changed: Condvar::new() }
    }

    /// The store inside: what is "on disk".
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How many calls were made, of any kind but `stats` and `reopen`.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Lets one call fail, counted from 1 since the store was made.
    pub fn fail_call(&self, call: u64, fault: Fault) {
        self.plan().at_call = Some((call, fault));
    }

    /// Lets every writing call and every reopening fail, until told `None`.
    pub fn fail_writes(&self, fault: Option<Fault>) {
        self.plan().every_write = fault;
    }

    /// Lets every writing call wait before it does anything, until [`FaultyStore::release`].
    pub fn hold(&self) {
        self.plan().is_held = true;
    }

    /// Lets every reading call wait before it does anything, until [`FaultyStore::release`].
    pub fn hold_loads(&self) {
        self.plan().holds_loads = true;
    }

    /// The same for one document, while all others are read.
    pub fn hold_loads_of(&self, document: &DocumentName) {
        self.plan().held_document = Some(document.clone());
    }

    /// Lets the calls that wait, and those to come, go on.
    pub fn release(&self) {
        let mut plan = self.plan();
        (plan.is_held, plan.holds_loads, plan.held_document) = (false, false, None);
        drop(plan);
        self.changed.notify_all();
    }

    /// Blocks until that many calls wait at [`FaultyStore::hold`], [`FaultyStore::hold_loads`] or
    /// [`FaultyStore::hold_loads_of`].
    pub fn wait_until_held(&self, calls: usize) {
        let plan = self.changed.wait_while(self.plan(), |plan| plan.waiting < calls);
        drop(plan.unwrap_or_else(PoisonError::into_inner));
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, waits if it is to wait, and says which fault it meets.
    fn enter(&self, kind: Kind<'_>) -> Result<Option<Fault>, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let mut plan = self.plan();
        let is_held = |plan: &Plan| match kind {
            Kind::Write => plan.is_held,
            Kind::Read(document) => plan.holds_loads || document.is_some() && document == plan.held_document.as_ref(),
        };
        if is_held(&plan) {
            plan.waiting += 1;
            self.changed.notify_all();
            plan = self.changed.wait_while(plan, |plan| is_held(plan)).unwrap_or_else(PoisonError::into_inner);
            plan.waiting -= 1;
        }
        if let Some(reason) = &plan.failure {
            return Err(StoreError::Unhealthy { reason: reason.clone() });
        }
        let planned = plan.at_call.filter(|(at, _)| *at == call).map(|(_, fault)| fault);
        Ok(planned.or(plan.every_write.filter(|_| matches!(kind, Kind::Write))))
    }

    fn write<T>(
        &self,
        all: impl FnOnce(&S) -> Result<T, StoreError>,
        half: impl FnOnce(&S) -> Result<(), StoreError>,
    ) -> Result<T, StoreError> {
        let Some(fault) = self.enter(Kind::Write)? else { return all(&self.inner) };
        match fault {
            Fault::Torn => half(&self.inner)?,
            Fault::AfterWriting => drop(all(&self.inner)?),
            Fault::OutOfSpace | Fault::Io => {}
        }
        let error = failure(fault);
        self.plan().failure = Some(error.to_string());
        Err(error)
    }

    fn read<T>(
        &self,
        document: Option<&DocumentName>,
        read: impl FnOnce(&S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.enter(Kind::Read(document))? {
            Some(fault) => Err(failure(fault)),
            None => read(&self.inner),
        }
    }
}

fn failure(fault: Fault) -> StoreError {
    let kind = if fault == Fault::OutOfSpace { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::Other };
    EngineError::Io(std::io::Error::new(kind, "a fault that a test asked for")).into()
}

impl<S: DocumentStore> DocumentStore for FaultyStore<S> {
    fn append(&self, records: &[Append]) -> Result<(), StoreError> {
        self.write(|inner| inner.append(records), |inner| inner.append(&records[..records.len() / 2]))
    }

    fn load(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        self.read(Some(name), |inner| inner.load(name))
    }

    fn salvage(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        self.read(Some(name), |inner| inner.salvage(name))
    }

    fn compact(&self, name: &DocumentName, snapshot: NewSnapshot) -> Result<(), StoreError> {
        self.write(|inner| inner.compact(name, snapshot), |_| Ok(()))
    }

    fn import(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        self.write(|inner| inner.import(name, document), |_| Ok(()))
    }

    fn replace(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        self.write(|inner| inner.replace(name, document), |_| Ok(()))
    }

    fn delete(&self, name: &DocumentName) -> Result<bool, StoreError> {
        self.write(|inner| inner.delete(name), |_| Ok(()))
    }

    fn list(&self, prefix: &str, after: Option<&DocumentName>, limit: usize) -> Result<Page, StoreError> {
        self.read(None, |inner| inner.list(prefix, after, limit))
    }

    fn document_stats(&self, name: &DocumentName) -> Result<Option<DocumentStats>, StoreError> {
        self.read(Some(name), |inner| inner.document_stats(name))
    }

    fn stats(&self) -> StoreStats {
        StoreStats { unhealthy: self.plan().failure.clone(), ..self.inner.stats() }
    }

    fn acknowledge(&self) -> Result<Vec<Finding>, StoreError> {
        self.inner.acknowledge()
    }

    fn note_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        self.inner.note_findings(findings)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut plan = self.plan();
        if let Some(fault) = plan.every_write {
            return Err(failure(fault));
        }
        self.inner.reopen()?;
        plan.failure = None;
        Ok(())
    }
}

impl<S: DocumentStore> DocumentStore for Arc<FaultyStore<S>> {
    fn append(&self, records: &[Append]) -> Result<(), StoreError> {
        (**self).append(records)
    }

    fn load(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        (**self).load(name)
    }

    fn salvage(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        (**self).salvage(name)
    }

    fn compact(&self, name: &DocumentName, snapshot: NewSnapshot) -> Result<(), StoreError> {
        (**self).compact(name, snapshot)
    }

    fn import(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        (**self).import(name, document)
    }

    fn replace(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        (**self).replace(name, document)
    }

    fn delete(&self, name: &DocumentName) -> Result<bool, StoreError> {
        (**self).delete(name)
    }

    fn list(&self, prefix: &str, after: Option<&DocumentName>, limit: usize) -> Result<Page, StoreError> {
        (**self).list(prefix, after, limit)
    }

    fn document_stats(&self, name: &DocumentName) -> Result<Option<DocumentStats>, StoreError> {
        (**self).document_stats(name)
    }

    fn stats(&self) -> StoreStats {
        (**self).stats()
    }

    fn acknowledge(&self) -> Result<Vec<Finding>, StoreError> {
        (**self).acknowledge()
    }

    fn note_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        (**self).note_findings(findings)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        (**self).reopen()
    }
}
