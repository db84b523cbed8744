//! Keys that an issuer offers at a URL: rotation, outages, and answers that are no keys.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use confluo::config::Config;
use confluo_auth::{Algorithm, Grants, MintRequest, SigningKey, UnixTime, mint};
use confluo_hub::Clock;
use confluo_protocol::{Access, AuthMessage, Message};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    access::{is_let_in, token, with_tokens},
    harness::{Server, faulty, soon, until},
};

/// What the issuer says to whoever asks.
#[derive(Clone)]
enum Answer {
    Bytes(Vec<u8>),
    Nothing,
    /// The bytes, once `go_on` is told; `begun` tells that somebody asked.
    Held {
        begun: Arc<Notify>,
        go_on: Arc<Notify>,
        bytes: Vec<u8>,
    },
    /// Bytes without an end.
    Flood,
}

struct Issuer {
    port: u16,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    _until: DropGuard,
}

impl Issuer {
    async fn start(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (says, counts, until, connections) = (Arc::clone(&answer), Arc::clone(&asked), stop.clone(), tasks.clone());
        let serving = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (says, counts, tls) = (Arc::clone(&says), Arc::clone(&counts), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => answer_once(stream, &says, &counts).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer_once(stream, &says, &counts).await,
                            Err(_) => counts.fetch_add(1, Ordering::SeqCst),
                        },
                    }
                });
            }
        };
        tasks.spawn(async move { until.run_until_cancelled(serving).await });
        Self { port, answer, asked, _until: stop.drop_guard() }
    }

    fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A server that takes its keys from here alone.
    fn config(&self, scheme: &str, more: &serde_json::Value) -> Config {
        let mut config = self.config_beside_a_secret(scheme, more);
        config.auth.keys.clear();
        config
    }

    /// A server that also has a secret without a kid, as scripts do that mint tokens of their own.
    fn config_beside_a_secret(&self, scheme: &str, more: &serde_json::Value) -> Config {
        let mut config = with_tokens();
        let url = format!("{scheme}://localhost:{}/keys?tenant=7", self.port);
        let mut source = json!({"url": url, "refresh": "1h", "cooldown": "100ms", "timeout": "10s"});
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config.auth.jwks = vec![serde_json::from_value(source).unwrap()];
        config
    }
}

async fn answer_once(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    says: &Mutex<Answer>,
    asked: &AtomicUsize,
) -> usize {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return 0,
        }
    }
    assert!(head.starts_with(b"GET /keys?tenant=7 HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head));
    let answer = says.lock().unwrap().clone();
    match answer {
        // The server may have had enough before the end.
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Held { begun, go_on, bytes } => {
            begun.notify_one();
            go_on.notified().await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Nothing => {
            let _ = stream.read_u8().await;
        }
        Answer::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
    }
    asked.fetch_add(1, Ordering::SeqCst)
}

fn http(status: &str, body: &str) -> Answer {
    Answer::Bytes(http_bytes(status, body))
}

fn http_bytes(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Two keys as an issuer offers them: the text is `k`, decoded.
const KEYS: [(&str, &str, &str); 2] = [
    ("old", "0123456789abcdef0123456789abcdef", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"),
    ("new", "fedcba9876543210fedcba9876543210", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA"),
];

fn key_set(kids: &[&str]) -> Answer {
    Answer::Bytes(key_set_bytes(kids))
}

fn key_set_bytes(kids: &[&str]) -> Vec<u8> {
    let keys = KEYS.iter().filter(|(kid, ..)| kids.contains(kid));
    let keys: Vec<_> = keys.map(|(kid, _, k)| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": k})).collect();
    http_bytes("200 OK", &json!({"keys": keys}).to_string())
}

fn token_by(kid: &str, secret: &str) -> String {
    let key = SigningKey::from_secret(Some(kid), Algorithm::HS256, secret.as_bytes()).unwrap();
    let request = MintRequest {
        user: "ada".to_owned(),
        display_name: None,
        colour: None,
        grants: Some(Grants::from_pairs([("team/*", Access::Write)]).unwrap()),
        is_admin: false,
        lifetime: Duration::from_secs(3600),
        token_id: None,
    };
    mint(&with_tokens().auth, &key, &request, UnixTime::from(Clock.wall())).unwrap().reveal().to_owned()
}

fn token_of(kid: &str) -> String {
    let (kid, secret, _) = KEYS.iter().find(|(known, ..)| *known == kid).unwrap();
    token_by(kid, secret)
}

/// Whether the door opens; if not, the code.
async fn knock(server: &Server, token: &str) -> Result<(), u16> {
    let mut raw = server.raw(&format!("/sync/team/notes?token={token}")).await;
    match raw.receive().await {
        Ok(Message::Auth(AuthMessage::PermissionDenied(_))) => Err(raw.close_code().await),
        Ok(_) => Ok(()),
        Err(code) => Err(code),
    }
}

const NOT_YET: Result<(), u16> = Err(4501);
const NEVER: Result<(), u16> = Err(4401);

/// Comes back, as clients do, for as long as it is told to.
async fn knock_until_told(server: &Server, token: &str) -> Result<(), u16> {
    soon(async {
        loop {
            match knock(server, token).await {
                NOT_YET => tokio::task::yield_now().await,
                told => return told,
            }
        }
    })
    .await
}

/// How often the keys were read, with this result.
async fn reads(server: &Server, result: &str) -> u64 {
    let (_, metrics) = server.get("/metrics").await;
    let name = format!("confluo_jwks_reads_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

async fn one_more_read(server: &Server, result: &str) {
    let before = reads(server, result).await;
    soon(async { while reads(server, result).await == before {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au7_a_new_key_counts_at_once_and_a_removed_one_no_more() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({}))).await;
    assert_eq!(knock_until_told(&server, &token_of("old")).await, Ok(()));

    issuer.says(key_set(&["old", "new"]));
    assert_eq!(knock_until_told(&server, &token_of("new")).await, Ok(()));
    assert_eq!(knock(&server, &token_of("old")).await, Ok(()));

    issuer.says(key_set(&["new"]));
    assert_eq!(knock_until_told(&server, &token_by("nobody's", KEYS[0].1)).await, NEVER);
    assert_eq!(knock_until_told(&server, &token_of("old")).await, NEVER);
    assert_eq!(knock(&server, &token_of("new")).await, Ok(()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_again_at_their_interval() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({"refresh": "1s", "cooldown": "1h"}))).await;
    soon(async { while knock(&server, &token_of("old")).await.is_err() {} }).await;
    issuer.says(key_set(&["new"]));
    soon(async { while knock(&server, &token_of("new")).await.is_err() {} }).await;
    assert_eq!(knock(&server, &token_of("old")).await, NOT_YET, "the interval took it out of force");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_set_leaves_the_last_good_keys_in_force() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let more = json!({"refresh": "1s", "timeout": "1s"});
    let server = Server::start(faulty(), issuer.config("http", &more)).await;
    assert_eq!(knock_until_told(&server, &token_of("old")).await, Ok(()));
    let cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"keys\": [".to_vec();
    for answer in [
        http("503 Service Unavailable", "later"),
        Answer::Bytes(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec()),
        http("200 OK", "<html>sign in</html>"),
        key_set(&[]),
        http("200 OK", &format!("{}{{\"keys\": []}}", " ".repeat(300 << 10))),
        Answer::Bytes(cut_off),
        Answer::Bytes(b"\x16\x03\x01 not HTTP at all".to_vec()),
        Answer::Bytes(Vec::new()),
        Answer::Flood,
        Answer::Nothing,
    ] {
        issuer.says(answer);
        one_more_read(&server, "failed").await;
        assert_eq!(knock(&server, &token_of("old")).await, Ok(()));
        assert_eq!(knock(&server, &token_of("new")).await, NOT_YET, "nobody is sent away for good meanwhile");
    }
    issuer.says(key_set(&["new"]));
    assert_eq!(knock_until_told(&server, &token_of("new")).await, Ok(()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_without_its_issuer_and_takes_its_keys_when_it_is_there() {
    let issuer = Issuer::start(Answer::Bytes(Vec::new()), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({}))).await;
    one_more_read(&server, "failed").await;
    assert_eq!(knock(&server, &token_of("old")).await, NOT_YET);
    issuer.says(key_set(&["old"]));
    assert_eq!(knock_until_told(&server, &token_of("old")).await, Ok(()));
    server.stop().await;
}

/// A key without a kid fits every token, so what it says of a signature must not count as the word of the key that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn au7_beside_a_secret_without_a_kid_nobody_is_sent_away_for_good_for_want_of_the_issuers_keys() {
    let issuer = Issuer::start(Answer::Bytes(Vec::new()), None).await;
    let config = issuer.config_beside_a_secret("http", &json!({"refresh": "1s", "cooldown": "1s"}));
    let server = Server::start(faulty(), config).await;
    one_more_read(&server, "failed").await;
    assert_eq!(knock(&server, &token_of("old")).await, NOT_YET, "the issuer is away");
    let own = token("ada", Access::Write);
    assert_eq!(knock(&server, &own).await, Ok(()));

    issuer.says(key_set(&["old"]));
    assert_eq!(knock_until_told(&server, &token_of("old")).await, Ok(()));
    let mut raw = server.raw(&format!("/sync/team/notes?token={own}")).await;
    is_let_in(&mut raw).await;
    raw.send(&Message::Auth(AuthMessage::Token(token_of("new").into()))).await;
    assert_eq!(raw.close_code().await, 4501, "it may be a key that is still to come");
    assert_eq!(knock(&server, &token_by("old", KEYS[1].1)).await, NEVER, "a forged signature");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_make_the_server_ask_its_issuer_again_and_again() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({"cooldown": "1h"}))).await;
    until("the first keys", || issuer.asked() == 1).await;
    for stranger in 0..50 {
        assert_eq!(knock(&server, &token_by(&format!("key {stranger}"), KEYS[1].1)).await, NOT_YET);
        assert_eq!(knock(&server, &token_by("old", KEYS[1].1)).await, NEVER, "a forged signature");
    }
    assert_eq!(issuer.asked(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_leaves_does_not_undo_the_read_that_its_token_began() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({}))).await;
    soon(async { while knock(&server, &token_of("old")).await.is_err() {} }).await;
    let (begun, go_on, bytes) = (Arc::new(Notify::new()), Arc::new(Notify::new()), key_set_bytes(&["old", "new"]));
    issuer.says(Answer::Held { begun: Arc::clone(&begun), go_on: Arc::clone(&go_on), bytes });
    let before = reads(&server, "ok").await;
    let token = token_by("nobody's", KEYS[0].1);
    let request = format!("GET /admin/revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut stranger = None;
    let asking = async {
        // It is answered at once as long as the last read is fresh.
        loop {
            let stream = stranger.insert(TcpStream::connect(server.address).await.unwrap());
            stream.write_all(request.as_bytes()).await.unwrap();
            let _ = stream.read_u8().await;
        }
    };
    tokio::select! {
        () = soon(begun.notified()) => {}
        never = asking => match never {}
    }
    let mut stranger = stranger.unwrap();
    stranger.shutdown().await.unwrap();
    // The server has noticed.
    let _ = soon(stranger.read_to_end(&mut Vec::new())).await;
    go_on.notify_one();
    soon(async { while reads(&server, "ok").await == before {} }).await;
    assert_eq!(reads(&server, "failed").await, 0);
    assert_eq!(knock(&server, &token_of("new")).await, Ok(()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_only_an_issuer_that_the_authorities_vouch_for_is_believed() {
    let (acceptor, certificate) = localhost_tls();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certificate).unwrap();
    let issuer = Issuer::start(key_set(&["old"]), Some(acceptor)).await;

    let trusting = Server::start(faulty(), issuer.config("https", &json!({"ca_file": ca_file}))).await;
    assert_eq!(knock_until_told(&trusting, &token_of("old")).await, Ok(()));
    trusting.stop().await;

    // Nobody whom Mozilla trusts has signed it.
    let wary = Server::start(faulty(), issuer.config("https", &json!({}))).await;
    one_more_read(&wary, "failed").await;
    assert_eq!(knock(&wary, &token_of("old")).await, NOT_YET);
    assert_eq!(reads(&wary, "ok").await, 0);
    wary.stop().await;
}

fn localhost_tls() -> (TlsAcceptor, String) {
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(key_pair.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn au7_a_renewal_by_an_unknown_key_sends_the_client_back_to_the_door() {
    let issuer = Issuer::start(key_set(&["old"]), None).await;
    let server = Server::start(faulty(), issuer.config("http", &json!({"cooldown": "1h"}))).await;
    soon(async { while knock(&server, &token_of("old")).await.is_err() {} }).await;
    let mut raw = server.raw(&format!("/sync/team/notes?token={}", token_of("old"))).await;
    is_let_in(&mut raw).await;
    raw.send(&Message::Auth(AuthMessage::Token(token_of("new").into()))).await;
    assert_eq!(raw.close_code().await, 4501);
    server.stop().await;
}
