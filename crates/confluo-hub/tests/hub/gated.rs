//! What a gate is told, and in which order.

use std::sync::Arc;

use confluo_hub::{Hub, HubConfig};
use confluo_protocol::DocumentName;
use confluo_store::{MemoryStore, faulty::FaultyStore};
use tokio_util::task::TaskTracker;

use crate::{
    stalled::{Gate, Stalled},
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
