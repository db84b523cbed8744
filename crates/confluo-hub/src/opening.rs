//! From what is stored to a room: off the async threads, and never an empty document in place of one that is not readable.

use std::sync::Arc;

use confluo_protocol::{CloseCode, DocumentName, LineageId};
use confluo_room::{Room, SinceSnapshot, StoredState};
use confluo_store::{StoreError, StoredDocument};
use tokio::task::JoinError;

use crate::{
    discard::Discard,
    hub::Shared,
    slow_rooms::{ShuttingDown, Slowness, Weight},
};

/// A document in memory.
pub(crate) struct Opened {
    pub(crate) room: Room,
    pub(crate) slowness: Slowness,
}

/// Why nothing was made of what is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the server shuts down")]
    ShuttingDown(ShuttingDown),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Panicked(#[from] JoinError),
}

impl Unread {
    /// As its sessions are told; whoever runs the server is, too, unless it was their own will.
    pub(crate) fn refuse(self, shared: &Shared, document: &DocumentName) -> Discard {
        match self {
            Self::ShuttingDown(shutting_down) => shutting_down.into(),
            failed => refuse(shared, document, &failed),
        }
    }
}

/// The document could not be read.
pub(crate) fn refuse(shared: &Shared, document: &DocumentName, error: &(dyn std::error::Error + 'static)) -> Discard {
    shared.metrics.document_load_failures.add(1);
    tracing::error!(
        document = document.as_str(),
        error,
        "the document could not be loaded; it is refused, not created anew"
    );
    Discard { code: CloseCode::StorageUnavailable, reason: "the document cannot be loaded now; try again" }
}

/// Loads a document, or starts a new one.
pub(crate) async fn load(shared: &Arc<Shared>, document: &DocumentName) -> Result<Opened, Discard> {
    let started = shared.clock.now();
    let was_slow = shared.slow_rooms.remembers(document);
    let config = shared.config.room.clone();
    let open = move |stored| Room::open(config, stored);
    let outcome = read(shared, document, LineageId(rand::random()), was_slow, open).await;
    let (opened, is_slow) = outcome.map_err(|unread| unread.refuse(shared, document))?;
    let (room, set_aside) = opened.map_err(|error| refuse(shared, document, &error))?;
    record_set_aside(shared, &set_aside);
    shared.metrics.documents_loaded.add(1);
    let micros = shared.clock.now().duration_since(started).as_micros();
    shared.metrics.document_load_micros.observe(micros as u64);
    tracing::debug!(bytes = room.document_bytes(), micros = micros as u64, "the document is open");
    let slowness = if is_slow || was_slow { Slowness::SinceOpening } else { Slowness::Quick };
    Ok(Opened { room, slowness })
}

/// Reads a document and gives it to `work`, which merges it; `new_lineage` is for one that the store does not know. It may have
/// to wait for a place, where others take long: one that `was_slow` before it is read, one that is only large before it is
/// merged. Returns, too, whether it was slow now, which is noted.
pub(crate) async fn read<T: Send + 'static>(
    shared: &Arc<Shared>,
    document: &DocumentName,
    new_lineage: LineageId,
    was_slow: bool,
    work: impl FnOnce(StoredState) -> T + Send + 'static,
) -> Result<(T, bool), Unread> {
    let place = async |weight| shared.slow_rooms.place(weight).await.map_err(Unread::ShuttingDown);
    let _turn = place(if was_slow { Weight::Slow } else { Weight::Light }).await?;
    let (reading, name) = (Arc::clone(shared), document.clone());
    let load = move || reading.store.load(&name).inspect_err(|error| reading.note_store_error(error));
    let stored = match tokio::task::spawn_blocking(load).await?? {
        Some(stored) => from_stored(shared, document, stored),
        None => StoredState::none(new_lineage),
    };
    let is_heavy = stored.is_heavy();
    let _place = place(if is_heavy && !was_slow { Weight::Heavy } else { Weight::Light }).await?;
    let clock = shared.clock;
    let work = tokio::task::spawn_blocking(move || {
        let before = clock.thread_busy();
        let outcome = work(stored);
        (outcome, clock.thread_busy().saturating_sub(before))
    });
    let (outcome, busy) = work.await?;
    let is_slow = is_heavy && shared.slow_rooms.note(document, busy, shared.clock.now());
    if !is_slow {
        shared.slow_rooms.forget(document);
    }
    Ok((outcome, is_slow))
}

fn from_stored(shared: &Shared, document: &DocumentName, stored: StoredDocument) -> StoredState {
    for set_aside in &stored.set_aside {
        shared.metrics.records_set_aside.add(1);
        tracing::error!(
            document = document.as_str(),
            %set_aside,
            "a part of the document is damaged and was set aside; stop the server, then `confluo doc verify` says what is \
             wrong and `confluo doc export --salvage` has what is left; or restore a backup: clients bring back what it lacks"
        );
    }
    let since_snapshot = SinceSnapshot {
        records: stored.records.len() as u64,
        bytes: stored.records.iter().map(|record| record.update.0.len() as u64).sum(),
    };
    let mut authors = Vec::new();
    let mut updates = Vec::with_capacity(stored.records.len() + 1);
    if let Some(snapshot) = stored.snapshot {
        authors.extend(snapshot.authors);
        updates.push(snapshot.state);
    }
    for record in stored.records {
        authors.extend(record.authors);
        updates.push(record.update);
    }
    StoredState {
        lineage: stored.lineage,
        head: stored.head,
        updates,
        authors,
        since_snapshot,
        is_damaged: !stored.set_aside.is_empty(),
    }
}

pub(crate) fn record_set_aside(shared: &Shared, places: &[usize]) {
    for place in places {
        shared.metrics.records_set_aside.add(1);
        tracing::error!(place, "a stored record could not be applied and was set aside; see `confluo doc verify`");
    }
}
