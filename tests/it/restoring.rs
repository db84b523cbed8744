//! An old copy of the store is put back under clients that are ahead of it.

use std::{path::Path, process::Command, sync::Arc};

use confluo_client::{Client, Lineage, yrs::Doc};
use confluo_store::DocumentStore;
use confluo_store_sled::SledConfig;

use crate::harness::{Server, add, items, quick, set, soon, wait_for_item};

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -r {} {}", from.display(), to.display());
}

async fn start(data: &Path) -> Server {
    let store = confluo_store_sled::open(SledConfig::new(data)).unwrap();
    assert_eq!(store.stats().findings, Vec::new(), "an old copy is whole");
    Server::start(Arc::new(store), quick()).await
}

/// Somebody who keeps a copy of the document while servers come and go.
struct Member {
    doc: Doc,
    lineage: Lineage,
}

impl Member {
    async fn visit(&self, server: &Server) -> Client {
        let mut config = server.client_config("notes");
        config.lineage = self.lineage;
        let client = Client::connect_with(config, self.doc.clone());
        soon(client.wait_synced()).await.unwrap();
        client
    }

    /// With the lineage, which is told once something of the document is on disk.
    async fn leave(&mut self, client: Client) {
        soon(client.wait_status(|status| status.lineage.is_some())).await.unwrap();
        self.lineage = Lineage::Known(client.watch_status().borrow().lineage.unwrap());
        client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sy4_li2_clients_bring_back_what_an_old_copy_of_the_store_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let member = || Member { doc: Doc::new(), lineage: Lineage::Ask };
    let (mut ann, mut bob) = (member(), member());

    let server = start(&data).await;
    let client = ann.visit(&server).await;
    add(&client, "in the copy").await;
    soon(client.wait_on_disk()).await.unwrap();
    ann.leave(client).await;
    server.stop().await;
    copy(&data, &backup);

    let server = start(&data).await;
    let (anns, bobs) = (ann.visit(&server).await, bob.visit(&server).await);
    add(&anns, "by ann, later").await;
    wait_for_item(&bobs, "by ann, later").await;
    add(&bobs, "by bob, later").await;
    soon(bobs.wait_on_disk()).await.unwrap();
    wait_for_item(&anns, "by bob, later").await;
    ann.leave(anns).await;
    bob.leave(bobs).await;
    server.stop().await;

    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let server = start(&data).await;
    let newcomer = server.synced("notes").await;
    assert_eq!(items(&newcomer).await, set(&["in the copy"]), "the copy is old");
    add(&newcomer, "by a newcomer").await;
    // Bob alone has all of it; the same document is taken back, not refused as another.
    let bobs = bob.visit(&server).await;
    wait_for_item(&newcomer, "by ann, later").await;
    wait_for_item(&newcomer, "by bob, later").await;
    let anns = ann.visit(&server).await;
    let all = set(&["in the copy", "by ann, later", "by bob, later", "by a newcomer"]);
    for client in [&anns, &bobs, &newcomer] {
        wait_for_item(client, "by a newcomer").await;
        soon(client.wait_on_disk()).await.unwrap();
        assert_eq!(items(client).await, all);
    }
    for client in [anns, bobs, newcomer] {
        client.close().await;
    }
    server.stop().await;

    let server = start(&data).await;
    assert_eq!(items(&server.synced("notes").await).await, all, "and it is on disk");
    server.stop().await;
}
