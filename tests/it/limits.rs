//! How fast one session may send, and that only it feels the bound.

use std::time::Duration;

use confluo::config::{AuditOutput, ByteCount};
use confluo_client::yrs::{Array, Doc, Transact};
use confluo_hub::Limit;
use confluo_protocol::{CloseCode, Message, SyncMessage, UpdateV1, Writer};
use confluo_ws::{Opcode, frame::encode_masked};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch, task::JoinSet};

use crate::{
    access::{minted, with_tokens},
    harness::{Server, add, faulty, items, quick, soon, until, wait_for_item},
    raw::update_of,
};

/// Asks for a save status, which is always answered.
fn question() -> Message {
    Message::SaveStatus(b"?"[..].into())
}

#[tokio::test(flavor = "multi_thread")]
async fn fr7_4529_too_many_messages_a_second_close_their_sender_and_nobody_else() {
    let mut config = quick();
    config.limits.max_messages_per_second = 1;
    config.limits.max_message_burst = 200;
    let server = Server::start(faulty(), config).await;
    let bystander = server.synced("notes").await;
    let mut fast = server.raw("/sync/notes").await;
    // All in one frame: what counts is messages.
    let flood = question().encode().repeat(1_000);
    fast.send_bytes(Opcode::Binary, &flood).await;
    assert_eq!(fast.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(server.metrics().limit_reached(Limit::Messages).get(), 1);
    add(&bystander, "still here").await;
    soon(bystander.wait_on_disk()).await.unwrap();
    assert_eq!(bystander.watch_status().borrow().times_synced, 1, "it was never disturbed");
    assert!(
        server
            .get("/metrics")
            .await
            .1
            .contains("confluo_limit_reached_total{setting=\"limits.max_messages_per_second\"} 1\n")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr7_awareness_counts_towards_no_rate_of_messages() {
    let mut config = quick();
    config.limits.max_messages_per_second = 1;
    config.limits.max_message_burst = 5;
    let server = Server::start(faulty(), config).await;
    let mut raw = server.raw("/sync/notes").await;
    for clock in 1..=100 {
        raw.send_presence(7, clock, "{}").await;
    }
    raw.send(&question()).await;
    raw.receive_until(|message| *message == question()).await;
    assert_eq!(server.metrics().limit_reached(Limit::Messages).get(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr7_too_many_bytes_a_second_are_read_more_slowly_and_never_close() {
    let mut config = quick();
    config.limits.max_document_bytes = ByteCount::kib(64);
    config.limits.max_message_bytes = ByteCount::kib(64);
    config.limits.max_bytes_per_second = ByteCount::mib(1);
    let server = Server::start(faulty(), config).await;
    let mut raw = server.raw("/sync/notes").await;
    // Of a type that nobody knows, so that nothing but its size matters.
    let mut ballast = vec![0; 60 << 10];
    ballast[0] = 99;
    for _ in 0..4 {
        raw.send_bytes(Opcode::Binary, &ballast).await;
    }
    raw.send(&question()).await;
    raw.receive_until(|message| *message == question()).await;
    assert!(server.metrics().limit_reached(Limit::Bytes).get() > 0);
    assert_eq!(server.metrics().closed_with(CloseCode::SlowDown).get(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr7_pings_and_what_is_no_whole_message_yet_are_bytes_too() {
    let mut config = quick();
    config.limits.max_document_bytes = ByteCount::kib(64);
    config.limits.max_message_bytes = ByteCount::kib(64);
    config.limits.max_bytes_per_second = ByteCount::mib(1);
    let server = Server::start(faulty(), config).await;
    let pauses = server.metrics().limit_reached(Limit::Bytes);
    let mut raw = server.raw("/sync/notes").await;
    for _ in 0..1_000 {
        raw.send_bytes(Opcode::Ping, &[0; 125]).await;
    }
    until("the pings are read more slowly", || pauses.get() > 0).await;
    let by_pings = pauses.get();
    let ballast = encode_masked(Opcode::Binary, &vec![99; 60 << 10], [1, 2, 3, 4]);
    raw.send_raw(&ballast).await;
    raw.send_raw(&ballast[..ballast.len() - 10]).await;
    until("so is a message that does not end", || pauses.get() > by_pings).await;
    assert_eq!(server.metrics().closed_with(CloseCode::SlowDown).get(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr7_long_messages_of_many_wait_for_each_other_and_all_arrive() {
    let mut config = quick();
    config.limits.max_document_bytes = ByteCount::kib(64);
    config.limits.max_message_bytes = ByteCount::mib(1);
    config.limits.max_inbound_bytes = ByteCount::mib(1);
    let server = Server::start(faulty(), config).await;
    let mut ballast = vec![0; 1 << 20];
    ballast[0] = 99;
    let frame = encode_masked(Opcode::Binary, &ballast, [1, 2, 3, 4]);
    let (tell, someone_waits) = watch::channel(false);
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        let mut raw = server.raw("/sync/notes").await;
        let (beginning, end) = (frame.slice(..frame.len() - 10), frame.slice(frame.len() - 10..));
        let mut someone_waits = someone_waits.clone();
        senders.spawn(async move {
            raw.send_raw(&beginning).await;
            someone_waits.wait_for(|waits| *waits).await.unwrap();
            raw.send_raw(&end).await;
            raw.send(&question()).await;
            raw.receive_until(|message| *message == question()).await;
        });
    }
    let limit = server.metrics().limit_reached(Limit::InboundBytes);
    until("one waits for another", || limit.get() > 0).await;
    let mut short = server.raw("/sync/notes").await;
    short.send(&question()).await;
    short.receive_until(|message| *message == question()).await;
    tell.send(true).unwrap();
    soon(senders.join_all()).await;
    let metrics = server.get("/metrics").await.1;
    assert!(metrics.contains("confluo_inbound_bytes 0\n"), "{metrics}");
    server.stop().await;
}

/// Nothing is lost by it: each question has its answer in the end, and the edit behind them is taken.
#[tokio::test(flavor = "multi_thread")]
async fn fr7_who_asks_faster_than_it_reads_is_answered_in_full_when_it_reads() {
    let mut config = quick();
    config.rooms.outbound_queue_bytes = ByteCount::kib(64);
    config.limits.max_awareness_bytes = ByteCount::mib(2);
    let server = Server::start(faulty(), config).await;
    let bystander = server.synced("notes").await;
    let mut asker = server.raw("/sync/notes").await;
    let state = format!("\"{}\"", "x".repeat(60_000));
    for id in 1..=20 {
        asker.send_presence(id, 1, &state).await;
    }
    let questions = 30;
    for _ in 0..questions {
        asker.send(&Message::QueryAwareness).await;
    }
    let doc = Doc::new();
    doc.get_or_insert_array("items").push_back(&mut doc.transact_mut(), "behind the questions");
    asker.send(&update_of(&doc)).await;
    // Each of these goes through the room and comes back: it has time to answer more than was asked.
    for count in 0..100 {
        add(&bystander, count.to_string()).await;
        soon(bystander.wait_on_disk()).await.unwrap();
    }
    assert!(!items(&bystander).await.contains("behind the questions"), "nothing is taken of who does not read");
    let mut answers = 0;
    let mut read_answer = async || {
        let message = asker.receive().await.expect("it is not closed");
        answers += usize::from(matches!(message, Message::Awareness(payload) if payload.len() > 20 * 60_000));
        answers
    };
    tokio::select! {
        () = async { loop { read_answer().await; } } => {}
        () = wait_for_item(&bystander, "behind the questions") => {}
    }
    while read_answer().await < questions {}
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aw11_too_many_awareness_states_a_second_close_their_sender() {
    let mut config = quick();
    config.limits.max_awareness_per_second = 1;
    config.limits.max_awareness_burst = 50;
    let server = Server::start(faulty(), config).await;
    let mut raw = server.raw("/sync/notes").await;
    for clock in 1..=200 {
        raw.send_presence(7, clock, "{}").await;
    }
    assert_eq!(raw.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(server.metrics().limit_reached(Limit::Awareness).get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aw9_aw10_states_too_large_and_ids_too_many_close_their_sender_and_are_counted() {
    let mut config = quick();
    config.limits.max_awareness_bytes = ByteCount::bytes(256);
    config.limits.max_client_ids_per_session = 2;
    let server = Server::start(faulty(), config).await;
    let mut large = server.raw("/sync/notes").await;
    large.send_presence(7, 1, &format!("\"{}\"", "x".repeat(300))).await;
    assert_eq!(large.close_code().await, CloseCode::TooLarge.code());
    assert_eq!(server.metrics().limit_reached(Limit::AwarenessBytes).get(), 1);
    let mut many = server.raw("/sync/notes").await;
    for id in 1..=3 {
        many.send_presence(id, 1, "{}").await;
    }
    assert_eq!(many.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(server.metrics().limit_reached(Limit::ClientIds).get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_is_told_413_and_one_that_never_ends_408_and_both_are_counted() {
    let mut config = with_tokens();
    config.http.max_body_bytes = ByteCount::kib(1);
    config.http.request_timeout = Duration::from_millis(500);
    let server = Server::start(faulty(), config).await;
    let admin = minted("root", &[], Duration::from_secs(60), true);
    let (status, _) = server.ask("POST", "/admin/revocations", &admin, &"x".repeat(2 << 10)).await;
    assert_eq!(status, 413);
    server.metric_becomes("confluo_limit_reached_total{setting=\"http.max_body_bytes\"}", 1.0).await;
    let chunks = "transfer-encoding: chunked\r\n\r\n800\r\n";
    for (headers, body, status) in
        [(chunks, "x".repeat(2 << 10), 413), ("content-length: 9\r\n\r\n", String::new(), 408)]
    {
        let head = "POST /admin/revocations HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json";
        let answer = server.exchange(&format!("{head}\r\nauthorization: Bearer {admin}\r\n{headers}{body}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    server.metric_becomes("confluo_limit_reached_total{setting=\"http.max_body_bytes\"}", 2.0).await;
    server.metric_becomes("confluo_limit_reached_total{setting=\"http.request_timeout\"}", 1.0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_too_many_at_once_is_told_503_and_probes_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    config.http.max_requests = 1;
    config.audit.output = AuditOutput::File;
    let server = Server::start(faulty(), config).await;
    let admin = minted("root", &[], Duration::from_secs(60), true);
    let mut held = soon(TcpStream::connect(server.address)).await.unwrap();
    let request = format!(
        "POST /admin/revocations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {admin}\r\ncontent-length: 9\r\n\
         content-type: application/json\r\n\r\n{{"
    );
    held.write_all(request.as_bytes()).await.unwrap();
    // Until the first is there, each of these is the only one.
    soon(async { while server.get("/metrics").await.0 != 503 {} }).await;
    let (status, told) = server.ask("GET", "/admin/revocations", &admin, "").await;
    assert_eq!((status, told.as_str()), (503, "too many requests at once; try again\n"));
    assert_eq!(server.get("/health/live").await.0, 200);
    let told = server.metrics().limit_reached(Limit::Requests).get();
    assert!(told >= 2, "{told}");
    // A WebSocket is none of them.
    server.raw("/sync/team/notes").await;
    drop(held);
    soon(async { while server.get("/metrics").await.0 == 503 {} }).await;
    server.stop().await;
    let log = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert!(!log.contains("\"status\":503") && log.contains("\"folded\""), "{log}");
}

/// Letters of one client, each put left of another letter of the same text and right of none: the place of each is found by
/// looking at all those before it, which takes a second for 3,000, and twenty for 10,000. All runs on one thread.
#[tokio::test]
async fn an_update_that_takes_long_to_merge_holds_up_no_other_document() {
    const LETTERS: u64 = 3_000;
    let server = Server::start(faulty(), quick()).await;
    let other = server.synced("other").await;
    let mut slow = server.raw("/sync/slow").await;
    let mut text = Writer::default();
    text.write_var_uint(1).write_var_uint(1).write_raw(&[1, 0, 4, 1, 1, b't']);
    text.write_var_bytes("x".repeat(LETTERS as usize).as_bytes()).write_raw(&[0]);
    slow.send(&Message::Sync(SyncMessage::Update(UpdateV1(text.finish())))).await;
    slow.send(&question()).await;
    slow.receive_until(|message| matches!(message, Message::SaveStatus(_))).await;
    let mut letters = Writer::default();
    letters.write_var_uint(1).write_var_uint(LETTERS).write_raw(&[2, 0]);
    for letter in 0..LETTERS {
        letters.write_raw(&[0x44, 1]).write_var_uint(letter).write_raw(&[1, b'y']);
    }
    letters.write_raw(&[0]);
    let letters = Message::Sync(SyncMessage::Update(UpdateV1(letters.finish())));
    let received = server.metrics().bytes_received.get();
    slow.send(&letters).await;
    slow.send(&question()).await;
    until("it has arrived", || server.metrics().bytes_received.get() >= received + letters.encode().len() as u64).await;
    add(&other, "at once").await;
    soon(other.wait_on_disk()).await.unwrap();
    assert_eq!(server.metrics().updates_received.get(), 2, "the text and the item, and not yet the letters");
    slow.receive_until(|message| matches!(message, Message::SaveStatus(_))).await;
    assert_eq!(server.metrics().updates_received.get(), 3);
    other.close().await;
    server.stop().await;
}
