//! Silence is the peer's only while the server reads it.

use std::{sync::Arc, time::Duration};

use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{CloseCode, DocumentName};
use confluo_store::{MemoryStore, faulty::FaultyStore};
use tokio_util::task::TaskTracker;

use crate::{
    crowd::soon,
    stalled::{Gate, Stalled},
    wire::edit_of,
};

/// So much time passes at once, second by second; everybody has a turn in each, after this has happened.
async fn let_pass(time: Duration, mut each_second: impl FnMut()) {
    tokio::time::pause();
    for _ in 0..time.as_secs() {
        tokio::time::advance(Duration::from_secs(1)).await;
        each_second();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
}

#[tokio::test]
async fn fr8_who_is_not_read_while_its_room_is_busy_is_not_silent_and_is_again_once_it_is_read() {
    let document = DocumentName::new("notes").unwrap();
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    // The room takes no more mail while a commit waits for the disk.
    let config = HubConfig { mailbox_messages: 1, mailbox_bytes: 64, ..HubConfig::default() };
    let silence = config.silence_timeout;
    let hub = Hub::start(config, store.clone()).unwrap();
    let (tasks, gate, peer) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    store.hold();
    peer.change(|state| {
        state.flows = true;
        state.incoming.extend((1..=50).map(|client| edit_of(client).encode()));
    });
    let served = peer.enter(&hub, &document, &tasks, &gate);
    gate.joined.notified().await;
    peer.is_not_read_any_more().await;
    let_pass(3 * silence, || {}).await;
    store.release();
    let taken = async {
        // Not only read but taken, or it waits for its room again, and for the disk's own time.
        while hub.metrics().updates_received.get() < 50 {
            tokio::task::yield_now().await;
        }
    };
    soon("all that it sent is taken", taken).await;
    assert_eq!(peer.look(|state| state.closed), None);
    let_pass(2 * silence, || {}).await;
    assert_eq!(peer.closed().await, CloseCode::NoSignOfLife);
    served.await.unwrap();
}

/// Over a slow link one frame may take longer than a silence may; what the peer says to a ping waits behind it.
#[tokio::test]
async fn fr8_who_takes_a_long_frame_slowly_is_not_silent_and_is_once_it_takes_no_more() {
    let document = DocumentName::new("notes").unwrap();
    let config = HubConfig::default();
    let silence = config.silence_timeout;
    let hub = Hub::start(config, Arc::new(MemoryStore::new())).unwrap();
    let (tasks, gate, peer) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    let served = peer.enter(&hub, &document, &tasks, &gate);
    soon("the server writes", peer.tried.notified()).await;
    let_pass(3 * silence, || peer.change(|state| state.taken_bytes += 1)).await;
    assert_eq!(peer.look(|state| state.closed), None);
    let_pass(2 * silence, || {}).await;
    assert_eq!(peer.closed().await, CloseCode::NoSignOfLife);
    served.await.unwrap();
}
