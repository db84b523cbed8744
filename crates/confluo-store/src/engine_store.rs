//! A [`DocumentStore`] over any [`Engine`]: the one place with store logic, shared by memory, sled and redb.
//!
//! Writes are serialised by one lock, held through the engine's sync; a reader takes it only for the moment in which it
//! reads a head, so every head that a reader sees is on disk, and no reader holds up the committer.

mod compact;
mod load;
mod write;

use std::{
    collections::HashMap,
    ops::ControlFlow,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use confluo_protocol::{DocumentName, Seq};

use crate::{
    Append, Batch, DocumentStats, DocumentStore, Engine, EngineError, Finding, Listed, NewSnapshot, Page, StoreError,
    StoreStats, StoredDocument,
    keys::{self, FINDINGS, FORMAT, STATE},
    value::{self, Entry, FORMAT_VERSION, Head, State, ValueError},
    watermark::Watermark,
};

/// More than lost commits can have given to documents.
const NUMBERS_LEFT_OUT: u64 = 1 << 32;

/// A [`DocumentStore`] over an engine.
#[derive(Debug)]
pub struct EngineStore<E> {
    engine: E,
    /// Held by whoever changes anything, from reading what it stands on to the end of the sync.
    writing: Mutex<Writing>,
    /// One compaction at a time: it writes in several commits, between which others may write.
    compacting: Mutex<()>,
    /// Set while `writing` holds a failure, so that readers need no lock to see it.
    is_unhealthy: AtomicBool,
    documents: AtomicU64,
    findings: Mutex<Vec<Finding>>,
}

#[derive(Debug)]
struct Writing {
    state: State,
    watermark: Option<Watermark>,
    /// Entries and heads as the last appends left them, so that the next need not read them. Whatever else is committed, or
    /// fails, forgets them.
    recent: HashMap<DocumentName, (Entry, Head)>,
    /// Why the last write failed; nothing is served until the engine was reopened.
    failure: Option<String>,
}

impl<E: Engine> EngineStore<E> {
    /// Checks the format of what the engine holds, or marks an empty engine. `watermark` is the path of the file that
    /// notices lost commits, beside the engine's own; a memory engine needs none.
    pub fn open(engine: E, watermark: Option<&Path>) -> Result<Self, StoreError> {
        let watermark = watermark.map(Watermark::open).transpose().map_err(EngineError::Io)?;
        let (format, state) = read_state(&engine)?;
        let store = Self {
            engine,
            writing: Mutex::new(Writing { state, watermark, recent: HashMap::new(), failure: None }),
            compacting: Mutex::default(),
            is_unhealthy: AtomicBool::new(false),
            documents: AtomicU64::new(0),
            findings: Mutex::default(),
        };
        let mut writing = store.lock();
        let noted = writing.watermark.as_ref().and_then(Watermark::found).unwrap_or(0);
        store.inspect(&mut writing, noted, format)?;
        drop(writing);
        Ok(store)
    }

    /// The engine, for what only it can tell.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// Compares what the engine holds with what it should hold. What is wrong is written down before the next commit makes the
    /// numbers agree again. A store of an older format is marked as one of this build's with the same commit, so that no older build
    /// reads what comes after it.
    fn inspect(&self, writing: &mut Writing, acknowledged: u64, format: u32) -> Result<(), StoreError> {
        let mut known = read_findings(&self.engine)?;
        // An older build wrote those down too.
        known.retain(|finding| !finding.stands_with_its_file());
        let (standing, mut findings): (Vec<_>, Vec<_>) =
            self.engine.findings().into_iter().partition(Finding::stands_with_its_file);
        if acknowledged > writing.state.commits {
            findings.push(Finding::RolledBack { found: writing.state.commits, acknowledged });
            // Those commits may have used up numbers, and left something at them.
            writing.state.last_number += NUMBERS_LEFT_OUT;
        }
        let mut found = 0;
        let mut last_number = 0;
        self.engine.scan(&[keys::CATALOGUE], &[], &mut |key, sealed| {
            found += 1;
            last_number = last_number.max(Entry::decode(key, sealed).map_or(0, |entry| entry.number.0));
            ControlFlow::Continue(())
        })?;
        if found != writing.state.documents {
            findings.push(Finding::Catalogue { found, expected: writing.state.documents });
        }
        // A number is never given twice, even if the counters are older than the catalogue.
        writing.state.last_number = writing.state.last_number.max(last_number);
        writing.state.documents = found;
        self.documents.store(found, Ordering::Relaxed);
        findings.retain(|finding| !known.contains(finding));
        let are_new = !findings.is_empty();
        let findings = [known, findings].concat();
        let sealed = value::encode_findings(FINDINGS, &findings);
        *self.lock_findings() = [standing, findings].concat();
        let mut batch = Batch::default();
        if are_new {
            batch.put(FINDINGS.to_vec(), sealed);
        }
        if format < FORMAT_VERSION {
            batch.put(FORMAT.to_vec(), value::encode_format(FORMAT, FORMAT_VERSION));
        }
        if batch.is_empty() {
            return Ok(());
        }
        let state = writing.state;
        self.commit(writing, batch, state)
    }

    fn findings(&self) -> Vec<Finding> {
        self.lock_findings().clone()
    }

    fn lock_findings(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, if the store is in service.
    fn lock_healthy(&self) -> Result<MutexGuard<'_, Writing>, StoreError> {
        let writing = self.lock();
        match &writing.failure {
            Some(reason) => Err(StoreError::Unhealthy { reason: reason.clone() }),
            None => Ok(writing),
        }
    }

    fn check_healthy(&self) -> Result<(), StoreError> {
        if self.is_unhealthy.load(Ordering::Acquire) { self.lock_healthy().map(drop) } else { Ok(()) }
    }

    /// Commits a batch together with the counters, and notes it in the watermark.
    fn commit(&self, writing: &mut Writing, mut batch: Batch, state: State) -> Result<(), StoreError> {
        writing.recent.clear();
        let state = State { commits: state.commits + 1, ..state };
        batch.put(STATE.to_vec(), state.encode(STATE));
        if let Err(error) = self.engine.commit(batch) {
            let error = StoreError::from(error);
            writing.failure = Some(error.to_string());
            self.is_unhealthy.store(true, Ordering::Release);
            return Err(error);
        }
        writing.state = state;
        self.documents.store(state.documents, Ordering::Relaxed);
        if let Some(watermark) = &mut writing.watermark {
            // It is then only behind, which accuses nobody.
            watermark.note(state.commits).ok();
        }
        Ok(())
    }

    fn entry(&self, name: &DocumentName) -> Result<Option<Entry>, StoreError> {
        let key = keys::catalogue(name.as_str());
        let sealed = self.engine.get(&key).map_err(|error| StoreError::from(error).within(name))?;
        let Some(sealed) = sealed else { return Ok(None) };
        Entry::decode(&key, &sealed).map(Some).map_err(|error| unreadable(error, name, "the catalogue entry"))
    }

    fn head(&self, name: &DocumentName, entry: &Entry) -> Result<Head, StoreError> {
        let key = keys::head(entry.number);
        let sealed = self.engine.get(&key).map_err(|error| StoreError::from(error).within(name))?.unwrap_or_default();
        Head::decode(&key, &sealed).map_err(|error| unreadable(error, name, "the head"))
    }
}

impl<E: Engine> DocumentStore for EngineStore<E> {
    fn append(&self, records: &[Append]) -> Result<(), StoreError> {
        write::append(self, records)
    }

    fn load(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        load::load(self, name)
    }

    fn salvage(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError> {
        load::salvage(self, name)
    }

    fn compact(&self, name: &DocumentName, snapshot: NewSnapshot) -> Result<(), StoreError> {
        compact::compact(self, name, &snapshot)
    }

    fn import(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        write::import(self, name, document)
    }

    fn replace(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError> {
        write::replace(self, name, document)
    }

    fn delete(&self, name: &DocumentName) -> Result<bool, StoreError> {
        write::delete(self, name)
    }

    fn list(&self, prefix: &str, after: Option<&DocumentName>, limit: usize) -> Result<Page, StoreError> {
        self.check_healthy()?;
        let from = after.map(|name| {
            let mut key = keys::catalogue(name.as_str());
            // Names hold no control characters, so nothing lies between a name and this.
            key.push(0);
            key
        });
        let mut page = Page::default();
        self.engine.scan(&keys::catalogue(prefix), &from.unwrap_or_default(), &mut |key, sealed| {
            let Some(name) = keys::catalogue_name(key) else { return ControlFlow::Continue(()) };
            if page.documents.len() == limit {
                page.more = true;
                return ControlFlow::Break(());
            }
            let lineage = Entry::decode(key, sealed).ok().map(|entry| entry.lineage);
            page.documents.push(Listed { name, lineage });
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    fn document_stats(&self, name: &DocumentName) -> Result<Option<DocumentStats>, StoreError> {
        self.check_healthy()?;
        load::stats(self, name).map_err(|error| error.within(name))
    }

    fn stats(&self) -> StoreStats {
        let unhealthy = if self.is_unhealthy.load(Ordering::Acquire) { self.lock().failure.clone() } else { None };
        StoreStats {
            engine: self.engine.name(),
            documents: self.documents.load(Ordering::Relaxed),
            disk_bytes: self.engine.disk_bytes(),
            unhealthy: unhealthy.or_else(|| self.engine.failure()),
            findings: self.findings(),
        }
    }

    fn acknowledge(&self) -> Result<Vec<Finding>, StoreError> {
        let mut writing = self.lock_healthy()?;
        let (standing, acknowledged): (Vec<_>, Vec<_>) =
            self.findings().into_iter().partition(Finding::stands_with_its_file);
        if acknowledged.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch::default();
        batch.remove(FINDINGS.to_vec());
        let state = writing.state;
        self.commit(&mut writing, batch, state)?;
        *self.lock_findings() = standing;
        Ok(acknowledged)
    }

    fn note_findings(&self, findings: &[Finding]) -> Result<(), StoreError> {
        let mut writing = self.lock_healthy()?;
        let mut all = self.findings();
        for finding in findings {
            if !all.contains(finding) {
                all.push(finding.clone());
            }
        }
        let mut batch = Batch::default();
        // Those that stand with a file are left out there.
        batch.put(FINDINGS.to_vec(), value::encode_findings(FINDINGS, &all));
        let state = writing.state;
        self.commit(&mut writing, batch, state)?;
        *self.lock_findings() = all;
        Ok(())
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut writing = self.lock();
        let result = self.reopen_locked(&mut writing);
        writing.failure = result.as_ref().err().map(ToString::to_string);
        self.is_unhealthy.store(result.is_err(), Ordering::Release);
        result
    }
}

impl<E: Engine> EngineStore<E> {
    fn reopen_locked(&self, writing: &mut Writing) -> Result<(), StoreError> {
        self.engine.reopen()?;
        let acknowledged = writing.state;
        let inspected = read_state(&self.engine).and_then(|(format, state)| {
            writing.state = state;
            self.inspect(writing, acknowledged.commits, format)
        });
        if inspected.is_err() {
            // Until what is gone is written down, nothing else tells that it was there.
            writing.state = acknowledged;
        }
        inspected?;
        // The probe: only a write shows that the disk takes writes again.
        let state = writing.state;
        self.commit(writing, Batch::default(), state)
    }
}

/// The format and the counters; an empty engine is marked as a store of this build's format first.
fn read_state<E: Engine>(engine: &E) -> Result<(u32, State), StoreError> {
    let Some(sealed) = engine.get(FORMAT)? else {
        let mut is_empty = true;
        engine.scan(&[], &[], &mut |_, _| {
            is_empty = false;
            ControlFlow::Break(())
        })?;
        if !is_empty {
            return Err(damaged("the format marker"));
        }
        let mut batch = Batch::default();
        batch.put(FORMAT.to_vec(), value::encode_format(FORMAT, FORMAT_VERSION));
        batch.put(STATE.to_vec(), State::default().encode(STATE));
        engine.commit(batch)?;
        return Ok((FORMAT_VERSION, State::default()));
    };
    let format = match value::decode_format(FORMAT, &sealed) {
        Ok(format) if format > FORMAT_VERSION => return Err(newer(format)),
        Ok(format) => format,
        Err(ValueError::Newer(version)) => return Err(newer(u32::from(version))),
        Err(ValueError::Damaged) => return Err(damaged("the format marker")),
    };
    // The counters come last from a journal: without them, what they count is not all here, which the watermark tells.
    let Some(sealed) = engine.get(STATE)? else { return Ok((format, State::default())) };
    let state = State::decode(STATE, &sealed).map_err(|error| match error {
        ValueError::Newer(version) => newer(u32::from(version)),
        ValueError::Damaged => damaged("the state"),
    })?;
    Ok((format, state))
}

fn read_findings<E: Engine>(engine: &E) -> Result<Vec<Finding>, StoreError> {
    let Some(sealed) = engine.get(FINDINGS)? else { return Ok(Vec::new()) };
    value::decode_findings(FINDINGS, &sealed).map_err(|error| match error {
        ValueError::Newer(version) => newer(u32::from(version)),
        ValueError::Damaged => damaged("the list of losses"),
    })
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { detail: format!("{what} of the store is unreadable") }
}

fn newer(found: u32) -> StoreError {
    StoreError::Newer { what: "the store".to_owned(), found, supported: FORMAT_VERSION }
}

fn unreadable(error: ValueError, name: &DocumentName, what: &'static str) -> StoreError {
    match error {
        ValueError::Newer(version) => StoreError::Newer {
            what: format!("{what} of document {name:?}"),
            found: u32::from(version),
            supported: FORMAT_VERSION,
        },
        ValueError::Damaged => StoreError::Corrupt { document: name.clone(), seq: None, what },
    }
}

fn unreadable_record(error: ValueError, name: &DocumentName, seq: Seq) -> StoreError {
    unreadable(error, name, "a record").with_seq(seq)
}
