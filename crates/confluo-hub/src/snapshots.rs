//! When a snapshot replaces a log's head, and its making: off the async threads, beside the room's own work.

use std::sync::Arc;

use confluo_protocol::DocumentName;
use confluo_room::{Room, RoomSnapshot};
use confluo_store::{NewSnapshot, StoreError, encode_snapshot};
use tokio::task::JoinHandle;

use crate::hub::Shared;

/// One room's snapshots: at most one is being made.
pub(crate) struct Snapshots {
    shared: Arc<Shared>,
    document: DocumentName,
    running: Option<JoinHandle<()>>,
}

impl Snapshots {
    pub(crate) fn new(shared: Arc<Shared>, document: DocumentName) -> Self {
        Self { shared, document, running: None }
    }

    /// Whether the policy asks for one now.
    pub(crate) fn is_due(&self, room: &Room) -> bool {
        let policy = self.shared.config.snapshots;
        let since = room.since_snapshot();
        let bytes = policy.bytes.max(room.document_bytes() as u64 / 2);
        (since.records >= policy.records || since.bytes >= bytes)
            && room.can_snapshot()
            && self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether a room that is idle or closes has enough to gain from one.
    pub(crate) fn is_worth_it(&self, room: &Room) -> bool {
        room.since_snapshot().records >= self.shared.config.snapshots.records_at_close
            && room.can_snapshot()
            && self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the one that is being made.
    pub(crate) async fn finish(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.await;
        }
    }

    /// Compresses and stores it, beside whatever the room does next.
    pub(crate) fn start(&mut self, snapshot: RoomSnapshot) {
        let shared = Arc::clone(&self.shared);
        let document = self.document.clone();
        self.running = Some(tokio::task::spawn_blocking(move || {
            match write(&shared, &document, snapshot) {
                Ok(()) => shared.metrics.snapshots.add(1),
                // The records are still there, so nothing is lost; the next one tries again.
                Err(error) => {
                    tracing::warn!(
                        document = document.as_str(),
                        error = &error as &dyn std::error::Error,
                        "a snapshot could not be written"
                    );
                    shared.note_store_error(&error);
                }
            }
        }));
    }
}

fn write(shared: &Shared, document: &DocumentName, snapshot: RoomSnapshot) -> Result<(), StoreError> {
    let RoomSnapshot { through, state, authors } = snapshot;
    let at = shared.clock.wall().into();
    let state = encode_snapshot(&state);
    shared.store.compact(document, NewSnapshot { through, at, authors, state, keep_aside: Vec::new() })
}
