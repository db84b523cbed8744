//! Each close code that the server says today, and what the others see of it: nothing.

use std::time::Duration;

use confluo::config::{ByteCount, Config};
use confluo_client::{
    Client, Lineage,
    yrs::{Array, Doc, Text, Transact},
};
use confluo_hub::{Clock, Limit};
use confluo_protocol::{CloseCode, Message, SyncMessage, UpdateV1};
use confluo_store::DocumentStore;
use confluo_ws::Opcode;
use futures_util::future::join_all;

use crate::{
    crowds::count,
    harness::{Server, add, faulty, items, name, quick, set, soon, stopped_with, until, wait_for_item},
    raw::update_of,
};

/// A document that holds this many bytes of text.
fn text_of(bytes: usize) -> Doc {
    let doc = Doc::new();
    let text = doc.get_or_insert_text("note");
    text.push(&mut doc.transact_mut(), &"a".repeat(bytes));
    doc
}

fn with_small_documents() -> Config {
    let mut config = quick();
    config.limits.max_document_bytes = ByteCount::kib(64);
    config.limits.max_message_bytes = ByteCount::kib(128);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn fr5_4400_what_is_not_this_protocol_closes_its_sender_and_nobody_else() {
    let server = Server::start(faulty(), quick()).await;
    let bystander = server.synced("notes").await;
    let frames: [(Opcode, &[u8]); 4] = [
        // A length beyond the frame.
        (Opcode::Binary, &[0, 2, 200, 1]),
        // An update that is none.
        (Opcode::Binary, &[0, 2, 3, 255, 255, 255]),
        // A type cut short.
        (Opcode::Binary, &[0x80]),
        (Opcode::Text, b"hello"),
    ];
    for (count, (opcode, bytes)) in frames.into_iter().enumerate() {
        let mut raw = server.raw("/sync/notes").await;
        raw.send_bytes(opcode, bytes).await;
        assert_eq!(raw.close_code().await, CloseCode::Malformed.code(), "{bytes:?}");
        assert_eq!(server.metrics().closed_with(CloseCode::Malformed).get(), count as u64 + 1);
    }
    add(&bystander, "still here").await;
    soon(bystander.wait_on_disk()).await.unwrap();
    assert_eq!(bystander.watch_status().borrow().times_synced, 1, "it was never disturbed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr2_fr5_all_that_stands_before_the_nonsense_of_a_frame_is_taken_in_its_order() {
    let server = Server::start(faulty(), quick()).await;
    let reader = server.synced("notes").await;
    let doc = Doc::new();
    let list = doc.get_or_insert_array("items");
    let mut frame = Vec::new();
    for item in ["one", "two", "three"] {
        let mut edit = doc.transact_mut();
        list.push_back(&mut edit, item);
        let update = UpdateV1(edit.encode_update_v1().into());
        frame.extend_from_slice(&Message::Sync(SyncMessage::Update(update)).encode());
    }
    frame.extend_from_slice(&[0, 9]);
    let mut raw = server.raw("/sync/notes").await;
    raw.send_bytes(Opcode::Binary, &frame).await;
    assert_eq!(raw.close_code().await, CloseCode::Malformed.code());
    wait_for_item(&reader, "three").await;
    assert_eq!(items(&reader).await, set(&["one", "three", "two"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ss1_4400_a_save_status_has_at_most_64_bytes() {
    let server = Server::start(faulty(), quick()).await;
    let mut raw = server.raw("/sync/notes").await;
    let longest = Message::SaveStatus(vec![7; 64].into());
    raw.send(&longest).await;
    raw.receive_until(|message| *message == longest).await;
    raw.send(&Message::SaveStatus(vec![7; 65].into())).await;
    assert_eq!(raw.close_code().await, CloseCode::Malformed.code());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad3_4400_a_path_that_names_no_document_is_told_by_a_code() {
    let server = Server::start(faulty(), quick()).await;
    let long = format!("/sync/{}", "n".repeat(513));
    for path in ["/sync/", "/sync/%FF", long.as_str()] {
        assert_eq!(server.raw(path).await.close_code().await, CloseCode::Malformed.code(), "{path}");
    }
    assert_eq!(server.metrics().sessions_joined.get(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn li3_4409_a_copy_of_a_reset_document_is_refused_and_does_not_double_it() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    let mut config = server.client_config("notes");
    config.lineage = Lineage::Ask;
    let old = Client::connect(config);
    soon(old.wait_synced()).await.unwrap();
    add(&old, "of the old document").await;
    soon(old.wait_status(|status| status.lineage.is_some())).await.unwrap();
    let lineage = old.watch_status().borrow().lineage.unwrap();
    old.close().await;
    server.is_empty().await;
    assert!(store.delete(&name("notes")).unwrap());

    let new = server.synced("notes").await;
    add(&new, "of the new document").await;
    soon(new.wait_on_disk()).await.unwrap();
    let mut config = server.client_config("notes");
    config.lineage = Lineage::Known(lineage);
    let returned = Client::connect(config);
    add(&returned, "an edit on the old copy").await;
    assert_eq!(stopped_with(&returned).await, CloseCode::DocumentReset.code());
    assert_eq!(items(&returned).await, set(&["an edit on the old copy"]), "it can still be exported");
    soon(new.wait_on_disk()).await.unwrap();
    assert_eq!(items(&new).await, set(&["of the new document"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr6_4413_a_message_too_large_is_told_by_a_code_that_arrives() {
    let server = Server::start(faulty(), with_small_documents()).await;
    let mut raw = server.raw("/sync/notes").await;
    // Far more than the limit: the rest of it is on its way while the server closes.
    let message = update_of(&text_of(4 << 20));
    raw.send(&message).await;
    assert_eq!(raw.close_code().await, CloseCode::TooLarge.code());
    assert_eq!(count(&server, Limit::MessageBytes), 1);
    let reader = server.synced("notes").await;
    assert!(items(&reader).await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sy16_4413_a_document_too_large_closes_its_writer_while_a_reader_goes_on() {
    let server = Server::start(faulty(), with_small_documents()).await;
    let reader = server.synced("notes").await;
    let mut writer = server.raw("/sync/notes").await;
    writer.send(&update_of(&text_of(100 << 10))).await;
    assert_eq!(writer.close_code().await, CloseCode::TooLarge.code());
    assert_eq!(count(&server, Limit::DocumentBytes), 1);
    add(&reader, "small").await;
    soon(reader.wait_on_disk()).await.unwrap();
    let other = server.synced("notes").await;
    wait_for_item(&other, "small").await;
    assert_eq!(reader.watch_status().borrow().times_synced, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr8_4508_silence_is_ended_and_any_sign_of_life_is_enough() {
    let mut config = quick();
    config.sessions.ping_interval = Duration::from_secs(1);
    config.sessions.no_sign_of_life_timeout = Duration::from_secs(3);
    let server = Server::start(faulty(), config).await;
    let mut silent = server.raw("/sync/notes").await;
    let mut listening = server.raw("/sync/notes").await;
    // Reading answers pings, and nothing else is sent.
    let listen = async {
        listening.receive_until(|message| matches!(message, Message::SaveStatus(_))).await;
    };
    let closed = async {
        until("the silent session is closed", || server.metrics().closed_with(CloseCode::NoSignOfLife).get() == 1)
            .await;
        assert_eq!(silent.close_code().await, CloseCode::NoSignOfLife.code());
    };
    tokio::select! {
        () = listen => unreachable!("nobody sent a save status"),
        () = closed => {}
    }
    listening.send(&Message::SaveStatus(b"alive"[..].into())).await;
    listening.receive_until(|message| matches!(message, Message::SaveStatus(_))).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl1_4529_one_session_too_many_is_told_to_slow_down_and_may_come_later() {
    let mut config = quick();
    config.limits.max_sessions_per_document = 3;
    let server = Server::start(faulty(), config).await;
    let mut clients = join_all((0..3).map(|_| server.synced("notes"))).await;
    assert_eq!(server.raw("/sync/notes").await.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(count(&server, Limit::SessionsPerDocument), 1);
    let elsewhere = server.synced("other").await;
    let patient = server.client("notes");
    clients.pop().unwrap().close().await;
    soon(patient.wait_synced()).await.unwrap();
    drop(elsewhere);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl1_4529_one_document_too_many_is_refused_until_another_is_closed() {
    let mut config = quick();
    config.limits.max_documents_open = 1;
    let server = Server::start(faulty(), config).await;
    let first = server.synced("one").await;
    assert_eq!(server.raw("/sync/two").await.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(count(&server, Limit::DocumentsOpen), 1);
    let patient = server.client("two");
    first.close().await;
    soon(patient.wait_synced()).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl3_1001_a_drain_is_spread_over_its_window() {
    const SESSIONS: i64 = 20;
    let mut config = quick();
    config.shutdown.window = Duration::from_secs(1);
    let server = Server::start(faulty(), config).await;
    let mut raws = Vec::new();
    for place in 0..SESSIONS {
        raws.push(server.raw(&format!("/sync/{}", place % 3)).await);
    }
    until("all have joined", || server.metrics().sessions.get() == SESSIONS).await;
    server.shutdown.cancel();
    let mut closed = join_all(raws.iter_mut().map(|raw| async {
        assert_eq!(raw.close_code().await, CloseCode::GoingAway.code());
        Clock.now()
    }))
    .await;
    closed.sort();
    let spread = *closed.last().unwrap() - closed[0];
    assert!(spread > Duration::from_millis(500), "all within {spread:?}");
    server.stop().await;
}
