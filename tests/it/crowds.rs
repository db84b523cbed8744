//! How much one address and one user may take, and that whoever takes too much is told, and may come back.

use std::time::Duration;

use confluo::config::Config;
use confluo_auth::Networks;
use confluo_hub::Limit;
use confluo_protocol::{Access, CloseCode};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    access::{is_let_in, minted, token, with_tokens},
    harness::{Server, add, faulty, items, quick, set, soon, until},
    raw::Raw,
};

/// This machine counts as any other address.
pub(crate) fn counted(mut config: Config) -> Config {
    config.limits.unlimited_networks = Networks::default();
    config
}

pub(crate) fn count(server: &Server, limit: Limit) -> u64 {
    server.metrics().limit_reached(limit).get()
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_one_connection_too_many_of_an_address_is_told_so_until_one_leaves() {
    let mut config = counted(quick());
    config.limits.max_connections_per_address = 2;
    let server = Server::start(faulty(), config).await;
    let (mut one, mut two) = (server.raw("/sync/notes").await, server.raw("/sync/notes").await);
    is_let_in(&mut one).await;
    is_let_in(&mut two).await;
    assert_eq!(server.raw("/sync/notes").await.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(server.get("/health/live").await.0, 429, "what is no WebSocket is told by its status");
    assert_eq!(count(&server, Limit::ConnectionsPerAddress), 2);
    drop(one);
    until("the first has left", || server.metrics().sessions.get() == 1).await;
    // Its place is free a moment after its session has ended.
    let synced = server.synced("notes").await;
    add(&synced, "in").await;
    soon(synced.wait_on_disk()).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_who_comes_while_too_many_are_being_refused_is_cut_off() {
    let mut config = counted(quick());
    config.limits.max_connections_per_address = 1;
    config.limits.max_refused_per_address = 1;
    config.sessions.rejection_delay = Duration::from_secs(20);
    let server = Server::start(faulty(), config).await;
    let mut first = server.raw("/sync/notes").await;
    is_let_in(&mut first).await;
    let refused = server.raw("/sync/notes").await;
    until("the second is being refused", || count(&server, Limit::ConnectionsPerAddress) == 1).await;
    // It is answered before it has asked anything.
    let mut third = soon(TcpStream::connect(server.address)).await.unwrap();
    let mut answer = String::new();
    soon(third.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert_eq!(count(&server, Limit::RefusedPerAddress), 1);
    drop(refused);
    server.shutdown.cancel();
    assert_eq!(first.close_code().await, CloseCode::GoingAway.code());
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_a_storm_from_one_address_waits_for_its_turn_and_all_come_in() {
    let mut config = counted(quick());
    config.limits.max_upgrades_per_second = 50;
    config.limits.max_upgrade_burst = 1;
    let server = Server::start(faulty(), config).await;
    let clients = join_all((0..20).map(|_| server.synced("notes"))).await;
    for client in &clients {
        assert_eq!(client.watch_status().borrow().times_synced, 1);
    }
    assert_eq!(count(&server, Limit::UpgradesPerAddress), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_who_would_wait_too_long_is_told_to_come_back_and_gets_in_later() {
    let mut config = counted(quick());
    config.limits.max_upgrades_per_second = 1;
    config.limits.max_upgrade_burst = 1;
    config.limits.max_upgrade_wait = Duration::ZERO;
    let server = Server::start(faulty(), config).await;
    is_let_in(&mut server.raw("/sync/notes").await).await;
    // However slow this machine is: of many at once some are too early.
    let codes = join_all((0..30).map(|_| async {
        let mut raw = server.raw("/sync/notes").await;
        raw.receive().await.err()
    }));
    assert!(codes.await.contains(&Some(CloseCode::SlowDown.code())));
    assert!(count(&server, Limit::UpgradesPerAddress) > 0);
    // A client of this project's comes back by itself.
    server.synced("notes").await;
    server.stop().await;
}

/// The proxy is on this machine, where nothing counts by address. Whom it does not name must count all the same, or not
/// to be named would be a way round every limit.
#[tokio::test(flavor = "multi_thread")]
async fn ad8_whom_a_trusted_proxy_does_not_name_counts_by_the_proxy_and_none_hides_who_is_named() {
    let mut config = quick();
    config.limits.max_connections_per_address = 1;
    config.trusted_proxies.networks = Networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let server = Server::start(faulty(), config).await;
    let from = async |forwarded: Option<&[u8]>| {
        let header = |value| (HeaderName::from_static("x-forwarded-for"), HeaderValue::from_bytes(value).unwrap());
        let headers = HeaderMap::from_iter(forwarded.map(header));
        Raw::connect_with(server.address, "/sync/notes", headers, &[]).await.0
    };
    for (first, second) in [
        (Some(&b"192.0.2.1"[..]), Some(&b"\", 192.0.2.1"[..])),
        (Some(b"\xe9, 192.0.2.2"), Some(b"192.0.2.2")),
        (None, Some(b"192.0.2.3, unknown")),
    ] {
        let mut one = from(first).await;
        is_let_in(&mut one).await;
        assert_eq!(from(second).await.close_code().await, CloseCode::SlowDown.code(), "{first:?} and {second:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_behind_a_trusted_proxy_each_client_counts_by_itself() {
    let mut config = counted(quick());
    config.limits.max_connections_per_address = 1;
    config.trusted_proxies.networks = Networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let server = Server::start(faulty(), config).await;
    let from = async |address: &str| {
        let name = HeaderName::from_static("x-forwarded-for");
        let headers = HeaderMap::from_iter([(name, address.parse().unwrap())]);
        Raw::connect_with(server.address, "/sync/notes", headers, &[]).await.0
    };
    let (mut one, mut other) = (from("192.0.2.1").await, from("192.0.2.2").await);
    is_let_in(&mut one).await;
    is_let_in(&mut other).await;
    assert_eq!(from("192.0.2.1").await.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(from("2001:db8::1, 192.0.2.2").await.close_code().await, CloseCode::SlowDown.code());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_a_user_counts_wherever_it_comes_from() {
    let mut config = with_tokens();
    config.limits.max_connections_per_user = 1;
    let server = Server::start(faulty(), config).await;
    let raw = async |user| server.raw(&format!("/sync/team/notes?token={}", token(user, Access::Write))).await;
    let mut ada = raw("ada").await;
    is_let_in(&mut ada).await;
    assert_eq!(raw("ada").await.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(count(&server, Limit::ConnectionsPerUser), 1);
    is_let_in(&mut raw("bob").await).await;
    drop(ada);
    until("ada has left", || server.metrics().sessions.get() == 0).await;
    until("her place is free again", || {
        // Said by the next one that comes in.
        server.metrics().connections.get() == 0
    })
    .await;
    is_let_in(&mut raw("ada").await).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sy19_who_created_too_many_documents_may_write_to_those_that_exist() {
    let mut config = counted(quick());
    config.limits.max_documents_created_per_hour = 1;
    let server = Server::start(faulty(), config).await;
    let (first, second) = (server.synced("first").await, server.synced("second").await);
    add(&first, "one").await;
    soon(first.wait_on_disk()).await.unwrap();
    add(&second, "one").await;
    until("the second was refused", || count(&server, Limit::DocumentsCreated) > 0).await;
    add(&first, "two").await;
    soon(first.wait_on_disk()).await.unwrap();
    let reader = server.synced("first").await;
    assert_eq!(items(&reader).await, set(&["one", "two"]));
    assert!(server.metrics().closed_with(CloseCode::SlowDown).get() > 0);
    assert!(server.get("/metrics").await.1.contains("setting=\"limits.max_documents_created_per_hour\""));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_answered_408_and_one_of_a_stranger_is_not_read() {
    let mut config = with_tokens();
    config.http.request_timeout = Duration::from_millis(500);
    let server = Server::start(faulty(), config).await;
    let admin = minted("root", &[], Duration::from_secs(3600), true);
    for (bearer, status) in [(&*admin, "408"), ("nobody", "401")] {
        let mut stream = soon(TcpStream::connect(server.address)).await.unwrap();
        let head = format!(
            "POST /admin/revocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The rest of the body never comes.
        stream.write_all(b"{").await.unwrap();
        let mut start = [0; 12];
        soon(stream.read_exact(&mut start)).await.unwrap();
        assert_eq!(std::str::from_utf8(&start).unwrap(), format!("HTTP/1.1 {status}"));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requests_of_one_address_wait_for_their_turn_and_then_are_told_to_stop() {
    let mut config = counted(quick());
    (config.limits.max_requests_per_second, config.limits.max_request_burst) = (1, 2);
    let server = Server::start(faulty(), config).await;
    // At the door of a WebSocket they do not count.
    let client = server.synced("notes").await;
    let answers = join_all((0..12).map(|_| server.get("/health/live"))).await;
    let told = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!(told as u64, count(&server, Limit::RequestsPerAddress));
    assert!((1..=10).contains(&told), "two at once, and some in their turn: {told} of 12 were turned away");
    assert!(answers.iter().all(|(status, _)| [200, 429].contains(status)));
    add(&client, "in").await;
    soon(client.wait_on_disk()).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_says_that_it_wants_a_websocket_is_held_to_the_bounds_of_plain_requests() {
    let mut config = counted(quick());
    config.limits.max_connections_per_address = 1;
    let server = Server::start(faulty(), config).await;
    let mut first = server.raw("/sync/notes").await;
    is_let_in(&mut first).await;
    for path in ["/metrics", "/health/live", "/admin/revocations"] {
        let mut stream = soon(TcpStream::connect(server.address)).await.unwrap();
        let head = "Host: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 429", "{path}");
    }
    drop(first);
    server.stop().await;
}
