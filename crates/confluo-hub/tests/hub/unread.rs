//! Who does not read what it is asked, and what the room does not read.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{AuthMessage, DocumentName, Message, SyncMessage, UpdateV1};
use confluo_store::{MemoryStore, faulty::FaultyStore};
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

/// Its room takes no mail while a commit waits for the disk, and would keep what is posted.
#[tokio::test]
async fn fr7_what_is_for_clients_alone_takes_no_place_on_the_way_to_a_room() {
    let document = DocumentName::new("notes").unwrap();
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let config = HubConfig { mailbox_messages: 1, mailbox_bytes: 32, ..HubConfig::default() };
    let hub = Hub::start(config, store.clone()).unwrap();
    let (tasks, gate, peer) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
    store.hold();
    let words = || Bytes::from_static(b"words");
    let for_clients = [Message::Lineage(words()), Message::Auth(AuthMessage::PermissionDenied(words()))];
    peer.change(|state| {
        state.flows = true;
        state.incoming.push_back(edit_of(1).encode());
    });
    let served = peer.enter(&hub, &document, &tasks, &gate);
    let waiting = store.clone();
    tokio::task::spawn_blocking(move || waiting.wait_until_held(1)).await.unwrap();
    peer.change(|state| {
        // It fills what may wait for the commit.
        state.incoming.push_back(edit_of(2).encode());
        state.incoming.extend((0..50).flat_map(|_| for_clients.each_ref().map(Message::encode)));
    });
    let is_read = async {
        while peer.look(|state| !state.incoming.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    let is_read = tokio::time::timeout(Duration::from_secs(20), is_read).await;
    // First, so that a test that fails ends.
    store.release();
    is_read.expect("all of it is read");
    drop(served);
}
