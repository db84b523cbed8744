//! Who does not read what it is asked.

use std::sync::Arc;

use bytes::Bytes;
use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{DocumentName, Message, SyncMessage, UpdateV1};
use confluo_store::MemoryStore;
use tokio_util::task::TaskTracker;

use crate::{
    stalled::{Gate, Stalled},
    wire::{Peer, edit_of},
};

fn answer(message: Message) -> Bytes {
    let Message::Sync(SyncMessage::Update(update)) = message else { panic!("an edit") };
    Message::Sync(SyncMessage::Step2(update)).encode()
}

/// A letter of client 7 behind five that nobody has.
fn early() -> Message {
    Message::Sync(SyncMessage::Update(UpdateV1(Bytes::from_static(&[1, 1, 7, 5, 0, 1, 0]))))
}

#[tokio::test]
async fn fr7_an_answer_to_what_was_not_read_waits_and_is_taken_when_its_sender_reads_or_goes() {
    for reads in [true, false] {
        let document = DocumentName::new("notes").unwrap();
        let hub = Hub::start(HubConfig::default(), Arc::new(MemoryStore::new())).unwrap();
        let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
        let mut other = Peer::join(&hub, &document, &tasks);
        assert!(other.wait_on_disk().await);
        let served = stalled.enter(&hub, &document, &tasks, &gate);
        stalled.tried.notified().await;
        // It can have answered the first question, for who knows what of a write has gone; and is asked again.
        stalled.change(|state| state.incoming.extend([answer(edit_of(1)), early().encode()]));
        while hub.metrics().updates_early.get() == 0 {
            tokio::task::yield_now().await;
        }
        stalled.change(|state| state.incoming.extend([answer(edit_of(2)), edit_of(3).encode()]));
        stalled.is_not_read_any_more().await;
        assert!(other.wait_on_disk().await);
        assert!(other.shown.contains(&1) && !other.shown.contains(&2), "{:?}", other.shown);
        if reads {
            stalled.change(|state| state.flows = true);
            assert!(other.wait_shown(3).await);
        } else {
            stalled.change(|state| state.is_lost = true);
            served.await.unwrap();
        }
        assert!(other.wait_shown(2).await);
    }
}
