//! `/metrics`: every number says what happened.

use bytes::Bytes;
use confluo_client::yrs::{Array, Doc, Transact};
use confluo_protocol::{Message, SyncMessage, UpdateV1};
use confluo_store::DocumentStore;

use crate::{
    harness::{Server, add, faulty, name, quick, soon, wait_for_item},
    raw::update_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_move_with_what_happens() {
    let server = Server::start(faulty(), quick()).await;
    for (name, expected) in [("confluo_sessions", 0.0), ("confluo_rooms", 0.0), ("confluo_connections", 0.0)] {
        assert!((server.metric(name).await - expected).abs() < 0.5, "{name}");
    }
    let (writer, reader) = (server.synced("notes").await, server.synced("notes").await);
    add(&writer, "item").await;
    wait_for_item(&reader, "item").await;
    for (name, expected) in [
        ("confluo_sessions", 2.0),
        ("confluo_connections", 2.0),
        ("confluo_connections_accepted_total", 2.0),
        ("confluo_sessions_joined_total", 2.0),
        ("confluo_rooms", 1.0),
        ("confluo_documents_open", 1.0),
        ("confluo_documents_loaded_total", 1.0),
        ("confluo_panics_caught_total", 0.0),
        ("confluo_commit_failures_total", 0.0),
    ] {
        let value = server.metric(name).await;
        assert!((value - expected).abs() < 0.5, "{name} is {value}");
    }
    for name in ["updates_received", "deliveries", "received_bytes", "sent_bytes", "committed_bytes"] {
        assert!(server.metric(&format!("confluo_{name}_total")).await > 0.0, "{name}");
    }
    writer.close().await;
    reader.close().await;
    server.is_empty().await;
    for name in ["confluo_sessions", "confluo_connections", "confluo_rooms", "confluo_documents_open"] {
        soon(async { while server.metric(name).await > 0.5 {} }).await;
    }
    server.stop().await;
}

async fn check(server: &Server, expected: &[(&str, usize)]) {
    for (name, expected) in expected {
        let value = server.metric(name).await;
        assert!((value - *expected as f64).abs() < 0.5, "{name} is {value}, not {expected}");
    }
}

fn is_update(message: &Message) -> bool {
    matches!(message, Message::Sync(SyncMessage::Update(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_each_thing_once() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let (mut writer, mut reader) = (server.raw("/sync/notes").await, server.raw("/sync/notes").await);
    let doc = Doc::new();
    for raw in [&mut writer, &mut reader] {
        raw.ask(&doc).await;
        raw.receive_until(|message| matches!(message, Message::Sync(SyncMessage::Step2(_)))).await;
    }
    doc.get_or_insert_array("items").push_back(&mut doc.transact_mut(), "item");
    let edit = update_of(&doc);
    writer.send(&edit).await;
    for raw in [&mut writer, &mut reader] {
        raw.receive_until(is_update).await;
    }
    let stored = store.inner().load(&name("notes")).unwrap().unwrap();
    // A step 1 with the state vector of nothing: type, kind, its length, no clients.
    let received = 2 * 4 + edit.encode().len();
    check(
        &server,
        &[
            ("confluo_updates_received_total", 1),
            ("confluo_deliveries_total", 2),
            ("confluo_received_bytes_total", received),
            ("confluo_committed_bytes_total", stored.records[0].update.0.len()),
            ("confluo_batch_updates_count", 1),
            ("confluo_batch_updates_sum", 1),
            ("confluo_commit_seconds_count", 1),
            ("confluo_commit_records_count", 1),
            ("confluo_commit_records_sum", 1),
            ("confluo_document_load_seconds_count", 1),
            ("confluo_updates_refused_total", 0),
            ("confluo_unknown_messages_total", 0),
        ],
    )
    .await;

    writer.send_bytes(confluo_ws::Opcode::Binary, &[99]).await;
    writer.send(&Message::Sync(SyncMessage::Update(UpdateV1(Bytes::from_static(&[1, 2]))))).await;
    assert_eq!(writer.close_code().await, 4400);
    drop(reader);
    server.is_empty().await;
    check(
        &server,
        &[
            ("confluo_unknown_messages_total", 1),
            ("confluo_updates_received_total", 1),
            ("confluo_updates_refused_total", 1),
            ("confluo_closes_total{code=\"4400\",reason=\"malformed\"}", 1),
            ("confluo_closes_total{code=\"none\",reason=\"by-peer\"}", 1),
            ("confluo_closes_total{code=\"4413\",reason=\"too-large\"}", 0),
        ],
    )
    .await;
    server.stop().await;
}
