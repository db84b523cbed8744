//! Opening and closing documents while many come and go.

use std::time::Duration;

use confluo_protocol::CloseCode;
use confluo_store::{DocumentStore, faulty::Fault};
use futures_util::future::join_all;

use crate::harness::{Server, add, faulty, items, items_of, name, quick, set, soon, until, wait_for_item};

/// Leaves a document with one item on disk and nothing in memory.
async fn prepare(server: &Server) {
    let client = server.synced("notes").await;
    add(&client, "stored").await;
    soon(client.wait_on_disk()).await.unwrap();
    client.close().await;
    server.is_empty().await;
}

/// Lesson: two first joins loaded a document twice and one room's edits were orphaned; a second client joined while the
/// first load ran and saw an empty document.
#[tokio::test(flavor = "multi_thread")]
async fn sy1_fifty_who_join_at_once_share_one_load_and_see_everything() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    prepare(&server).await;
    let loaded = server.metrics().documents_loaded.get();
    store.hold_loads();
    let clients: Vec<_> = (0..50).map(|_| server.client("notes")).collect();
    until("all fifty wait", || server.metrics().sessions.get() == 50).await;
    for client in &clients {
        assert_eq!(client.watch_status().borrow().times_synced, 0, "nobody is told that the document is empty");
    }
    store.release();
    join_all(clients.iter().map(|client| async {
        soon(client.wait_synced()).await.unwrap();
        assert_eq!(items(client).await, set(&["stored"]));
    }))
    .await;
    assert_eq!(server.metrics().documents_loaded.get(), loaded + 1);
    join_all(clients.iter().enumerate().map(|(place, client)| add(client, place.to_string()))).await;
    for client in &clients {
        soon(client.wait_until(|txn| items_of(txn).len() == 51)).await.unwrap();
    }
    server.stop().await;
}

/// Lesson: a load failed, an empty document was made in memory, and it overwrote the stored one.
#[tokio::test(flavor = "multi_thread")]
async fn sy17_a_load_that_fails_refuses_and_never_creates() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    prepare(&server).await;
    let before = store.inner().load(&name("notes")).unwrap();
    store.hold_loads();
    store.fail_call(store.calls() + 1, Fault::Io);
    let mut raw = server.raw("/sync/notes").await;
    let client = server.client("notes");
    add(&client, "mine").await;
    until("both wait", || server.metrics().sessions.get() == 2).await;
    store.release();
    assert_eq!(raw.close_code().await, CloseCode::StorageUnavailable.code());
    assert_eq!(server.metrics().document_load_failures.get(), 1);
    soon(client.wait_on_disk()).await.unwrap();
    assert_eq!(items(&client).await, set(&["stored", "mine"]));
    let after = store.inner().load(&name("notes")).unwrap().unwrap();
    assert_eq!(after.lineage, before.unwrap().lineage, "it is the same document");
    server.stop().await;
}

/// Lessons: a document was unloaded while its save was in flight and reopened without it; the late close of an old socket
/// tore down the new session; counts did not return to zero.
#[tokio::test(flavor = "multi_thread")]
async fn cl5_joins_and_leaves_in_any_order_lose_nothing_and_leave_nothing() {
    // Few to a document, so that it is empty, and closed, again and again.
    const WORKERS: u64 = 6;
    const ROUNDS: u64 = 60;
    let mut config = quick();
    config.rooms.linger = Duration::ZERO;
    config.store.snapshot_at_close_records = 3;
    let server = Server::start(faulty(), config).await;
    let acknowledged = join_all((0..WORKERS).map(|worker| work(&server, worker, ROUNDS))).await;
    server.is_empty().await;
    let loaded = server.metrics().documents_loaded.get();
    assert!(loaded > 30, "documents were closed and opened again all the time: {loaded}");
    for document in DOCUMENTS {
        let late = server.synced(document).await;
        let there = items(&late).await;
        let acknowledged = acknowledged.iter().flatten().filter(|(place, _)| *place == document);
        let lost: Vec<_> = acknowledged.filter(|(_, item)| !there.contains(item)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        late.close().await;
    }
    server.is_empty().await;
    server.stop().await;
}

const DOCUMENTS: [&str; 3] = ["a", "b", "c"];

/// Comes, writes, and goes, in one of several ways; returns what it was told is on disk, and of which document.
async fn work(server: &Server, worker: u64, rounds: u64) -> Vec<(&'static str, String)> {
    let mut acknowledged = Vec::new();
    let mut random = (worker + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for round in 0..rounds {
        // xorshift64: the same rounds each time.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let document = DOCUMENTS[random as usize % DOCUMENTS.len()];
        let client = server.client(document);
        let item = format!("{worker}/{round}");
        match (random >> 8) % 4 {
            // Leaves at once, perhaps before it has joined.
            0 => {}
            // Leaves with what it wrote under way.
            1 => add(&client, item).await,
            // Drops its socket instead of closing it.
            2 => drop(server.raw(&format!("/sync/{document}")).await),
            _ => {
                add(&client, item.clone()).await;
                soon(client.wait_on_disk()).await.unwrap();
                acknowledged.push((document, item));
            }
        }
        client.close().await;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_lingers_then_leaves_memory_and_opens_again_whole() {
    let mut config = quick();
    config.rooms.linger = Duration::from_secs(600);
    let lingering = Server::start(faulty(), config).await;
    let client = lingering.synced("notes").await;
    client.close().await;
    until("the session is gone", || lingering.metrics().sessions.get() == 0).await;
    assert_eq!(lingering.hub.documents_open(), 1);
    lingering.synced("notes").await.close().await;
    assert_eq!(lingering.metrics().documents_loaded.get(), 1, "it was still there");
    // CL3: a stop does not wait for what lingers.
    until("the room is empty again", || lingering.metrics().rooms.get() == 0).await;
    lingering.stop().await;

    let server = Server::start(faulty(), quick()).await;
    prepare(&server).await;
    let again = server.synced("notes").await;
    wait_for_item(&again, "stored").await;
    assert_eq!(server.metrics().documents_loaded.get(), 2);
    server.stop().await;
}
