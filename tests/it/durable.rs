//! Durable before visible: what the disk does not have, nobody sees; what it fails to take comes back from the clients.

use std::sync::Arc;

use confluo_client::{
    ConnectionState,
    yrs::{Array, Doc, Transact},
};
use confluo_protocol::{CloseCode, Message, SyncMessage};
use confluo_store::{
    DocumentStore,
    faulty::{Fault, FaultyStore},
};

use serde_json::{Value, json};

use crate::{
    harness::{Server, add, faulty, items, items_of, name, quick, set, soon, until, wait_for_item},
    raw::update_of,
};

/// Waits, off the runtime, until that many writing calls of the store wait.
async fn held<S: DocumentStore + 'static>(store: &Arc<FaultyStore<S>>, calls: usize) {
    let store = Arc::clone(store);
    soon(tokio::task::spawn_blocking(move || store.wait_until_held(calls))).await.unwrap();
}

fn is_content(message: &Message) -> bool {
    matches!(message, Message::Sync(SyncMessage::Step2(_) | SyncMessage::Update(_)) | Message::SaveStatus(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn sy5_ss2_nothing_is_shown_or_acknowledged_before_it_is_on_disk_and_awareness_does_not_wait() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let reader = server.synced("notes").await;
    let mut writer = server.raw("/sync/notes").await;
    let doc = Doc::new();
    writer.ask(&doc).await;
    writer.receive_until(is_content).await;

    store.hold();
    let list = doc.get_or_insert_array("items");
    list.push_back(&mut doc.transact_mut(), "held");
    writer.send(&update_of(&doc)).await;
    writer.send(&Message::SaveStatus(b"1"[..].into())).await;
    held(&store, 1).await;
    // What comes after it on the same socket shows that the content was not merely slow.
    let seen = writer.send_and_see_presence(&reader, 77).await;
    assert!(!seen.iter().any(is_content), "no echo and no acknowledgement: {seen:?}");
    assert!(items(&reader).await.is_empty(), "and nobody else sees it");
    assert_eq!(store.inner().load(&name("notes")).unwrap(), None);

    store.release();
    wait_for_item(&reader, "held").await;
    let echo = writer.receive_until(is_content).await;
    assert!(matches!(echo, Message::Sync(SyncMessage::Update(_))), "SS5: the echo comes first: {echo:?}");
    assert_eq!(writer.receive_until(is_content).await, Message::SaveStatus(b"1"[..].into()));
    assert_eq!(store.inner().load(&name("notes")).unwrap().unwrap().records.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sy5_who_joins_while_a_commit_waits_is_not_shown_it() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let writer = server.synced("notes").await;
    add(&writer, "on disk").await;
    soon(writer.wait_on_disk()).await.unwrap();
    store.hold();
    add(&writer, "held").await;
    held(&store, 1).await;
    let mut newcomer = server.raw("/sync/notes").await;
    let copy = Doc::new();
    newcomer.ask(&copy).await;
    let seen = newcomer.send_and_see_presence(&writer, 88).await;
    assert!(!seen.iter().any(is_content), "its step 1 was read and waits: {seen:?}");
    store.release();
    newcomer.read_into(&copy, |doc| items_of(&doc.transact()) == set(&["on disk", "held"])).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sy17_4503_while_the_store_fails_nothing_is_shown_and_afterwards_everything_comes_back() {
    for fault in [Fault::OutOfSpace, Fault::Io, Fault::Torn, Fault::AfterWriting] {
        let store = faulty();
        let server = Server::start(store.clone(), quick()).await;
        let (writer, reader, other) =
            (server.synced("notes").await, server.synced("notes").await, server.synced("other").await);
        add(&writer, "before").await;
        wait_for_item(&reader, "before").await;

        store.fail_writes(Some(fault));
        add(&writer, "while it fails").await;
        let told: Value = serde_json::from_str(&server.ready_answers(503).await).unwrap();
        let reason = if fault == Fault::OutOfSpace { "disk-full" } else { "disk-failed" };
        assert_eq!((&told["status"], &told["reason"]), (&json!("not ready"), &json!(reason)), "{fault:?}");
        assert!(!items(&reader).await.contains("while it fails"), "{fault:?}");
        until("both are told why", || server.metrics().closed_with(CloseCode::StorageUnavailable).get() >= 2).await;
        let refused = server.raw("/sync/notes").await.close_code().await;
        assert_eq!(refused, CloseCode::StorageUnavailable.code(), "and nobody else gets in");
        add(&other, "elsewhere").await;
        add(&writer, "and offline").await;

        store.fail_writes(None);
        server.ready_answers(200).await;
        for client in [&writer, &other] {
            soon(client.wait_on_disk()).await.unwrap();
        }
        wait_for_item(&reader, "and offline").await;
        assert_eq!(items(&reader).await, set(&["before", "while it fails", "and offline"]), "{fault:?}");
        let late = server.synced("other").await;
        assert_eq!(items(&late).await, set(&["elsewhere"]));
        server.stop().await;
    }
}

/// Lesson: a "dirty" flag cleared after the awaited write loses the edit made meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn sy5_what_is_edited_during_a_write_is_in_the_next_one() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let writer = server.synced("notes").await;
    store.hold();
    add(&writer, "first").await;
    held(&store, 1).await;
    add(&writer, "meanwhile").await;
    writer.clone().close().await;
    store.release();
    server.is_empty().await;
    assert_eq!(items(&server.synced("notes").await).await, set(&["first", "meanwhile"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sy17_one_failed_write_in_every_place_of_a_session_loses_nothing() {
    for place in 1..=6 {
        let store = faulty();
        let server = Server::start(store.clone(), quick()).await;
        let client = server.client("notes");
        store.fail_call(place, Fault::Torn);
        for item in ["a", "b", "c", "d"] {
            add(&client, item).await;
            soon(client.wait_on_disk()).await.unwrap();
        }
        client.close().await;
        server.is_empty().await;
        let all = server.synced("notes").await.read(|txn| items_of(txn)).await.unwrap();
        assert_eq!(all, set(&["a", "b", "c", "d"]), "call {place} failed");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cl1_a_client_told_4503_keeps_what_it_has_and_knows_why_it_waits() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let client = server.synced("notes").await;
    store.fail_writes(Some(Fault::Io));
    add(&client, "kept").await;
    let told =
        |state: &ConnectionState| matches!(state, ConnectionState::Waiting { because, .. } if because.contains("4503"));
    soon(client.wait_status(|status| told(&status.connection))).await.unwrap();
    assert_eq!(items(&client).await, set(&["kept"]));
    store.fail_writes(None);
    soon(client.wait_on_disk()).await.unwrap();
    server.stop().await;
}

/// The last to leave may be the only one who writes: nobody else would meet the store that is out of service.
#[tokio::test(flavor = "multi_thread")]
async fn sy17_a_snapshot_that_meets_a_full_disk_is_told_and_the_store_opens_again() {
    let store = faulty();
    let mut config = quick();
    config.store.snapshot_at_close_records = 1;
    let server = Server::start(store.clone(), config).await;
    let writer = server.synced("notes").await;
    add(&writer, "item").await;
    soon(writer.wait_on_disk()).await.unwrap();
    store.fail_writes(Some(Fault::OutOfSpace));
    writer.close().await;
    server.ready_answers(503).await;
    store.fail_writes(None);
    server.ready_answers(200).await;
    let reader = server.synced("notes").await;
    assert_eq!(items(&reader).await, set(&["item"]));
    server.stop().await;
}
