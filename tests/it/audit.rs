//! What the audit log of a whole server says, and what it never says.

use std::time::Duration;

use confluo::config::AuditOutput;
use confluo_hub::Limit;
use confluo_protocol::{Access, CloseCode};
use confluo_ws::Incoming;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{
    access::{is_let_in, minted, refusal, token, with_tokens},
    crowds::{count, counted},
    harness::{Server, add, faulty, quick, soon, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_who_came_wrote_left_was_refused_and_was_revoked_and_never_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    config.audit.output = AuditOutput::File;
    let server = Server::start(faulty(), config).await;
    let (ada, admin) = (token("ada", Access::Write), minted("root", &[], Duration::from_secs(60), true));
    let mut config = server.client_config("team/notes");
    config.token = Some(confluo_client::Token(ada.clone()));
    let client = confluo_client::Client::connect(config);
    soon(client.wait_synced()).await.unwrap();
    for item in ["the content of", "the document"] {
        add(&client, item).await;
        soon(client.wait_on_disk()).await.unwrap();
    }
    client.close().await;
    let target = format!("/sync/team/notes?token={ada}");
    let mut raw = server.raw(&target).await;
    is_let_in(&mut raw).await;
    refusal(&mut server.raw(&format!("/sync/other?token={ada}")).await).await;
    refusal(&mut server.raw("/sync/team/notes?token=nonsense").await).await;
    server.ask("POST", "/admin/revocations", &admin, r#"{"user":"ada"}"#).await;
    assert_eq!(raw.close_code().await, CloseCode::Unauthorised.code());
    server.ask("DELETE", "/admin/revocations", &admin, r#"{"user":"ada"}"#).await;
    server.ask("GET", "/admin/revocations", &ada, "").await;
    server.ask("PUT", "/admin/revocations", &admin, "").await;
    server.ask("OPTIONS", "/admin/revocations", "", "").await;
    server.ask("GET", "/admin/", "", "").await;
    server.ask("GET", "/admin/documents?token=nonsense", "", "").await;
    server.stop().await;

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    for secret in [ada.as_str(), admin.as_str(), "nonsense", "the content of"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |expected: Value| {
        let fits =
            |line: &&Value| expected.as_object().unwrap().iter().all(|(key, value)| line.get(key) == Some(value));
        let count = lines.iter().filter(fits).count();
        assert_eq!(count, 1, "{expected} is there {count} times in\n{text}");
    };
    let (at, on) = ("127.0.0.1", "team/notes");
    has(serde_json::json!({"event": "wrote", "user": "ada", "document": on, "address": at}));
    let name = "ada by name";
    has(serde_json::json!({"event": "connected", "user": "ada", "name": name, "access": "write", "connection": 1}));
    has(serde_json::json!({"event": "left", "user": "ada", "connection": 1}));
    has(serde_json::json!({"event": "refused", "user": "ada", "document": "other", "code": 4403, "address": at}));
    has(serde_json::json!({"event": "refused", "document": on, "code": 4401, "reason": "the token is not a JWT"}));
    has(serde_json::json!({"event": "revoked", "by": "root", "user": "ada", "sessions_ended": 1}));
    has(serde_json::json!({"event": "left", "user": "ada", "code": 4401, "reason": "the token was revoked"}));
    has(serde_json::json!({"event": "reinstated", "by": "root", "user": "ada", "was_revoked": true}));
    has(serde_json::json!({"event": "admin", "by": "root", "method": "POST", "status": 200, "address": at}));
    has(serde_json::json!({"event": "admin", "method": "GET", "path": "/admin/revocations", "status": 403}));
    has(serde_json::json!({"event": "admin", "by": "root", "method": "PUT", "status": 405}));
    has(serde_json::json!({"event": "admin", "method": "OPTIONS", "path": "/admin/revocations", "status": 401}));
    has(serde_json::json!({"event": "admin", "method": "GET", "path": "/admin/", "status": 404}));
    has(serde_json::json!({"event": "admin", "method": "GET", "path": "/admin/documents", "status": 404}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_it_stops_nobody() {
    let mut config = quick();
    config.audit.output = AuditOutput::File;
    config.audit.file = Some("/dev/full".into());
    let server = Server::start(faulty(), config).await;
    let client = server.synced("notes").await;
    add(&client, "item").await;
    soon(client.wait_on_disk()).await.unwrap();
    let lost = async || {
        let text = server.get("/metrics").await.1;
        let line = text.lines().find_map(|line| line.strip_prefix("confluo_audit_events_lost_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    soon(async { while lost().await < 2 {} }).await;
    client.close().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_fill_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    config.audit.output = AuditOutput::File;
    let server = Server::start(faulty(), config).await;
    for _ in 0..100 {
        server.ask("GET", "/admin/revocations", "nonsense", "").await;
        refusal(&mut server.raw("/sync/team/notes?token=nonsense").await).await;
    }
    let metrics = server.get("/metrics").await.1;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("confluo_audit_refusals_folded_total "));
    let counted: usize = counted.unwrap().parse().unwrap();
    server.stop().await;
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines = text.lines().filter(|line| !line.contains("\"folded\"")).count();
    assert!(counted >= 100, "of 200 only {counted} were folded");
    assert_eq!(lines + counted, 200, "every refusal is there or counted");
}

/// Every event's number of refusals: one, or as many as a line says that it stands for.
fn refusals(text: &str) -> u64 {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] != "admin").map(|line| line["refusals"].as_u64().unwrap_or(1)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = counted(with_tokens());
    config.server.data_dir = folder.path().to_owned();
    config.audit.output = AuditOutput::File;
    config.limits.max_connections_per_address = 2;
    config.limits.max_refused_per_address = 1;
    config.sessions.rejection_delay = Duration::from_secs(20);
    let server = Server::start(faulty(), config).await;
    let target = "/sync/team/notes?token=nonsense";
    let told = server.raw(target).await;
    let (text, written) = (|| std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap(), 1);
    until("the first is written down, and being told", || refusals(&text()) == written).await;
    // The second of the two sockets that its address may have: it may not even be told.
    let mut cut_off = server.raw(target).await;
    let end = soon(cut_off.socket.receive()).await;
    assert!(matches!(end, Err(_) | Ok(Incoming::Closed(None))), "{end:?}");
    let held = TcpStream::connect(server.address).await.unwrap();
    let answer = server.exchange("").await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert_eq!(count(&server, Limit::RefusedPerAddress), 2);
    until("both are counted", || server.door.audit().counts().folded.get() == 2).await;
    drop((told, held));
    server.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_no_place_at_all_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    config.audit.output = AuditOutput::File;
    config.http.max_connections = 1;
    let server = Server::start(faulty(), config).await;
    let held = TcpStream::connect(server.address).await.unwrap();
    let answer = server.exchange("").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(count(&server, Limit::Connections), 1);
    drop(held);
    server.stop().await;
    assert_eq!(refusals(&std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap()), 1);
}
