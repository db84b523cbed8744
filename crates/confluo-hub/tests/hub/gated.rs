//! What a gate is told, and in which order.

use std::sync::Arc;

use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{CloseCode, DocumentName};
use confluo_store::{MemoryStore, faulty::FaultyStore};
use tokio_util::task::TaskTracker;

use crate::{
    logged::ErrorLog,
    stalled::{Gate, Stalled, Step},
    wire::{Peer, edit_of},
};

#[tokio::test]
async fn a_session_has_ended_when_all_that_it_sent_was_taken() {
    let document = DocumentName::new("notes").unwrap();
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let hub = Hub::start(HubConfig::default(), store.clone()).unwrap();
    let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    let mut other = Peer::join(&hub, &document, &tasks);
    assert!(other.wait_on_disk().await);
    let served = stalled.enter(&hub, &document, &tasks, &gate);
    gate.joined.notified().await;
    // What it sends waits for the disk, and it is gone before it is taken.
    store.hold();
    assert!(other.send(&edit_of(1)).await);
    let waiting = store.clone();
    tokio::task::spawn_blocking(move || waiting.wait_until_held(1)).await.unwrap();
    stalled.change(|state| state.incoming.push_back(edit_of(2).encode()));
    while stalled.look(|state| !state.incoming.is_empty()) {
        tokio::task::yield_now().await;
    }
    stalled.change(|state| state.is_lost = true);
    served.await.unwrap();
    store.release();
    assert!(other.wait_shown(2).await);
    gate.ended.notified().await;
    assert_eq!(gate.told(), ["joined", "wrote", "ended"]);
}

#[tokio::test]
async fn a_session_that_panics_has_ended_and_the_log_names_its_document() {
    let log = ErrorLog::default();
    let _logging = log.install();
    let document = DocumentName::new("notes").unwrap();
    let hub = Hub::start(HubConfig::default(), Arc::new(MemoryStore::new())).unwrap();
    let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    stalled.change(|state| (state.flows, state.panics_at) = (true, Some(Step::Read)));
    stalled.enter(&hub, &document, &tasks, &gate).await.unwrap();
    assert_eq!(stalled.closed().await, CloseCode::InternalError);
    gate.ended.notified().await;
    assert_eq!(gate.told(), ["joined", "ended by the server"]);
    assert!(matches!(&log.lines()[..], [line] if line.contains("document=\"notes\"")), "{:?}", log.lines());
}
