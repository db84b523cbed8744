//! The HTTP side over real sockets: routes, bounds, upgrades and the way it stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod raw_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::Response;
use confluo::config::{ByteCount, Config};
use confluo::{DocumentUpgrade, Documents, Drained, Readiness};
use confluo_hub::{HubMetrics, Limit};
use confluo_protocol::CloseCode;
use futures_util::future::BoxFuture;
use raw_client::{get, open, read_to_end, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers each upgrade by echoing one byte in upper case, on the bare socket.
#[derive(Default)]
struct Echo {
    metrics: HubMetrics,
    broken: AtomicBool,
    drained: AtomicBool,
    sockets: TaskTracker,
}

impl Documents for Echo {
    fn readiness(&self) -> Readiness {
        if self.broken.load(Ordering::Relaxed) {
            return Readiness::NotReady { reason: "disk-full", detail: "the disk is full" };
        }
        Readiness::Ready
    }

    fn metrics(&self) -> &HubMetrics {
        &self.metrics
    }

    fn upgrade(&self, upgrade: DocumentUpgrade) -> Response {
        let path = upgrade.request.uri.path().to_owned();
        self.sockets.spawn(async move {
            let mut socket = upgrade.socket().await.unwrap();
            let mut byte = [socket.leftover.first().copied().unwrap_or_default()];
            if socket.leftover.is_empty() {
                socket.stream.read_exact(&mut byte).await.unwrap();
            }
            socket.stream.write_all(&byte.to_ascii_uppercase()).await.unwrap();
        });
        let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        answer.header("x-path", path).body(axum::body::Body::empty()).unwrap()
    }

    fn drain(&self) -> BoxFuture<'_, Drained> {
        Box::pin(async {
            self.sockets.close();
            self.sockets.wait().await;
            self.drained.store(true, Ordering::Relaxed);
            Drained::OnDisk
        })
    }
}

struct Server {
    address: std::net::SocketAddr,
    documents: Arc<Echo>,
    shutdown: CancellationToken,
    running: TaskTracker,
}

impl Server {
    async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        adjust(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (documents, shutdown, running) = (Arc::<Echo>::default(), CancellationToken::new(), TaskTracker::new());
        let seam: Arc<dyn Documents> = documents.clone();
        running.spawn(confluo::server::run(listener, Arc::new(config), seam, shutdown.clone()));
        Self { address, documents, shutdown, running }
    }

    async fn stop(self) -> Arc<Echo> {
        self.shutdown.cancel();
        self.running.close();
        tokio::time::timeout(Duration::from_secs(20), self.running.wait()).await.expect("the server stops");
        self.documents
    }
}

/// How often a limit was reached, as `/metrics` says it. It may take a moment to be counted after the socket has closed.
async fn reached(server: &Server, setting: &str) -> u64 {
    let name = format!("confluo_limit_reached_total{{setting=\"{setting}\"}} ");
    let deadline = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let answer = get(server.address, "/metrics").await;
            let count = answer.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
            match count.expect("the limit is counted") {
                0 => {}
                count => break count,
            }
        }
    });
    deadline.await.expect("it was reached")
}

const UPGRADE: &str = "connection: upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n\r\n";

#[tokio::test]
async fn health_says_what_the_documents_say() {
    let server = Server::start(|_| {}).await;
    assert!(get(server.address, "/health/live").await.contains("{\"status\":\"live\"}"));
    assert!(get(server.address, "/health/ready").await.starts_with("HTTP/1.1 200"));
    server.documents.broken.store(true, Ordering::Relaxed);
    let answer = get(server.address, "/health/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"reason\":\"disk-full\""), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let server = Server::start(|_| {}).await;
    let metrics = &server.documents.metrics;
    metrics.deliveries.add(42);
    metrics.connections.set(3);
    metrics.closed_with(CloseCode::TooLarge).increment();
    metrics.commit_micros.observe_duration(Duration::from_millis(3));
    let answer = get(server.address, "/metrics").await;
    for line in [
        "content-type: application/openmetrics-text",
        "confluo_deliveries_total 42\n",
        "confluo_connections 3\n",
        "confluo_closes_total{code=\"4413\",reason=\"too-large\"} 1\n",
        "confluo_commit_seconds_bucket{le=\"0.002\"} 0\n",
        "confluo_commit_seconds_bucket{le=\"0.005\"} 1\n",
        "confluo_commit_seconds_bucket{le=\"+Inf\"} 1\n",
        "confluo_commit_seconds_count 1\n",
        "# TYPE confluo_tasks gauge\n",
        "confluo_build_info{version=",
        "# EOF\n",
    ] {
        assert!(answer.contains(line), "{line:?} is not in:\n{answer}");
    }
    let explained = include_str!("../../deploy/README.md");
    for help in answer.lines().filter_map(|line| line.strip_prefix("# HELP confluo_")) {
        let name = help.split(' ').next().unwrap();
        assert!(explained.contains(&format!("`{name}`")), "{name} is not explained to operators");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_ask_for_their_token() {
    let server = Server::start(|config| config.metrics.token = serde_json::from_str("\"t0p\"").unwrap()).await;
    for (headers, status) in
        [("", 401), ("authorization: Bearer wrong\r\n", 401), ("authorization: Bearer t0p\r\n", 200)]
    {
        let answer =
            request(server.address, &format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n"))
                .await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers} {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_upgrade_on_any_unclaimed_path_gets_the_bare_socket() {
    let server = Server::start(|_| {}).await;
    for path in ["/", "/sync/a%20b", "/team/notes", "/s/x"] {
        let mut stream = open(server.address).await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{UPGRADE}").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101") && head.contains(&format!("x-path: {path}\r\n")), "{head}");
        stream.write_all(b"q").await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, "Q");
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_sent_right_behind_an_upgrade_are_not_lost() {
    let server = Server::start(|_| {}).await;
    let answer = request(server.address, &format!("GET /d HTTP/1.1\r\nhost: x\r\n{UPGRADE}q")).await;
    assert!(answer.ends_with("\r\n\r\nQ"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_running_sockets_and_drains_once() {
    let server = Server::start(|_| {}).await;
    let mut stream = open(server.address).await;
    stream.write_all(format!("GET /d HTTP/1.1\r\nhost: x\r\n{UPGRADE}").as_bytes()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    let idle = open(server.address).await;
    let (address, shutdown) = (server.address, server.shutdown.clone());
    shutdown.cancel();
    stream.write_all(b"q").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with('Q'));
    let documents = server.stop().await;
    assert!(documents.drained.load(Ordering::Relaxed));
    drop(idle);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_request_that_never_comes() {
    let server = Server::start(|config| config.http.header_read_timeout = Duration::from_secs(600)).await;
    let mut half = open(server.address).await;
    half.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    // It is being read: a later request on another connection was answered.
    assert!(get(server.address, "/health/live").await.starts_with("HTTP/1.1 200"));
    server.stop().await;
    assert_eq!(read_to_end(&mut half).await, "");
}

#[tokio::test]
async fn each_bound_of_http_has_its_answer() {
    let server = Server::start(|config| {
        config.http.max_header_bytes = ByteCount::kib(8);
        config.http.max_headers = 8;
        config.http.header_read_timeout = Duration::from_millis(200);
    })
    .await;
    let long_head = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(9000));
    let answer = request(server.address, &long_head).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(20));
    assert!(request(server.address, &many).await.starts_with("HTTP/1.1 431"));
    assert_eq!(reached(&server, "http.max_header_bytes, http.max_headers").await, 2);
    assert_eq!(request(server.address, "GET / HTT").await, "", "a head that never ends is cut off");
    assert_eq!(reached(&server, "http.header_read_timeout").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_answered_503_until_one_leaves() {
    let server = Server::start(|config| config.http.max_connections = 1).await;
    let mut first = open(server.address).await;
    first.write_all(format!("GET /d HTTP/1.1\r\nhost: x\r\n{UPGRADE}").as_bytes()).await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'H');
    assert!(read_to_end(&mut open(server.address).await).await.starts_with("HTTP/1.1 503"));
    first.write_all(b"q").await.unwrap();
    read_to_end(&mut first).await;
    assert_eq!(server.documents.metrics.limit_reached(Limit::Connections).get(), 1);
    // The socket's end is seen a moment before its place is free again.
    let deadline = tokio::time::timeout(Duration::from_secs(10), async {
        while !get(server.address, "/health/live").await.starts_with("HTTP/1.1 200") {}
    });
    deadline.await.expect("the place is free again");
    server.stop().await;
}

#[tokio::test]
async fn pages_come_with_a_strict_policy_and_other_paths_do_not_exist() {
    let server = Server::start(|_| {}).await;
    for path in ["/", "/s/brave-otter"] {
        let answer = get(server.address, path).await;
        for part in ["HTTP/1.1 200", "script-src 'self';", "nosniff", "text/html; charset=utf-8", "no-cache"] {
            assert!(answer.contains(part), "{part:?} is not in {answer}");
        }
    }
    assert!(get(server.address, "/nothing/here").await.starts_with("HTTP/1.1 404"));
    assert!(
        request(server.address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 405")
    );
    server.stop().await;
}

#[tokio::test]
async fn who_asks_again_and_again_and_reads_nothing_is_cut_off() {
    let server = Server::start(|config| config.http.write_timeout = Duration::from_millis(100)).await;
    let mut stream = open(server.address).await;
    let asking = async {
        // When the answers fill all buffers on their way, the server stops reading; without a bound for good.
        while stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("the server closes");
    assert_eq!(reached(&server, "http.write_timeout").await, 1, "and others are served");
    server.stop().await;
}
