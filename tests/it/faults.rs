//! Faults of the network, on real sockets: whatever it does, nothing that was acknowledged or shown is lost, all copies end
//! equal, and the server keeps nothing of those who are gone.
//!
//! `cargo xtask faults 60` lets each weather last that many seconds, with stalls of 0.2 to 3 s and a partition of a minute.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use confluo::config::Config;
use confluo_client::{Backoff, Client, ClientConfig, ConnectionState};
use confluo_hub::Clock;
use confluo_protocol::CloseCode;
use confluo_testkit::long_run;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{DEADLINE, Server, add, faulty, items, items_of, quick, set, soon, until, wait_for_item},
    proxy::{FaultProxy, Weather},
};

const DOCUMENTS: [&str; 2] = ["notes", "board"];
const CLIENTS_PER_DOCUMENT: u64 = 3;
/// What each client gets onto the disk in each weather of the bounded run.
const ITEMS_PER_CLIENT: usize = 4;

/// A server that notices silence soon.
fn attentive() -> Config {
    let mut config = quick();
    config.sessions.filler_interval = Duration::from_secs(1);
    config.sessions.ping_interval = Duration::from_secs(1);
    config.sessions.no_sign_of_life_timeout = Duration::from_secs(4);
    config
}

/// How a client gets there through the proxy; it notices silence soon, too.
fn through(proxy: &FaultProxy, document: &str, seed: u64) -> ClientConfig {
    let mut config = ClientConfig::new(&format!("ws://{}/sync/{document}", proxy.address)).unwrap();
    config.backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(100), seed);
    config.connect_timeout = Duration::from_secs(3);
    config.silence_timeout = Duration::from_secs(4);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn fr8_aw7_4508_who_vanishes_is_noticed_its_presence_goes_and_its_room_closes() {
    let server = Server::start(faulty(), attentive()).await;
    let proxy = FaultProxy::start(server.address, 1).await;
    let onlooker = server.synced("notes").await;
    let vanishing = Client::connect(through(&proxy, "notes", 1));
    let alone = Client::connect(through(&proxy, "elsewhere", 2));
    for client in [&vanishing, &alone] {
        client.set_awareness(Some("{}".to_owned())).await.unwrap();
        soon(client.wait_synced()).await.unwrap();
    }
    add(&vanishing, "kept").await;
    soon(vanishing.wait_on_disk()).await.unwrap();
    let id = vanishing.client_id();
    let mut states = onlooker.watch_awareness();
    soon(states.wait_for(|states| states.contains_key(&id))).await.unwrap();
    assert_eq!(server.hub.documents_open(), 2);

    proxy.vanish();
    // Their processes die too: nobody is left who could come back.
    join_all([vanishing.close(), alone.close()]).await;
    soon(states.wait_for(|states| !states.contains_key(&id))).await.unwrap();
    until("both were closed for their silence", || server.metrics().closed_with(CloseCode::NoSignOfLife).get() == 2)
        .await;
    until("the room of who was alone is closed", || server.hub.documents_open() == 1).await;
    assert_eq!(items(&onlooker).await, set(&["kept"]));
    onlooker.close().await;
    server.is_empty().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_a_server_that_vanishes_is_noticed_and_what_was_done_meanwhile_arrives() {
    let server = Server::start(faulty(), attentive()).await;
    let proxy = FaultProxy::start(server.address, 2).await;
    let onlooker = server.synced("notes").await;
    let client = Client::connect(through(&proxy, "notes", 1));
    soon(client.wait_synced()).await.unwrap();
    proxy.vanish();
    add(&client, "into the void").await;
    add(&onlooker, "meanwhile").await;
    let told = |state: &ConnectionState| matches!(state, ConnectionState::Waiting { because, .. } if because.contains("heard"));
    soon(client.wait_status(|status| told(&status.connection) || status.times_synced > 1)).await.unwrap();
    wait_for_item(&onlooker, "into the void").await;
    wait_for_item(&client, "meanwhile").await;
    until("its old session is gone", || server.metrics().sessions.get() == 2).await;
    join_all([client.close(), onlooker.close()]).await;
    server.is_empty().await;
    server.stop().await;
}

/// Clients behind one proxy, and what each was promised.
struct Crowd {
    clients: Vec<(&'static str, String, Client)>,
    /// How many items each has on the disk.
    saved: watch::Sender<Vec<usize>>,
    stop: CancellationToken,
}

impl Crowd {
    fn new(proxy: &FaultProxy) -> Self {
        let mut clients = Vec::new();
        for document in DOCUMENTS {
            for place in 0..CLIENTS_PER_DOCUMENT {
                let client = Client::connect(through(proxy, document, place));
                clients.push((document, format!("client {place}"), client));
            }
        }
        let saved = watch::Sender::new(vec![0; clients.len()]);
        Self { clients, saved, stop: CancellationToken::new() }
    }

    /// Each puts item after item, each after the one before is on disk; what it was told is on disk, and what it saw of others.
    async fn write(&self) -> Vec<(&'static str, BTreeSet<String>)> {
        join_all(self.clients.iter().enumerate().map(async |(place, (document, author, client))| {
            let mut promised = BTreeSet::new();
            for number in 0.. {
                let item = format!("{author}/{number}");
                add(client, item.clone()).await;
                let saved = self.stop.run_until_cancelled(client.wait_on_disk()).await;
                let Some(saved) = saved else { break };
                saved.unwrap();
                promised.insert(item);
                self.saved.send_modify(|saved| saved[place] = number + 1);
            }
            let own = format!("{author}/");
            promised.extend(items(client).await.into_iter().filter(|item| !item.starts_with(&own)));
            (*document, promised)
        }))
        .await
    }

    /// Waits until each client has saved that many more.
    async fn progress(&self, more: usize) {
        let before = self.saved.borrow().clone();
        let all_have = |saved: &Vec<usize>| saved.iter().zip(&before).all(|(now, before)| *now >= before + more);
        let waited = tokio::time::timeout(Duration::from_secs(120), async {
            self.saved.subscribe().wait_for(all_have).await.unwrap();
        });
        assert!(waited.await.is_ok(), "no progress: {:?} after {before:?}", self.saved.borrow());
    }

    /// Everyone has what is on disk, and all of it.
    async fn converge(&self, server: &Server, promised: &[(&'static str, BTreeSet<String>)]) {
        for (_, _, client) in &self.clients {
            soon(client.wait_on_disk()).await.unwrap();
        }
        for document in DOCUMENTS {
            let newcomer = server.synced(document).await;
            // A newcomer is in sync at its first step 2; what was written since that was encoded follows it.
            for (_, promised) in promised.iter().filter(|(of, _)| *of == document) {
                let wanted = promised.clone();
                let whole = newcomer.wait_until(move |txn| wanted.is_subset(&items_of(txn)));
                if tokio::time::timeout(DEADLINE, whole).await.is_err() {
                    let there = items(&newcomer).await;
                    let lost: Vec<_> = promised.difference(&there).collect();
                    panic!("{document}: shown or acknowledged, and lost: {lost:?}");
                }
            }
            for (_, _, client) in self.clients.iter().filter(|(of, ..)| *of == document) {
                let mut interval = tokio::time::interval(Duration::from_millis(2));
                soon(async {
                    while items(client).await != items(&newcomer).await {
                        interval.tick().await;
                    }
                })
                .await;
            }
            newcomer.close().await;
        }
    }

    fn times_synced(&self) -> u64 {
        self.clients.iter().map(|(_, _, client)| client.watch_status().borrow().times_synced).sum()
    }
}

/// What a run is like: bounded in the suites, long by its own command.
#[derive(Clone)]
struct Run {
    seconds: u64,
    stalls: Range<Duration>,
    parted: Duration,
}

impl Run {
    fn asked_for() -> Self {
        let seconds = long_run::rounds("CONFLUO_FAULT_SECONDS", 0);
        let millis = |range: Range<u64>| Duration::from_millis(range.start)..Duration::from_millis(range.end);
        match seconds {
            0 => Self { seconds, stalls: millis(10..150), parted: Duration::ZERO },
            _ => Self { seconds, stalls: millis(200..3_000), parted: Duration::from_secs(60) },
        }
    }
}

/// Everyone writes in that weather; when it has cleared, the time until all is on disk and all copies are equal.
#[expect(clippy::print_stdout, reason = "the long run reports what it proved")]
async fn weather(title: &str, weather: Weather, run: &Run) {
    let server = Server::start(faulty(), attentive()).await;
    let proxy = FaultProxy::start(server.address, run.seconds + 3).await;
    let crowd = Crowd::new(&proxy);
    let clock = Clock;
    let driving = async {
        crowd.progress(1).await;
        let (is_parted, resets) = (weather.is_parted, weather.reset_after_bytes.is_some());
        proxy.set(weather);
        let cleared_at = if is_parted {
            part(&server, &crowd, run.parted).await;
            clock.now()
        } else {
            if resets {
                // So that everyone gets a connection that will be reset.
                proxy.reset();
            }
            let ends_at = clock.now() + Duration::from_secs(run.seconds);
            crowd.progress(ITEMS_PER_CLIENT).await;
            while clock.now() < ends_at {
                crowd.progress(1).await;
            }
            clock.now()
        };
        proxy.set(Weather::calm());
        crowd.progress(1).await;
        crowd.stop.cancel();
        cleared_at
    };
    let (promised, cleared_at) = tokio::join!(crowd.write(), driving);
    crowd.converge(&server, &promised).await;
    let count: usize = crowd.saved.borrow().iter().sum();
    println!(
        "{title}: {count} items acknowledged, none lost, {} connections; all copies equal {:?} after it had cleared",
        crowd.times_synced(),
        clock.now() - cleared_at
    );
    join_all(crowd.clients.into_iter().map(|(_, _, client)| client.close())).await;
    server.is_empty().await;
    server.stop().await;
}

/// Until every client has given its connection up and the server has given up every session, and at least so long.
async fn part(server: &Server, crowd: &Crowd, parted: Duration) {
    tokio::time::sleep(parted).await;
    let is_gone = |state: &ConnectionState| !matches!(state, ConnectionState::Synced | ConnectionState::Syncing);
    for (_, _, client) in &crowd.clients {
        soon(client.wait_status(|status| is_gone(&status.connection))).await.unwrap();
    }
    until("the server has given up everyone", || server.metrics().sessions.get() == 0).await;
    // On the two sides of a parted network.
    let onlooker = server.synced(DOCUMENTS[0]).await;
    add(&onlooker, "on the server's side").await;
    soon(onlooker.wait_on_disk()).await.unwrap();
    onlooker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_a_byte_at_a_time_is_enough() {
    weather("a byte at a time", Weather { piece_bytes: 1, ..Weather::calm() }, &Run::asked_for()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_a_tenth_of_the_segments_stalled_delays_and_loses_nothing() {
    let run = Run::asked_for();
    let title = format!("a tenth of the segments stalled for {:?}", run.stalls);
    weather(&title, Weather { stalls: Some((10, run.stalls.clone())), ..Weather::calm() }, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_resets_in_the_middle_of_frames_lose_nothing() {
    let weather_of_resets = Weather { reset_after_bytes: Some(300..3_000), piece_bytes: 7, ..Weather::calm() };
    weather("resets in mid-frame", weather_of_resets, &Run::asked_for()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_a_partition_that_outlasts_every_patience_loses_nothing() {
    let run = Run::asked_for();
    let title = format!("a partition of {:?}, and until both sides had given up", run.parted);
    weather(&title, Weather { is_parted: true, ..Weather::calm() }, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cl5_all_of_it_at_once_loses_nothing() {
    let run = Run::asked_for();
    let storm = Weather {
        piece_bytes: 3,
        stalls: Some((40, run.stalls.clone())),
        reset_after_bytes: Some(1_000..8_000),
        ..Weather::calm()
    };
    weather("all of it at once", storm, &run).await;
}
