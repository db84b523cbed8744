//! Thousands of clients lose their server at one moment, edit on, and all come back when it does.
//! `CONFLUO_STORM_CLIENTS` says how many; each costs an open file here and one in the server.

use std::collections::BTreeSet;

use confluo_client::{Backoff, Client};
use confluo_testkit::long_run;
use futures_util::future::join_all;

use crate::{
    home::{Home, soon},
    load::{add, items, items_of},
};

const CLIENTS_PER_DOCUMENT: u64 = 20;

async fn all_on_disk(clients: &[(String, Client)]) {
    let saved = join_all(clients.iter().map(|(_, client)| client.wait_on_disk()));
    for outcome in soon("every edit is on disk", saved).await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sy5_a_reconnect_storm_after_a_kill_loses_nothing() {
    let count = long_run::rounds("CONFLUO_STORM_CLIENTS", 2_000);
    let home = Home::new("sled", [127, 0, 1, 3]);
    let server = home.start();
    let clients: Vec<_> = (0..count)
        .map(|place| {
            let document = format!("room {}", place / CLIENTS_PER_DOCUMENT);
            let mut config = home.client_config(&document);
            // As patient as clients are: their waits are what spreads the storm.
            config.backoff = Backoff::default();
            (document, Client::connect(config))
        })
        .collect();
    for (place, (_, client)) in clients.iter().enumerate() {
        add(client, format!("{place} before")).await;
    }
    all_on_disk(&clients).await;

    server.kill();
    for (place, (_, client)) in clients.iter().enumerate() {
        add(client, format!("{place} while it was away")).await;
    }
    let clock = confluo_hub::Clock;
    let (died, server) = (clock.now(), home.start());
    all_on_disk(&clients).await;
    println!("{count} clients were back {:?} after the restart, with every edit on disk", clock.now() - died);

    for members in clients.chunks(CLIENTS_PER_DOCUMENT as usize) {
        let (document, _) = &members[0];
        let newcomer = Client::connect(home.client_config(document));
        // It is in sync at its first step 2; what was written since that was encoded follows it.
        let count = members.len() * 2;
        let whole = newcomer.wait_until(move |txn| items_of(txn).len() >= count);
        soon("a newcomer has everything", whole).await.unwrap();
        let there: BTreeSet<String> = items(&newcomer).await;
        assert_eq!(there.len(), count, "{document}: something is there that nobody wrote");
        for (_, client) in members {
            let expected = there.clone();
            let equal = client.wait_until(move |txn| items_of(txn) == expected);
            soon("all have the same document", equal).await.unwrap();
        }
    }
    server.kill();
}
