//! A stop under load, and who may have the store.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use confluo::Drained;
use confluo_client::Client;
use confluo_hub::{Health, StorageTrouble};
use confluo_protocol::CloseCode;
use confluo_store::{
    DocumentStore, MemoryStore, StoreError,
    faulty::{Fault, FaultyStore},
};
use confluo_store_sled::SledConfig;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    access::with_tokens,
    harness::{Server, add, faulty, items, quick, soon, until},
};

fn open(folder: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(confluo_store_sled::open(SledConfig::new(folder))?))
}

/// Writes until the server is gone; returns what it was told is on disk.
async fn write_until_gone(client: &Client, writer: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for round in 0.. {
        let item = format!("{writer}/{round}");
        add(client, item.clone()).await;
        let gone =
            client.wait_status(|status| matches!(status.connection, confluo_client::ConnectionState::Waiting { .. }));
        tokio::select! {
            biased;
            outcome = client.wait_on_disk() => outcome.unwrap(),
            _ = gone => break,
        }
        acknowledged.push(item);
    }
    acknowledged
}

/// Lessons: acknowledged on receipt and lost on stop; every container stop lost the last seconds.
#[tokio::test(flavor = "multi_thread")]
async fn sy5_cl3_what_was_acknowledged_before_a_stop_under_load_is_there_after_it() {
    const WRITERS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(open(folder.path()).unwrap(), quick()).await;
    let clients = join_all((0..WRITERS).map(|_| server.synced("notes"))).await;
    let writing = join_all(clients.iter().enumerate().map(|(place, client)| write_until_gone(client, place)));
    let stopping = async {
        until("much was written", || server.metrics().updates_received.get() > 200).await;
        server.shutdown.cancel();
    };
    let (acknowledged, ()) = tokio::join!(writing, stopping);
    let acknowledged: BTreeSet<String> = acknowledged.into_iter().flatten().collect();
    assert!(acknowledged.len() > 20, "there was load: {}", acknowledged.len());
    server.stop().await;
    join_all(clients.into_iter().map(Client::close)).await;

    let server = Server::start(open(folder.path()).unwrap(), quick()).await;
    let reader = server.synced("notes").await;
    let there = items(&reader).await;
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_store_is_out_of_service_says_that_not_all_is_on_disk() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let server = Server::start(Arc::new(Arc::clone(&store)), quick()).await;
    let client = server.synced("notes").await;
    store.fail_writes(Some(Fault::OutOfSpace));
    add(&client, "unwritten").await;
    until("the store is out of service", || server.hub.storage_trouble().is_some()).await;
    assert_eq!(server.stop_and_tell().await, Drained::Unwritten { detail: StorageTrouble::DiskFull.description() });
    client.close().await;

    let server = Server::start(Arc::new(MemoryStore::new()), quick()).await;
    assert_eq!(server.stop_and_tell().await, Drained::OnDisk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_was_on_its_way_when_the_stop_began_is_not_told_that_all_is_well() {
    let server = Server::start(faulty(), quick()).await;
    let mut probe = TcpStream::connect(server.address).await.unwrap();
    probe.write_all(b"GET /health/ready HTTP/1.1\r\n").await.unwrap();
    // It is being read: a later request on another connection was answered.
    assert_eq!(server.get("/health/ready").await.0, 200);
    server.shutdown.cancel();
    until("the server drains", || server.hub.health() == Health::Draining).await;
    // It may have been too slow for the last moment that is left to it; then it is cut off.
    let _ = probe.write_all(b"host: x\r\n\r\n").await;
    let mut answer = String::new();
    let _ = soon(probe.read_to_string(&mut answer)).await;
    assert!(answer.is_empty() || answer.contains("503") && answer.contains("\"shutting-down\""), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_neither_for_a_token_nor_for_the_end_of_a_refusal() {
    let mut config = with_tokens();
    config.auth.token_timeout = Duration::from_secs(60);
    config.sessions.rejection_delay = Duration::from_secs(30);
    let server = Server::start(faulty(), config).await;
    let mut silent = server.raw("/sync/team/notes").await;
    let mut refused = server.raw("/sync/team/notes?token=nonsense").await;
    until("both are received", || server.metrics().connections.get() == 2).await;
    // Sooner than either would have ended.
    server.stop().await;
    assert_eq!(silent.close_code().await, CloseCode::GoingAway.code());
    assert_eq!(refused.close_code().await, CloseCode::Unauthorised.code());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_in_use_is_refused_to_a_second_server_and_free_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(open(folder.path()).unwrap(), quick()).await;
    let refused = open(folder.path()).err().expect("one at a time");
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
    server.stop().await;
    assert!(open(folder.path()).is_ok());
}
