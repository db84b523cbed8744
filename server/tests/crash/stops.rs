//! A server that is told to stop closes its store: the next start need not do what it does after a crash.

use confluo_client::Client;

use crate::{home::Home, load::add};

async fn check(engine: &'static str, host: [u8; 4]) {
    let home = Home::new(engine, host);
    let is_journal = |name: &String| name.starts_with("journal");
    for leaves_journal in [true, false] {
        let server = home.start();
        let client = Client::connect(home.client_config("notes"));
        add(&client, format!("{leaves_journal}")).await;
        client.wait_on_disk().await.unwrap();
        if leaves_journal {
            server.kill();
        } else {
            server.stop();
        }
        let files = home.files();
        assert_eq!(files.iter().any(is_journal), leaves_journal, "{files:?}\n{}", home.log_end());
    }
    home.verify();
    assert_eq!(home.items_on_disk("notes").len(), 2);
}

#[tokio::test]
async fn a_soft_stop_leaves_no_journal_with_sled() {
    check("sled", [127, 0, 1, 4]).await;
}

#[tokio::test]
async fn a_soft_stop_leaves_no_journal_with_redb() {
    check("redb", [127, 0, 1, 5]).await;
}
