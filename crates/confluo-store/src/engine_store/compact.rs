//! Putting a snapshot in the place of records.
//!
//! The snapshot is written under a new generation, in parts, while others may commit in between; nothing points at it.
//! Then one commit moves the head's pointer to it and removes what it replaces. A cut of power before that commit leaves
//! the old snapshot and all records, and parts that the next compaction removes.

use std::{ops::ControlFlow, sync::PoisonError};

use confluo_protocol::DocumentName;

use super::write::{STAGE_BYTES, cut, is_within, put_head};
use crate::{
    Batch, Engine, EngineStore, NewSnapshot, StoreError,
    keys::{self, Place},
    value::{self, Entry, Head},
};

pub(super) fn compact<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
    snapshot: &NewSnapshot,
) -> Result<(), StoreError> {
    let _one_at_a_time = store.compacting.lock().unwrap_or_else(PoisonError::into_inner);
    let (entry, head) = {
        let _writing = store.lock_healthy()?;
        let entry = store.entry(name)?.ok_or_else(|| StoreError::NoSuchDocument { document: name.clone() })?;
        (entry, store.head(name, &entry)?)
    };
    if !is_within(head, snapshot.through) {
        return Err(StoreError::SnapshotOutOfRange {
            document: name.clone(),
            found: snapshot.through,
            from: head.through,
            head: head.seq,
        });
    }
    let generation = head.generation.wrapping_add(1).max(1);
    remove_leftovers(store, name, &entry, head)?;

    let key = keys::snapshot(entry.number, generation);
    let mut batch = Batch::default();
    let mut bytes = 0;
    for (key, chunk) in cut(&key, value::encode_snapshot(&key, snapshot)) {
        bytes += chunk.len();
        batch.put(key, chunk);
        if bytes >= STAGE_BYTES {
            let mut writing = store.lock_healthy()?;
            let state = writing.state;
            store.commit(&mut writing, std::mem::take(&mut batch), state)?;
            bytes = 0;
        }
    }

    remove_replaced(store, &entry, head, snapshot, &mut batch).map_err(|error| error.within(name))?;
    let mut writing = store.lock_healthy()?;
    // Records may have come meanwhile; the document cannot have gone, since deleting waits for compactions.
    let head = store.head(name, &entry)?;
    put_head(&mut batch, entry.number, Head { seq: head.seq, generation, through: snapshot.through });
    let state = writing.state;
    store.commit(&mut writing, batch, state)
}

/// Removes parts of a snapshot that no head points at: an earlier compaction did not come to its end.
fn remove_leftovers<E: Engine>(
    store: &EngineStore<E>,
    name: &DocumentName,
    entry: &Entry,
    head: Head,
) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    let scanned = store.engine.scan(&keys::snapshots(entry.number), &[], &mut |key, _| {
        if !matches!(keys::place(key), Some(Place::Snapshot { generation, .. }) if generation == head.generation) {
            batch.remove(key.to_vec());
        }
        ControlFlow::Continue(())
    });
    scanned.map_err(|error| StoreError::from(error).within(name))?;
    if batch.is_empty() {
        return Ok(());
    }
    let mut writing = store.lock_healthy()?;
    let state = writing.state;
    store.commit(&mut writing, batch, state)
}

/// Removes the old snapshot and the records that are in the new one, and keeps aside those that are not.
fn remove_replaced<E: Engine>(
    store: &EngineStore<E>,
    entry: &Entry,
    head: Head,
    snapshot: &NewSnapshot,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if head.generation > 0 {
        super::write::remove_all(store, batch, &keys::snapshot(entry.number, head.generation))?;
    }
    store.engine.scan(&keys::records(entry.number), &[], &mut |key, sealed| {
        let Some(Place::Record { seq, chunk }) = keys::place(key) else { return ControlFlow::Continue(()) };
        if seq > snapshot.through {
            return ControlFlow::Break(());
        }
        if snapshot.keep_aside.contains(&seq) {
            batch.put(keys::chunk(&keys::aside(entry.number, seq), chunk), sealed.to_vec());
        }
        batch.remove(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(())
}
