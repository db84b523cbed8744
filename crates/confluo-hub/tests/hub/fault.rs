//! A bug in a room: everybody in it, and on the way into it, is told to come back. And a store that fails where nobody notices.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use bytes::Bytes;
use confluo_hub::{Expulsion, Health, Hub, HubConfig, JoinRequest, SessionControl, SessionGate};
use confluo_protocol::{Access, DocumentName};
use confluo_store::{
    DocumentStore, MemoryStore,
    faulty::{Fault, FaultyStore},
};
use confluo_testkit::socket::{by_nobody, enter_as};
use tokio_util::task::TaskTracker;

use crate::{
    crowd::{hasty, soon},
    logged::ErrorLog,
    wire::{self, Peer, breaking_edit_of, edit_of, unread_by_the_check},
};

/// Longer than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_secs(20);

/// Panics in the room's task when the test says so, and when its session first writes.
#[derive(Debug)]
struct PanickingGate(Mutex<mpsc::Receiver<()>>);

impl SessionGate for PanickingGate {
    fn entering(&self, _: SessionControl) {}

    fn renew(&self, _: &Bytes) -> Result<Access, Expulsion> {
        Ok(Access::Write)
    }

    fn wrote(&self) {
        let _ = self.0.lock().unwrap().recv();
        panic!("a bug, for the test");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cl1_1011_a_room_that_panics_ends_its_sessions_and_those_on_the_way_into_it() {
    let hub = Hub::start(HubConfig::default(), Arc::new(MemoryStore::new())).unwrap();
    let (tasks, document) = (TaskTracker::new(), DocumentName::new("notes").unwrap());
    let (go_on, gate) = mpsc::channel();
    let gate = Arc::new(PanickingGate(Mutex::new(gate)));
    let request = JoinRequest { gate: Some(gate), ..by_nobody(&document) };
    let writer = enter_as(request, &hub, &tasks, 64, vec![edit_of(7).encode()]);
    // The room has taken the edit, and hangs in the gate.
    wait_for_sessions(&hub, 1).await;
    let mut entering = Peer::join(&hub, &document, &tasks);
    wait_for_sessions(&hub, 2).await;
    go_on.send(()).unwrap();
    tokio::time::timeout(DEADLINE, writer.served).await.expect("who is in it is told").unwrap();
    let told = tokio::time::timeout(DEADLINE, async { while entering.receive().await.is_some() {} });
    told.await.expect("who was on the way into it is told");
    // The next one finds a new room.
    let mut next = Peer::join(&hub, &document, &tasks);
    assert!(next.wait_on_disk().await);
}

async fn wait_for_sessions(hub: &Hub, count: i64) {
    let there = async {
        while hub.metrics().sessions.get() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, there).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_nobody_uses_it_is_opened_again() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let hub = Hub::start(HubConfig::default(), store.clone()).unwrap();
    store.fail_writes(Some(Fault::OutOfSpace));
    store.delete(&DocumentName::new("notes").unwrap()).unwrap_err();
    assert_eq!(hub.health(), Health::Ready);
    let becomes = async |wanted: bool| {
        while (hub.health() == Health::Ready) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, becomes(false)).await.expect("it is noticed");
    store.fail_writes(None);
    tokio::time::timeout(DEADLINE, becomes(true)).await.expect("it is opened again");
}

#[tokio::test]
async fn a_document_that_broke_and_cannot_be_read_again_is_logged_and_counted() {
    let log = ErrorLog::default();
    let _guard = log.install();
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let hub = Hub::start(hasty(), store.clone()).unwrap();
    let (tasks, document) = (TaskTracker::new(), DocumentName::new("notes").unwrap());
    wire::store(store.inner(), &document, unread_by_the_check(edit_of(1)));
    let mut peer = Peer::join(&hub, &document, &tasks);
    assert!(peer.wait_on_disk().await);
    store.fail_call(store.calls() + 1, Fault::Io);
    assert!(peer.send(&breaking_edit_of(2, 1)).await);
    while soon("it is told to come back", peer.receive()).await.is_some() {}
    assert_eq!(hub.metrics().document_load_failures.get(), 1);
    let lines = log.lines();
    let is_told = |line: &String| line.contains("could not be loaded") && line.contains("notes");
    assert!(lines.iter().any(is_told), "{lines:?}");
}
