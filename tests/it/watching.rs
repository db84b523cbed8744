//! What outsiders can see of the server, and clients that are slow, silent or half gone.

use std::time::Duration;

use confluo::config::ByteCount;
use confluo_client::{
    Client,
    yrs::{Any, Doc, Map, Out, ReadTxn, Transact, WriteTxn},
};
use confluo_protocol::Message;
use confluo_store::faulty::Fault;

use crate::harness::{Server, add, faulty, quick, soon, until};

async fn put(client: &Client, value: String) {
    client
        .edit(move |txn| {
            let map = txn.get_or_insert_map("fields");
            map.insert(txn, "blob", value);
        })
        .await
        .unwrap();
}

fn blob_of(txn: &impl ReadTxn) -> Option<String> {
    match txn.get_map("fields")?.get(txn, "blob")? {
        Out::Any(Any::String(value)) => Some(value.to_string()),
        other => panic!("a string: {other:?}"),
    }
}

/// Lessons: a full channel dropped frames silently, or grew without bound; a lagging one left the client deaf.
#[tokio::test(flavor = "multi_thread")]
async fn sy7_a_reader_that_stops_costs_only_itself_and_catches_up_with_one_diff() {
    const VALUE_BYTES: usize = 256 << 10;
    let mut config = quick();
    config.rooms.outbound_queue_bytes = ByteCount::kib(256);
    let server = Server::start(faulty(), config).await;
    let (writer, reader) = (server.synced("notes").await, server.synced("notes").await);
    let mut slow = server.raw("/sync/notes").await;
    let copy = Doc::new();
    slow.ask(&copy).await;
    slow.receive_until(|message| matches!(message, Message::Sync(confluo_protocol::SyncMessage::Step2(_)))).await;
    let mut last = String::new();
    for round in 0.. {
        if server.metrics().queue_overflows.get() > 0 && round > 20 {
            break;
        }
        assert!(round < 400, "its queue is never full");
        last = format!("{round} {}", "x".repeat(VALUE_BYTES));
        put(&writer, last.clone()).await;
        let wanted = last.clone();
        soon(reader.wait_until(move |txn| blob_of(txn).as_ref() == Some(&wanted))).await.unwrap();
    }
    assert_eq!(server.metrics().queue_overflows.get(), 1, "the others never fell behind");
    assert_eq!(server.metrics().resyncs.get(), 0);
    let wanted = last.clone();
    slow.read_into(&copy, |doc| blob_of(&doc.transact()).as_ref() == Some(&wanted)).await;
    assert_eq!(server.metrics().resyncs.get(), 1);
    // It is subscribed again, and has nothing that the others have not.
    put(&writer, "the end".to_owned()).await;
    slow.read_into(&copy, |doc| blob_of(&doc.transact()).as_deref() == Some("the end")).await;
    let vector = writer.read(|txn| txn.state_vector()).await.unwrap();
    assert_eq!(copy.transact().state_vector(), vector);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr3_a_quiet_session_is_sent_a_frame_that_says_nothing() {
    let mut config = quick();
    config.sessions.filler_interval = Duration::from_secs(1);
    let server = Server::start(faulty(), config).await;
    let mut quiet = server.raw("/sync/notes").await;
    for _ in 0..2 {
        let filler = quiet.receive_until(|message| matches!(message, Message::Awareness(_))).await;
        assert_eq!(filler, Message::Awareness([0][..].into()));
    }
    server.stop().await;
}

/// Lesson: half-open sockets kept cursors alive, and their owner could not come back.
#[tokio::test(flavor = "multi_thread")]
async fn aw3_who_comes_back_beside_its_half_open_socket_is_seen_at_once() {
    let server = Server::start(faulty(), quick()).await;
    let onlooker = server.synced("notes").await;
    let mut old = server.raw("/sync/notes").await;
    old.send_presence(5, 1, "{\"at\":\"old\"}").await;
    let mut states = onlooker.watch_awareness();
    soon(states.wait_for(|states| states.get(&5).is_some_and(|state| state.contains("old")))).await.unwrap();
    // The old socket says nothing any more, and is not closed.
    let mut new = server.raw("/sync/notes").await;
    new.send_presence(5, 2, "{\"at\":\"new\"}").await;
    soon(states.wait_for(|states| states.get(&5).is_some_and(|state| state.contains("new")))).await.unwrap();
    // The late end of the old socket takes nothing away from the new one.
    drop(old);
    until("the old session has ended", || server.metrics().sessions.get() == 2).await;
    new.send_presence(5, 3, "{\"at\":\"newer\"}").await;
    soon(states.wait_for(|states| states.get(&5).is_some_and(|state| state.contains("newer")))).await.unwrap();
    drop(new);
    soon(states.wait_for(|states| !states.contains_key(&5))).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_what_the_server_can_do() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    assert_eq!(server.get("/health/live").await, (200, r#"{"status":"live"}"#.to_owned()));
    assert_eq!(server.get("/health/ready").await, (200, r#"{"status":"ready"}"#.to_owned()));
    let client = server.synced("notes").await;
    store.fail_writes(Some(Fault::OutOfSpace));
    add(&client, "item").await;
    let reason = server.ready_answers(503).await;
    assert!(reason.contains("\"disk-full\""), "{reason}");
    assert_eq!(server.get("/health/live").await.0, 200, "restarting it would not help");
    store.fail_writes(None);
    server.ready_answers(200).await;
    server.stop().await;
}
