//! TLS of the server's own: the same sessions inside it, and certificates that change under it.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use confluo::{
    config::{ByteCount, Config},
    tls::Tls,
};
use confluo_client::{
    Authorities, Client, ConnectionState,
    yrs::{Doc, ReadTxn, Text, Transact, WriteTxn, updates::encoder::Encode},
};
use confluo_hub::Limit;
use confluo_protocol::{AuthMessage, CloseCode, Message, StateVectorV1, SyncMessage};
use confluo_ws::{
    Incoming, Limits, Opcode, WebSocket,
    client::{ClientRequest, connect},
};
use futures_util::future::join_all;
use http::HeaderMap;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    crowds::{count, counted},
    harness::{Server, faulty, quick, soon},
    raw::update_of,
};

/// Writes a new pair and returns its certificate.
fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), key_pair.serialize_pem()).unwrap();
    fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

fn with_tls(folder: &Path) -> Config {
    let mut config = quick();
    config.tls.certificate_file = Some(folder.join("certificate.pem"));
    config.tls.key_file = Some(folder.join("key.pem"));
    config.tls.reload_interval = Duration::from_millis(20);
    config
}

/// A handshake that trusts one certificate alone.
async fn handshake(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

async fn open(server: &Server, trusted: &CertificateDer<'static>, target: &str) -> WebSocket<TlsStream<TcpStream>> {
    let stream = handshake(server, trusted).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let request = ClientRequest {
        host: "localhost".to_owned(),
        path_and_query: target.to_owned(),
        headers: HeaderMap::new(),
        subprotocols: Vec::new(),
    };
    let limits = Limits { max_message_bytes: 64 << 20, ..Limits::default() };
    soon(connect(stream, &request, limits)).await.unwrap().socket
}

async fn receive(socket: &mut WebSocket<TlsStream<TcpStream>>) -> Result<Message, u16> {
    soon(async {
        loop {
            match socket.receive().await.unwrap() {
                Incoming::Message { bytes, .. } => return Ok(Message::read_all(&bytes).unwrap().remove(0)),
                Incoming::Closed(frame) => return Err(frame.map_or(1005, |frame| frame.code)),
                Incoming::Ping | Incoming::Pong(_) => {}
            }
        }
    })
    .await
}

async fn close_code(socket: &mut WebSocket<TlsStream<TcpStream>>) -> u16 {
    loop {
        if let Err(code) = receive(socket).await {
            return code;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_inside_tls_and_large_updates_pass_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = write_pair(folder.path());
    let server = Server::start(faulty(), with_tls(folder.path())).await;
    let (mut writer, mut reader) =
        (open(&server, &trusted, "/sync/notes").await, open(&server, &trusted, "/sync/notes").await);
    let doc = Doc::new();
    for socket in [&mut writer, &mut reader] {
        let vector = doc.transact().state_vector().encode_v1();
        let step1 = Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into())));
        soon(socket.send(Opcode::Binary, &step1.encode())).await.unwrap();
    }
    let text = doc.get_or_insert_text("text");
    text.insert(&mut doc.transact_mut(), 0, &"many records of TLS ".repeat(2000));
    let sent = update_of(&doc).encode();
    soon(writer.send(Opcode::Binary, &sent)).await.unwrap();
    for socket in [&mut writer, &mut reader] {
        // Fillers go on coming, so the whole wait has one deadline.
        soon(async {
            loop {
                let message = receive(socket).await.unwrap();
                // Whoever fell behind meanwhile gets it as a step 2 (SY7).
                if let Message::Sync(SyncMessage::Update(update) | SyncMessage::Step2(update)) = message
                    && update.0.len() > 30_000
                {
                    break;
                }
            }
        })
        .await;
    }
    soon(writer.send(Opcode::Binary, b"\xff\xff")).await.unwrap();
    assert_eq!(close_code(&mut writer).await, CloseCode::Malformed.code());
    server.shutdown.cancel();
    assert_eq!(close_code(&mut reader).await, CloseCode::GoingAway.code());
    server.stop().await;
}

/// A client of the document `notes` at this host, for whose server these authorities may vouch.
fn wss_client(server: &Server, host: &str, authorities: Authorities) -> Client {
    let url = format!("wss://{host}:{}/sync/notes", server.address.port());
    let mut config = confluo_client::ClientConfig::new(&url).unwrap();
    config.backoff = server.client_config("notes").backoff;
    config.authorities = authorities;
    Client::connect(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_wss_syncs_with_the_server_that_its_authority_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    let server = Server::start(faulty(), with_tls(folder.path())).await;
    let own = Authorities::from_pem(&fs::read(folder.path().join("certificate.pem")).unwrap()).unwrap();

    let writer = wss_client(&server, "localhost", own.clone());
    let written = "more than a socket takes at once ".repeat(100_000);
    let length = written.len();
    writer.edit(move |txn| txn.get_or_insert_text("text").push(txn, &written)).await.unwrap();
    soon(writer.wait_on_disk()).await.unwrap();
    let reader = wss_client(&server, "localhost", own.clone());
    soon(reader.wait_until(move |txn| txn.get_text("text").is_some_and(|text| text.len(txn) as usize == length)))
        .await
        .unwrap();

    for (host, authorities, reason) in
        [("localhost", Authorities::default(), "UnknownIssuer"), ("127.0.0.1", own, "not valid for name")]
    {
        let wary = wss_client(&server, host, authorities);
        let is_told = |because: &str| because.contains("no TLS") && because.contains(reason);
        soon(wary.wait_status(
            |status| matches!(&status.connection, ConnectionState::Waiting { because, .. } if is_told(because)),
        ))
        .await
        .unwrap();
        assert_eq!(wary.watch_status().borrow().times_synced, 0);
        wary.close().await;
    }
    for client in [writer, reader] {
        client.close().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr6_the_code_for_too_large_a_message_arrives_inside_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = write_pair(folder.path());
    let mut config = with_tls(folder.path());
    (config.limits.max_message_bytes, config.limits.max_document_bytes) = (ByteCount::kib(64), ByteCount::kib(64));
    let server = Server::start(faulty(), config).await;
    let mut socket = open(&server, &trusted, "/sync/notes").await;
    let flood = Message::Auth(AuthMessage::Token(Bytes::from(vec![b'x'; 8 << 20]))).encode();
    // The server may have closed before all has gone.
    let _ = soon(socket.send(Opcode::Binary, &flood)).await;
    assert_eq!(close_code(&mut socket).await, CloseCode::TooLarge.code());
    server.stop().await;
}

/// Writes to a pipe when the server reads it.
async fn offer(pipe: &Path, text: &str) {
    let (pipe, text) = (pipe.to_owned(), text.to_owned());
    soon(tokio::task::spawn_blocking(move || fs::write(pipe, text))).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_comes_into_force_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_pair(folder.path());
    let server = Server::start(faulty(), with_tls(folder.path())).await;
    let mut before = open(&server, &first, "/sync/notes").await;

    // Half a change is a broken pair as well.
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path());
    let half = fs::read_to_string(other.path().join("certificate.pem")).unwrap();
    let old_key = fs::read_to_string(folder.path().join("key.pem")).unwrap();
    // Pipes in the place of both files: opening one waits until the server reads it.
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let pipes = [&certificate, &key].map(|file| {
        let pipe = file.with_extension("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::rename(&pipe, file).unwrap();
        pipe
    });
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for broken in ["nonsense", garbled, &half, ""] {
        // By the time that it reads this one, it has made up its mind about the one before.
        offer(&certificate, broken).await;
        handshake(&server, &first).await.unwrap();
        offer(&key, &old_key).await;
    }

    fs::rename(&certificate, &pipes[0]).unwrap();
    fs::rename(&key, &pipes[1]).unwrap();
    let second = write_pair(folder.path());
    soon(async {
        while handshake(&server, &second).await.is_err() {
            // It may still wait at one of them.
            for pipe in &pipes {
                fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(handshake(&server, &first).await.is_err());
    // Who was there stays.
    soon(before.send(Opcode::Binary, b"\xff\xff")).await.unwrap();
    assert_eq!(close_code(&mut before).await, CloseCode::Malformed.code());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_finish_a_handshake_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = write_pair(folder.path());
    let mut config = with_tls(folder.path());
    config.tls.handshake_timeout = Duration::from_millis(200);
    let server = Server::start(faulty(), config).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(soon(silent.read(&mut [0; 8])).await.unwrap(), 0);
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/"), "nothing is answered outside TLS");
    let mut asking = handshake(&server, &trusted).await.unwrap();
    asking.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut metrics = String::new();
    soon(asking.read_to_string(&mut metrics)).await.unwrap();
    assert!(metrics.contains("confluo_limit_reached_total{setting=\"tls.handshake_timeout\"} 1\n"), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad8_an_address_that_begins_handshakes_too_fast_is_cut_off_and_a_proxy_that_is_named_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = write_pair(folder.path());
    for is_proxy in [false, true] {
        let mut config = counted(with_tls(folder.path()));
        (config.limits.max_upgrades_per_second, config.limits.max_upgrade_burst) = (1, 1);
        (config.limits.max_requests_per_second, config.limits.max_request_burst) = (1, 1);
        if is_proxy {
            config.trusted_proxies.networks.0.push("127.0.0.0/8".parse().unwrap());
        }
        let server = Server::start(faulty(), config).await;
        let handshakes = join_all((0..30).map(|_| handshake(&server, &trusted))).await;
        let cut_off = handshakes.iter().filter(|handshake| handshake.is_err()).count();
        assert_eq!(count(&server, Limit::HandshakesPerAddress), cut_off as u64);
        // However slow this machine is: of many at once some are too early.
        let expected = if is_proxy { 0..=0 } else { 1..=28 };
        assert!(expected.contains(&cut_off), "{cut_off} of 30, where {expected:?} may be");
        drop(handshakes);
        server.stop().await;
    }
}

#[test]
fn a_pair_that_cannot_be_used_says_what_to_do_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = with_tls(folder.path());
    let problem = || Tls::open(&config.tls).unwrap_err().to_string();
    assert!(problem().contains("tls.certificate_file: cannot read"), "{}", problem());
    write_pair(folder.path());
    assert!(Tls::open(&config.tls).unwrap().is_some());
    fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    assert!(problem().contains("tls.key_file"), "{}", problem());
    fs::write(folder.path().join("certificate.pem"), "nonsense").unwrap();
    assert!(problem().contains("-----BEGIN CERTIFICATE-----"), "{}", problem());
    assert!(Tls::open(&quick().tls).unwrap().is_none());
}
