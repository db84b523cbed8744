//! Appending, importing, replacing and deleting.

use std::{collections::HashMap, ops::ControlFlow, sync::PoisonError};

use bytes::Bytes;
use confluo_protocol::{DocumentName, Seq};

use crate::{
    Append, Batch, Engine, EngineStore, NewSnapshot, StoreError, StoredDocument, encode_snapshot,
    engine::MAX_VALUE_BYTES,
    keys::{self, DocumentNumber},
    value::{self, Entry, Head},
};

/// How much of a large value is written in one commit, so that others' commits are not held up for long.
pub(super) const STAGE_BYTES: usize = 1024 * 1024;

/// How many documents' heads are kept in memory.
const MOST_RECENT: usize = 16_384;

pub(super) fn append<E: Engine>(store: &EngineStore<E>, records: &[Append]) -> Result<(), StoreError> {
    let mut writing = store.lock_healthy()?;
    if records.is_empty() {
        return Ok(());
    }
    let mut state = writing.state;
    let mut batch = Batch::default();
    let mut recent = std::mem::take(&mut writing.recent);
    if recent.len() > MOST_RECENT {
        recent.clear();
    }
    let mut touched: HashMap<&DocumentName, (Entry, Head)> = HashMap::new();
    for Append { document, lineage, record } in records {
        let known = match touched.get(document).or_else(|| recent.get(document)) {
            Some(known) => Some(*known),
            None => match store.entry(document)? {
                Some(entry) => Some((entry, store.head(document, &entry)?)),
                None => None,
            },
        };
        let (entry, mut head) = if let Some((entry, head)) = known {
            if entry.lineage != *lineage {
                return Err(StoreError::LineageConflict { document: document.clone() });
            }
            (entry, head)
        } else {
            state.last_number += 1;
            state.documents += 1;
            let number = DocumentNumber(state.last_number);
            let entry = Entry { number, lineage: *lineage, created_at: record.at };
            let key = keys::catalogue(document.as_str());
            let sealed = entry.encode(&key);
            batch.put(key, sealed);
            (entry, Head::default())
        };
        if record.seq != head.seq.next() {
            return Err(StoreError::SeqConflict { document: document.clone(), head: head.seq, found: record.seq });
        }
        head.seq = record.seq;
        let key = keys::record(entry.number, record.seq);
        for (key, chunk) in cut(&key, value::encode_record(&key, record)) {
            batch.put(key, chunk);
        }
        touched.insert(document, (entry, head));
    }
    for (entry, head) in touched.values() {
        put_head(&mut batch, entry.number, *head);
    }
    store.commit(&mut writing, batch, state)?;
    for (document, known) in touched {
        match recent.get_mut(document) {
            Some(before) => *before = known,
            None => drop(recent.insert(document.clone(), known)),
        }
    }
    writing.recent = recent;
    Ok(())
}

pub(super) fn import<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
    document: &StoredDocument,
) -> Result<(), StoreError> {
    let mut writing = store.lock_healthy()?;
    if store.entry(name)?.is_some() {
        return Err(StoreError::DocumentExists { document: name.clone() });
    }
    put_document(store, &mut writing, name, document, None)
}

pub(super) fn replace<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
    document: &StoredDocument,
) -> Result<(), StoreError> {
    let _one_at_a_time = store.compacting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writing = store.lock_healthy()?;
    let old = remove_document(store, name)?;
    put_document(store, &mut writing, name, document, old)
}

/// Writes the chunks first, where nothing points at them yet, then everything that makes them a document, together with the
/// removal of the `old` one.
fn put_document<E: Engine>(
    store: &EngineStore<E>,
    writing: &mut super::Writing,
    name: &DocumentName,
    document: &StoredDocument,
    old: Option<Batch>,
) -> Result<(), StoreError> {
    let mut state = writing.state;
    state.last_number += 1;
    state.documents += u64::from(old.is_none());
    let number = DocumentNumber(state.last_number);
    let entry = Entry { number, lineage: document.lineage, created_at: document.created_at };
    let mut head = Head { seq: document.head, ..Head::default() };
    let mut chunks = Vec::new();
    if let Some(snapshot) = &document.snapshot {
        head = Head { seq: document.head, generation: 1, through: snapshot.through };
        let key = keys::snapshot(number, head.generation);
        let snapshot = NewSnapshot {
            through: snapshot.through,
            at: snapshot.at,
            authors: snapshot.authors.clone(),
            state: encode_snapshot(&snapshot.state),
            keep_aside: Vec::new(),
        };
        chunks.extend(cut(&key, value::encode_snapshot(&key, &snapshot)));
    }
    let mut expected = head.through.next();
    for record in &document.records {
        if record.seq < expected || record.seq > head.seq {
            return Err(StoreError::SeqConflict { document: name.clone(), head: head.seq, found: record.seq });
        }
        expected = record.seq.next();
        let key = keys::record(number, record.seq);
        chunks.extend(cut(&key, value::encode_record(&key, record)));
    }
    let mut batch = stage(store, writing, chunks, state.last_number)?;
    if let Some(old) = old {
        batch.merge(old);
    }
    let key = keys::catalogue(name.as_str());
    let sealed = entry.encode(&key);
    batch.put(key, sealed);
    put_head(&mut batch, number, head);
    state.commits = writing.state.commits;
    store.commit(writing, batch, state)
}

pub(super) fn delete<E: Engine>(store: &EngineStore<E>, name: &DocumentName) -> Result<bool, StoreError> {
    let _one_at_a_time = store.compacting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writing = store.lock_healthy()?;
    let Some(batch) = remove_document(store, name)? else { return Ok(false) };
    let mut state = writing.state;
    state.documents = state.documents.saturating_sub(1);
    store.commit(&mut writing, batch, state)?;
    Ok(true)
}

/// What removes a document; `None`: there is none.
fn remove_document<E: Engine>(store: &EngineStore<E>, name: &DocumentName) -> Result<Option<Batch>, StoreError> {
    let key = keys::catalogue(name.as_str());
    let Some(sealed) = store.engine.get(&key)? else { return Ok(None) };
    let mut batch = Batch::default();
    batch.remove(key.clone());
    // A damaged entry is removed too; what it pointed at cannot be found any more.
    if let Ok(entry) = Entry::decode(&key, &sealed) {
        // Only what can be read: the engine would fail to remove the rest. That stays, and nothing points at it.
        let head = keys::head(entry.number);
        if store.engine.get(&head).is_ok() {
            batch.remove(head);
        }
        let mut rest = Batch::default();
        if remove_all(store, &mut rest, &keys::document(entry.number)).is_ok() {
            batch.merge(rest);
        }
    }
    Ok(Some(batch))
}

/// Commits all but the last part of what nothing points at yet, and returns the last part to be committed with the pointer.
fn stage<E: Engine>(
    store: &EngineStore<E>,
    writing: &mut super::Writing,
    chunks: Vec<(Vec<u8>, Vec<u8>)>,
    last_number: u64,
) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    for (key, chunk) in chunks {
        bytes += chunk.len();
        batch.put(key, chunk);
        if bytes >= STAGE_BYTES {
            // The number is used up with the first part, so that a crash leaves garbage but no mixture.
            let state = value::State { last_number, ..writing.state };
            store.commit(writing, std::mem::take(&mut batch), state)?;
            bytes = 0;
        }
    }
    Ok(batch)
}

pub(super) fn put_head(batch: &mut Batch, number: DocumentNumber, head: Head) {
    let key = keys::head(number);
    let sealed = head.encode(&key);
    batch.put(key, sealed);
}

pub(super) fn remove_all<E: Engine>(
    store: &EngineStore<E>,
    batch: &mut Batch,
    prefix: &[u8],
) -> Result<(), StoreError> {
    store.engine.scan(prefix, &[], &mut |key, _| {
        batch.remove(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Cuts a sealed value into chunks with their keys.
pub(super) fn cut(key: &[u8], sealed: Vec<u8>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let sealed = Bytes::from(sealed);
    let chunks = sealed.len().div_ceil(MAX_VALUE_BYTES);
    let key = key.to_vec();
    (0..chunks).map(move |index| {
        let end = sealed.len().min((index + 1) * MAX_VALUE_BYTES);
        (keys::chunk(&key, index as u32), sealed[index * MAX_VALUE_BYTES..end].to_vec())
    })
}

/// Whether a seq lies within what a snapshot may cover.
pub(super) fn is_within(head: Head, through: Seq) -> bool {
    (head.through..=head.seq).contains(&through)
}
