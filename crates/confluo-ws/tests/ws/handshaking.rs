//! Both ends of the opening handshake.

use confluo_ws::client::{ClientRequest, ConnectError, Connected, connect};
use confluo_ws::handshake::{UpgradeError, accept_key, accept_upgrade, offered_subprotocols};
use confluo_ws::{Incoming, Limits};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.collect()
}

fn upgrade() -> HeaderMap {
    headers(&[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ])
}

#[test]
fn the_accept_key_is_that_of_the_rfc() {
    assert_eq!(accept_key(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let accepted = accept_upgrade(&Method::GET, Version::HTTP_11, &upgrade());
    assert_eq!(accepted, Ok(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
}

#[test]
fn what_is_no_upgrade_is_told_so() {
    let check = |name: &'static str, value: Option<&'static str>, expected: UpgradeError, status: u16| {
        let mut headers = upgrade();
        headers.remove(name);
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(accept_upgrade(&Method::GET, Version::HTTP_11, &headers), Err(expected), "{name}: {value:?}");
        assert_eq!(expected.status().as_u16(), status);
    };
    check("upgrade", None, UpgradeError::NotAnUpgrade, 426);
    check("upgrade", Some("h2c"), UpgradeError::NotAnUpgrade, 426);
    check("connection", Some("close"), UpgradeError::NotAnUpgrade, 426);
    check("sec-websocket-version", None, UpgradeError::Version, 426);
    check("sec-websocket-version", Some("8"), UpgradeError::Version, 426);
    check("sec-websocket-key", None, UpgradeError::Key, 400);
    check("sec-websocket-key", Some("c2hvcnQ="), UpgradeError::Key, 400);
    check("sec-websocket-key", Some("not base64 at all!!!!!!!"), UpgradeError::Key, 400);
    assert_eq!(accept_upgrade(&Method::POST, Version::HTTP_11, &upgrade()), Err(UpgradeError::Method));
    assert_eq!(accept_upgrade(&Method::GET, Version::HTTP_10, &upgrade()), Err(UpgradeError::HttpVersion));
}

#[test]
fn subprotocols_are_read_from_every_line() {
    let mut headers = headers(&[("sec-websocket-protocol", "confluo, confluo.token.abc")]);
    headers.append("sec-websocket-protocol", HeaderValue::from_static("other,"));
    let offered: Vec<&str> = offered_subprotocols(&headers).collect();
    assert_eq!(offered, ["confluo", "confluo.token.abc", "other"]);
}

/// Reads a request's head and answers with `answer(accept)`.
async fn answer(mut stream: DuplexStream, answer: impl FnOnce(&str) -> Vec<u8>) -> (String, DuplexStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut request).await.is_ok_and(|read| read > 0));
    }
    let request = String::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    stream.write_all(&answer(&accept_key(key.as_bytes()))).await.unwrap();
    (request, stream)
}

fn request() -> ClientRequest {
    ClientRequest {
        host: "localhost:8787".to_owned(),
        path_and_query: "/sync/a?token=b".to_owned(),
        headers: headers(&[("origin", "http://localhost")]),
        subprotocols: vec!["confluo".to_owned(), "confluo.token.abc".to_owned()],
    }
}

async fn connect_to(
    answer_with: impl FnOnce(&str) -> Vec<u8>,
) -> (Result<Connected<DuplexStream>, ConnectError>, String) {
    let (ours, theirs) = duplex(64 * 1024);
    let request = request();
    let connecting = connect(ours, &request, Limits::default());
    let (connected, (seen, _stream)) = tokio::join!(connecting, answer(theirs, answer_with));
    (connected, seen)
}

fn switching(accept: &str, further: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{further}\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_client_connects_and_reads_what_came_with_the_answer() {
    let answer =
        |accept: &str| [&switching(accept, "Sec-WebSocket-Protocol: confluo\r\n")[..], b"\x81\x05hello"].concat();
    let (connected, seen) = connect_to(answer).await;
    let mut connected = connected.unwrap();
    assert_eq!(connected.subprotocol.as_deref(), Some("confluo"));
    let received = connected.socket.receive().await.unwrap();
    assert_eq!(received, Incoming::Message { bytes: "hello".into(), is_text: true });
    assert!(seen.starts_with("GET /sync/a?token=b HTTP/1.1\r\nHost: localhost:8787\r\n"));
    assert!(seen.contains("\r\norigin: http://localhost\r\n"));
    assert!(seen.contains("\r\nSec-WebSocket-Protocol: confluo, confluo.token.abc\r\n"));
}

#[tokio::test]
async fn a_client_checks_the_answer() {
    let (refused, _) = connect_to(|_| b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec()).await;
    assert!(matches!(refused, Err(ConnectError::Refused(StatusCode::FORBIDDEN))));
    let (garbled, _) = connect_to(|_| b"SSH-2.0-OpenSSH\r\n".to_vec()).await;
    assert!(matches!(garbled, Err(ConnectError::InvalidResponse)));
    let (endless, _) = connect_to(|_| [b"HTTP/1.1 101 ".to_vec(), vec![b'x'; 20 * 1024]].concat()).await;
    assert!(matches!(endless, Err(ConnectError::InvalidResponse)));
    let (wrong_key, _) = connect_to(|_| switching("AAAA", "")).await;
    assert!(matches!(wrong_key, Err(ConnectError::Mismatch("Sec-WebSocket-Accept"))));
    let (unasked, _) = connect_to(|accept| switching(accept, "Sec-WebSocket-Protocol: other\r\n")).await;
    assert!(matches!(unasked, Err(ConnectError::Mismatch("Sec-WebSocket-Protocol"))));
    let (extension, _) =
        connect_to(|accept| switching(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n")).await;
    assert!(matches!(extension, Err(ConnectError::Mismatch("Sec-WebSocket-Extensions"))));
}

#[tokio::test]
async fn a_request_cannot_smuggle_another() {
    let check = async |request: ClientRequest, part: &str| {
        let (ours, _theirs) = duplex(64);
        let refused = connect(ours, &request, Limits::default()).await;
        assert!(matches!(refused, Err(ConnectError::InvalidRequest(found)) if found == part), "{part}");
    };
    check(ClientRequest { host: "a\r\nX: y".to_owned(), ..request() }, "host").await;
    check(ClientRequest { path_and_query: "/a HTTP/1.1".to_owned(), ..request() }, "path").await;
    check(ClientRequest { path_and_query: "a".to_owned(), ..request() }, "path").await;
    check(ClientRequest { subprotocols: vec!["a, b".to_owned()], ..request() }, "subprotocol").await;
}
