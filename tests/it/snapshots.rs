//! When a snapshot replaces a document's log, and that it loses nothing.

use std::{sync::Arc, time::Duration};

use confluo::config::{ByteCount, Config};
use confluo_protocol::Seq;
use confluo_store::{DocumentStore, MemoryStore, StoredDocument};

use crate::harness::{Server, add, items, name, quick, set, soon, until};

/// No snapshot for any reason, until a test says for which.
fn never() -> Config {
    let mut config = quick();
    config.store.snapshot_after_records = 1_000_000;
    config.store.snapshot_after_bytes = ByteCount::gib(1);
    config.store.snapshot_after_idle = Duration::from_secs(86_400);
    config.store.snapshot_at_close_records = 1_000_000;
    config
}

fn stored(store: &MemoryStore) -> StoredDocument {
    store.load(&name("notes")).unwrap().unwrap()
}

/// Writes three records, ends the session if that is the reason, waits for the snapshot, and reads what it holds.
async fn check(config: Config, leaves: bool) {
    let store = Arc::new(MemoryStore::new());
    let server = Server::start(store.clone(), config).await;
    let writer = server.synced("notes").await;
    for item in ["one", "two", "three"] {
        add(&writer, item).await;
        soon(writer.wait_on_disk()).await.unwrap();
    }
    if leaves {
        writer.close().await;
    }
    until("a snapshot is stored", || stored(&store).snapshot.is_some()).await;
    let StoredDocument { snapshot, records, head, .. } = stored(&store);
    let in_snapshot = snapshot.map_or(0, |snapshot| snapshot.through.0);
    assert_eq!((head, in_snapshot + records.len() as u64), (Seq(3), 3), "it stands in the place of its records");
    until("it is counted", || server.metrics().snapshots.get() > 0).await;
    let reader = server.synced("notes").await;
    assert_eq!(items(&reader).await, set(&["one", "two", "three"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_records_make_a_snapshot() {
    let mut config = never();
    config.store.snapshot_after_records = 3;
    check(config, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_bytes_make_a_snapshot() {
    let mut config = never();
    config.store.snapshot_after_bytes = ByteCount::bytes(1);
    check(config, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_makes_a_snapshot() {
    let mut config = never();
    config.store.snapshot_at_close_records = 3;
    config.store.snapshot_after_idle = Duration::from_millis(100);
    check(config, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_document_makes_a_snapshot() {
    let mut config = never();
    config.store.snapshot_at_close_records = 3;
    check(config, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reason_there_is_no_snapshot() {
    let store = Arc::new(MemoryStore::new());
    let server = Server::start(store.clone(), never()).await;
    let writer = server.synced("notes").await;
    add(&writer, "one").await;
    soon(writer.wait_on_disk()).await.unwrap();
    writer.close().await;
    server.is_empty().await;
    let found = stored(&store);
    assert!(found.snapshot.is_none() && found.records.len() == 1);
    server.stop().await;
}
