//! What the binary logs: in which spans, and what never.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use confluo_hub::Clock;
use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1};
use confluo_store::keys::{self, DocumentNumber};
use confluo_store::{Append, Batch, DocumentStore, Engine, Record, UnixMillis};
use confluo_store_sled::SledConfig;

const DEADLINE: Duration = Duration::from_secs(30);
const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// One letter of client 1 in the root `r`, as a sync update.
const EDIT: &[u8] = &[0, 2, 11, 1, 1, 1, 0, 4, 1, 1, b'r', 1, b'a', 0];

fn confluo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
    command.args(arguments).args(["--config", "confluo.toml"]).env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// A server at its most talkative. Its log is a file: a pipe that nobody reads would stop it.
struct Served {
    child: Child,
    folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: tempfile::TempDir) -> Self {
        Self::start_with(folder, "format = \"json\"\nfilter = \"trace\"")
    }

    fn start_with(folder: tempfile::TempDir, log: &str) -> Self {
        let keys = format!("keys = [{{ algorithm = \"HS256\", secret = \"{SECRET}\" }}]");
        let auth = format!("[auth]\nmode = \"token\"\ncookie = \"pass\"\n{keys}");
        let sessions = "[sessions]\nrejection_delay = \"0 s\"";
        fs::write(folder.path().join("confluo.toml"), format!("{auth}\n[log]\n{log}\n{sessions}\n")).unwrap();
        let mut command = confluo(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
        let child = command.stderr(File::create(folder.path().join("log")).unwrap()).spawn().unwrap();
        Self { child, folder }
    }

    /// The log's lines so far, as objects.
    fn events(&self) -> Vec<serde_json::Value> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("each line is one JSON object")).collect()
    }

    /// Waits until the log holds what is looked for.
    fn wait_for<T>(&self, what: &str, find: impl Fn(&serde_json::Value) -> Option<T>) -> T {
        wait_until(what, || self.events().iter().find_map(&find))
    }

    /// The same for a log of text.
    fn wait_for_line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        wait_until(what, || fs::read_to_string(self.folder.path().join("log")).unwrap().lines().find_map(&find))
    }
}

fn wait_until<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let started = Clock.now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Clock.now() < started + DEADLINE, "not in the log: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's frame, with a mask that changes nothing.
fn frame(payload: &[u8]) -> Vec<u8> {
    let [high, low] = (payload.len() as u16).to_be_bytes();
    let length = if payload.len() < 126 { vec![0x80 | low] } else { vec![0xfe, high, low] };
    [&[0x82], &length[..], &[0; 4], payload].concat()
}

/// Type 2, kind 1, and the token with its length in one byte or two.
fn in_band(token: &str) -> Vec<u8> {
    let length = token.len();
    let length = if length < 128 { vec![length as u8] } else { vec![length as u8 | 0x80, (length >> 7) as u8] };
    frame(&[&[2, 1], &length[..], token.as_bytes()].concat())
}

/// Connects, sends `first`, and waits for the first byte behind the answer to the handshake.
fn visit(address: SocketAddr, query: &str, header: &str, first: &[u8]) -> TcpStream {
    visit_document(address, "notes", query, header, first)
}

fn visit_document(address: SocketAddr, document: &str, query: &str, header: &str, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let head = format!("GET /sync/{document}{query} HTTP/1.1\r\nhost: x\r\n{upgrade}{header}\r\n");
    stream.write_all(&[head.as_bytes(), first].concat()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream.read_exact(&mut byte).unwrap();
    stream
}

#[test]
fn at_its_most_talkative_the_log_has_its_spans_and_no_token() {
    let served = Served::start();
    let address: SocketAddr =
        served.wait_for("the address", |event| event["address"].as_str().map(|text| text.parse().unwrap()));
    let minted = confluo(served.folder.path(), &["token", "--user", "ann", "--write", "notes"]).output().unwrap();
    let good = String::from_utf8(minted.stdout).unwrap().trim().to_owned();
    let forged = format!("{}.forged-signature", good.rsplit_once('.').unwrap().0);
    // Kept open: a session that ends by itself is not what this is about.
    let mut visits = Vec::new();
    for token in [&good, &forged] {
        visits.push(visit(address, &format!("?token={token}"), "", &[]));
        for header in [
            format!("authorization: Bearer {token}\r\n"),
            format!("cookie: pass={token}\r\n"),
            format!("sec-websocket-protocol: confluo, confluo.token.{token}\r\n"),
        ] {
            visits.push(visit(address, "", &header, &[]));
        }
        visits.push(visit(address, "", "", &in_band(token)));
    }
    visits[0].write_all(&frame(EDIT)).unwrap();
    served.wait_for("the commit", |event| (event["span"]["name"] == "commit").then_some(()));

    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in served.events() {
        for span in event["spans"].as_array().into_iter().flatten() {
            let known = fields.entry(span["name"].as_str().unwrap().to_owned()).or_default();
            known.extend(span.as_object().unwrap().keys().filter(|key| *key != "name").cloned());
            assert!(
                span["name"] != "room" || event["spans"][0]["name"] == "room",
                "a room is no part of the session that opened it: {event}"
            );
        }
    }
    for (span, expected) in [
        ("connection", &["connection", "peer"][..]),
        ("http_request", &["method", "path", "request_id"]),
        ("session", &["document", "session", "user"]),
        ("room", &["document"]),
        ("commit", &["bytes", "records"]),
    ] {
        assert_eq!(fields.get(span), Some(&expected.iter().map(|&field| field.to_owned()).collect()), "{span}");
    }
    let log = fs::read_to_string(served.folder.path().join("log")).unwrap();
    let signature = good.rsplit_once('.').unwrap().1;
    for secret in [SECRET, signature, "forged-signature"] {
        assert!(!log.contains(secret), "{:?}", log.lines().find(|line| line.contains(secret)));
    }
}

/// Two documents of two records each: of the first the head is flipped, of the second the last record.
fn damaged_store(data: &Path, names: [&str; 2]) {
    let store = confluo_store_sled::open(SledConfig::new(data)).unwrap();
    for (number, document) in (1..).zip(names) {
        for (seq, letter) in [(1, b'a'), (2, b'b')] {
            let update = vec![1, 1, seq as u8, 0, 4, 1, 1, b'r', 1, letter, 0];
            let record =
                Record { seq: Seq(seq), at: UnixMillis(1), authors: Vec::new(), update: UpdateV1(update.into()) };
            let document = DocumentName::new(document).unwrap();
            store.append(&[Append { document, lineage: LineageId([7; 16]), record }]).unwrap();
        }
        let number = DocumentNumber(number);
        let record = keys::chunk(&keys::record(number, Seq(2)), 0);
        let key = if document == names[1] { record } else { keys::head(number) };
        let mut value = store.engine().get(&key).unwrap().unwrap();
        let middle = value.len() / 2;
        value[middle] ^= 1;
        let mut batch = Batch::default();
        batch.put(key, value);
        store.engine().commit(batch).unwrap();
    }
}

#[test]
fn damage_that_a_running_server_meets_is_told_with_the_command_that_salvages() {
    let folder = tempfile::tempdir().unwrap();
    damaged_store(&folder.path().join("data"), ["headless", "holed"]);
    let served = Served::start_in(folder);
    let address: SocketAddr =
        served.wait_for("the address", |event| event["address"].as_str().map(|text| text.parse().unwrap()));
    let minted = confluo(served.folder.path(), &["token", "--user", "ann", "--write", "*"]).output().unwrap();
    let token = format!("?token={}", String::from_utf8(minted.stdout).unwrap().trim());
    for (document, what) in [("headless", "could not be loaded"), ("holed", "was set aside")] {
        let _visit = visit_document(address, document, &token, "", &[]);
        let told = served.wait_for(document, |event| {
            let is_it = event["level"] == "ERROR" && event.to_string().contains(what);
            (is_it && event["document"] == document).then(|| event.to_string())
        });
        assert!(told.contains("confluo doc verify") && told.contains("confluo doc export --salvage"), "{told}");
    }
    // One bad document is no reason to take the server out of service.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A name may hold anything but control characters: as text, fields and other writing directions too.
#[test]
fn the_name_of_a_document_forges_no_fields_of_a_log_line() {
    let folder = tempfile::tempdir().unwrap();
    let name = |what: &str| format!("{what} user=\"root\" \u{202e}x");
    let (headless, holed) = (name("headless"), name("holed"));
    damaged_store(&folder.path().join("data"), [&headless, &holed]);
    let served = Served::start_with(folder, "format = \"text\"\nfilter = \"info\"");
    let address = served.wait_for_line("serving on", |line| {
        line.split_once(" address=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
    });
    let minted = confluo(served.folder.path(), &["token", "--user", "ann", "--write", "*"]).output().unwrap();
    let token = format!("?token={}", String::from_utf8(minted.stdout).unwrap().trim());
    for (what, told) in [("headless", "could not be loaded"), ("holed", "was set aside")] {
        let path = format!("{what}%20user=%22root%22%20%E2%80%AEx");
        let _visit = visit_document(address, &path, &token, "", &[]);
        let quoted = format!("document={:?}", name(what));
        served.wait_for_line(&quoted, |line| (line.contains(told) && line.contains(&quoted)).then_some(()));
        let log = fs::read_to_string(served.folder.path().join("log")).unwrap();
        let forged = log.lines().find(|line| line.contains(&name(what)));
        assert_eq!(forged, None, "every field is quoted");
    }
}

#[test]
fn a_malformed_message_is_told_once_with_whose_it_was_and_none_of_its_content() {
    let served = Served::start();
    let address: SocketAddr =
        served.wait_for("the address", |event| event["address"].as_str().map(|text| text.parse().unwrap()));
    let minted = confluo(served.folder.path(), &["token", "--user", "ann", "--write", "notes"]).output().unwrap();
    let token = format!("?token={}", String::from_utf8(minted.stdout).unwrap().trim());
    let mut stream = visit(address, &token, "", &[]);
    // A length that reaches beyond its frame.
    stream.write_all(&frame(b"\x00\x02\x7fhunter2")).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let is_it = |event: &serde_json::Value| event["level"] == "INFO" && event["code"] == 4400;
    served.wait_for("the malformed message", |event| is_it(event).then_some(()));
    let events = served.events();
    let [told] = &events.iter().filter(|event| is_it(event)).collect::<Vec<_>>()[..] else {
        panic!("more than once");
    };
    for (field, value) in [("document", "notes"), ("user", "ann"), ("client", "127.0.0.1")] {
        assert_eq!(told[field], value, "{told}");
    }
    assert!(told["connection"].is_u64() && told["reason"].is_string(), "{told}");
    assert!(!fs::read_to_string(served.folder.path().join("log")).unwrap().contains("hunter2"));
}
