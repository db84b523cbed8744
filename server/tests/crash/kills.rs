//! Death at a random moment, again and again. `CONFLUO_CRASH_ROUNDS` (or `cargo xtask crash 200`) says how often.

use std::{collections::BTreeSet, time::Duration};

use confluo_client::Client;
use confluo_testkit::long_run;
use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    home::{DEADLINE, Home, soon},
    load::{Promises, items, items_of, watch, write},
};

const DOCUMENTS: [&str; 2] = ["notes", "board"];
const CLIENTS_PER_DOCUMENT: usize = 3;

/// Clients that outlive the servers they write to.
struct Crowd {
    clients: Vec<(&'static str, String, Client)>,
    promises: Promises,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Crowd {
    fn start(home: &Home) -> Self {
        let (promises, stop, tasks) = (Promises::new(), CancellationToken::new(), TaskTracker::new());
        let mut clients = Vec::new();
        for document in DOCUMENTS {
            for place in 0..CLIENTS_PER_DOCUMENT {
                let client = Client::connect(home.client_config(document));
                let author = format!("client {place}");
                let writing =
                    write(client.clone(), document.to_owned(), author.clone(), promises.clone(), stop.clone());
                tasks.spawn(writing);
                clients.push((document, author, client));
            }
        }
        Self { clients, promises, stop, tasks }
    }

    /// What each client has of the others, it has from the server.
    async fn note_what_was_seen(&self) {
        for (document, author, client) in &self.clients {
            let own = format!("{author}/");
            let seen = items(client).await.into_iter().filter(|item| !item.starts_with(&own));
            self.promises.add(document, seen);
        }
    }

    /// On the last server: everyone ends with the same document, and a newcomer too.
    async fn converge(self, home: &Home) {
        self.stop.cancel();
        self.tasks.close();
        soon("the last edits are on disk", self.tasks.wait()).await;
        for document in DOCUMENTS {
            let newcomer = Client::connect(home.client_config(document));
            soon("a newcomer has everything", newcomer.wait_synced()).await.unwrap();
            let there = items(&newcomer).await;
            assert_kept(document, &self.promises.of(document), &there);
            for (_, _, client) in self.clients.iter().filter(|(of, ..)| *of == document) {
                let expected = there.clone();
                let equal = client.wait_until(move |txn| items_of(txn) == expected);
                soon("all have the same document", equal).await.unwrap();
            }
            newcomer.close().await;
        }
        join_all(self.clients.into_iter().map(|(_, _, client)| client.close())).await;
    }
}

fn assert_kept(document: &str, promised: &BTreeSet<String>, there: &BTreeSet<String>) {
    let lost: Vec<_> = promised.difference(there).collect();
    assert!(lost.is_empty(), "{document}: shown or acknowledged, and lost: {lost:?}");
}

/// One life: under load until a random moment, or cut short while it opens the store.
async fn live_and_die(home: &Home, crowd: &Crowd, life: u64, rng: &mut StdRng) {
    let server = home.start();
    if life > 0 && rng.random_ratio(1, 6) {
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..200_000))).await;
        server.kill();
        return;
    }
    let gone = CancellationToken::new();
    let watchers = DOCUMENTS.map(|document| {
        let author = format!("watcher {life}");
        crowd.tasks.spawn(watch(home.address, document.to_owned(), author, gone.clone()))
    });
    let more = crowd.promises.count() + rng.random_range(1..120);
    let load = tokio::time::timeout(DEADLINE, crowd.promises.reach(more)).await;
    assert!(load.is_ok(), "the server does not serve:\n{}", home.log_end());
    // Not a wait for anything: the moment itself is what is random.
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
    server.kill();
    gone.cancel();
    for (document, watcher) in DOCUMENTS.iter().zip(watchers) {
        let shown = soon("the watcher sees that the server is gone", watcher).await.unwrap();
        crowd.promises.add(document, shown);
    }
}

#[expect(clippy::print_stdout, reason = "the long run reports what it proved")]
async fn kill_again_and_again(engine: &'static str, host: [u8; 4]) {
    let rounds = long_run::rounds("CONFLUO_CRASH_ROUNDS", 12);
    let home = Home::new(engine, host);
    let crowd = Crowd::start(&home);
    let mut rng = StdRng::seed_from_u64(rounds);
    for life in 0..rounds {
        live_and_die(&home, &crowd, life, &mut rng).await;
        crowd.note_what_was_seen().await;
        // Looked at before anybody comes back: a client's step 2 would heal what was lost.
        home.verify();
        for document in DOCUMENTS {
            let promised = crowd.promises.of(document);
            if !promised.is_empty() {
                assert_kept(document, &promised, &home.items_on_disk(document));
            }
        }
    }
    let promised = crowd.promises.count();
    let last = home.start();
    crowd.converge(&home).await;
    last.kill();
    println!("{engine}: killed {rounds} times, {promised} items shown or acknowledged, none lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sy5_ss2_a_kill_at_any_moment_loses_nothing_shown_or_acknowledged_with_sled() {
    kill_again_and_again("sled", [127, 0, 1, 1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sy5_ss2_a_kill_at_any_moment_loses_nothing_shown_or_acknowledged_with_redb() {
    kill_again_and_again("redb", [127, 0, 1, 2]).await;
}
