//! One call of the store fails, and every call of a document's life takes its turn: loading, appending, compacting, closing,
//! opening again. The client does what clients do, and comes back with its own edits until it is told that they are on disk.

use std::sync::Arc;

use confluo_hub::{Hub, HubConfig, SnapshotPolicy};
use confluo_protocol::{ClientId, DocumentName};
use confluo_store::{
    MemoryStore,
    faulty::{Fault, FaultyStore},
};
use tokio_util::task::TaskTracker;

use crate::{
    crowd::{documents, end, hasty, soon},
    watched::authors_in,
    wire::{Peer, edit_of},
};

const LIVES: u64 = 2;
const EDITS: u64 = 3;

/// Comes back until one session has taken all edits and said that they are on disk.
async fn save(hub: &Hub, document: &DocumentName, edits: std::ops::RangeInclusive<ClientId>) {
    loop {
        let tasks = TaskTracker::new();
        let mut peer = Peer::join(hub, document, &tasks);
        let mut is_saved = true;
        // One by one, so that each is a record.
        for client in edits.clone() {
            is_saved = is_saved && peer.send(&edit_of(client)).await && peer.wait_on_disk().await;
        }
        peer.leave().await.unwrap();
        if is_saved {
            return;
        }
    }
}

/// False once the scenario makes fewer calls than that.
async fn survives(at: u64, fault: Fault) -> bool {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    // A snapshot in the middle of a life and one at its end.
    let snapshots = SnapshotPolicy { records: 2, records_at_close: 1, ..HubConfig::default().snapshots };
    let hub = Hub::start(HubConfig { snapshots, ..hasty() }, store.clone()).unwrap();
    let [notes, ..] = documents();
    store.fail_call(at, fault);
    for life in 0..LIVES {
        let first = 1 + life * EDITS;
        soon("saved", save(&hub, &notes, first..=first + EDITS - 1)).await;
        let closed = async {
            while hub.documents_open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("the document is closed", closed).await;
    }
    end(hub).await;
    let stored = authors_in(store.inner(), &notes);
    assert_eq!(stored, (1..=LIVES * EDITS).collect(), "call {at}, {fault:?}");
    store.calls() >= at
}

#[tokio::test(flavor = "multi_thread")]
async fn sy17_whichever_call_fails_and_however_nothing_is_lost() {
    for fault in [Fault::OutOfSpace, Fault::Io, Fault::Torn, Fault::AfterWriting] {
        let mut at = 1;
        while survives(at, fault).await {
            at += 1;
        }
        assert!(at > 2 * (EDITS + 2), "each life loads, appends {EDITS} times and compacts: {at} calls");
    }
}
