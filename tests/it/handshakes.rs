//! Wishes for a WebSocket that are none: told by a status, counted, and bounded as plain requests are.

use confluo_hub::Limit;
use confluo_protocol::CloseCode;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    crowds::{count, counted},
    harness::{Server, faulty, quick, soon, until},
};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: websocket\r\n";

/// Sends a request and returns the head of its answer, in lower case.
async fn answer(server: &Server, start: &str, headers: &str) -> String {
    let mut stream = soon(TcpStream::connect(server.address)).await.unwrap();
    stream.write_all(format!("{start}\r\nHost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_handshake_is_told_what_is_wrong_and_counted() {
    let server = Server::start(faulty(), quick()).await;
    let get = "GET /sync/notes HTTP/1.1";
    let cases = [
        (get, format!("{UPGRADE}{VERSION}"), "400", ""),
        (get, format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: c2hvcnQ=\r\n"), "400", ""),
        (get, format!("{UPGRADE}{KEY}"), "426", "sec-websocket-version: 13"),
        (get, format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n"), "426", "sec-websocket-version: 13"),
        (get, format!("Upgrade: websocket\r\n{KEY}{VERSION}"), "426", "upgrade: websocket"),
        ("GET /sync/notes HTTP/1.0", format!("{UPGRADE}{KEY}{VERSION}"), "400", ""),
        ("GET /sync/notes HTTP/1.0", format!("Upgrade: websocket\r\n{KEY}{VERSION}"), "426", "upgrade: websocket"),
        ("POST /sync/notes HTTP/1.1", format!("{UPGRADE}{KEY}{VERSION}Content-Length: 0\r\n"), "405", "allow: get"),
    ];
    let failed = || server.metrics().handshakes_failed.get();
    for (at, (start, headers, status, header)) in cases.into_iter().enumerate() {
        let answer = answer(&server, start, &headers).await;
        let told = answer.split(' ').nth(1).unwrap();
        assert_eq!(told, status, "{start} {headers}: {answer}");
        assert!(answer.contains(header), "{start} {headers}: {answer}");
        assert_eq!(failed(), at as u64 + 1, "{start} {headers}");
    }
    assert_eq!(server.metrics().connections_accepted.get(), 0);
    // These are no wishes for a document.
    answer(&server, "GET /health/live HTTP/1.1", UPGRADE).await;
    answer(&server, "GET /sync/notes HTTP/1.1", "").await;
    server.synced("notes").await;
    assert_eq!(failed(), 8);
    assert!(server.get("/metrics").await.1.contains("confluo_handshakes_failed_total 8\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_handshakes_are_no_way_round_the_bounds_of_plain_requests() {
    let mut config = counted(quick());
    (config.limits.max_requests_per_second, config.limits.max_request_burst) = (1, 2);
    let server = Server::start(faulty(), config).await;
    let answers = join_all((0..12).map(|_| answer(&server, "GET /sync/notes HTTP/1.1", UPGRADE))).await;
    let told = answers.iter().filter(|answer| answer.starts_with("http/1.1 429")).count();
    assert!(told > 0, "{answers:?}");
    assert_eq!(told as u64, count(&server, Limit::RequestsPerAddress));
    until("the others are counted", || server.metrics().handshakes_failed.get() == 12 - told as u64).await;
    server.stop().await;
}

/// A client that moves here may have documents of these names, and could not see why a plain answer is no WebSocket.
#[tokio::test(flavor = "multi_thread")]
async fn ad9_4400_a_wish_for_a_websocket_on_a_route_of_the_server_is_told_by_a_code_and_reaches_nothing_else() {
    let mut config = quick();
    config.metrics.token = serde_json::from_str("\"t0p\"").unwrap();
    let server = Server::start(faulty(), config).await;
    let routes = ["/metrics", "/health/live", "/health/ready", "/admin/revocations", "/metrics?token=x"];
    for route in routes {
        assert_eq!(server.raw(route).await.close_code().await, CloseCode::Malformed.code(), "{route}");
    }
    assert_eq!(server.metrics().sessions_joined.get(), 0);
    server.synced("metrics").await;
    // What is no handshake is answered as ever.
    assert!(answer(&server, "GET /health/live HTTP/1.1", UPGRADE).await.starts_with("http/1.1 200"));
    assert!(answer(&server, "GET /metrics HTTP/1.1", UPGRADE).await.starts_with("http/1.1 401"));
    server.stop().await;
}
