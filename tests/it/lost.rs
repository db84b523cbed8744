//! A store that has lost documents: they are refused, not made anew, until somebody says that they know.

use confluo_protocol::CloseCode;
use confluo_store::{Batch, DocumentStore, Engine, StoreError, faulty::Fault, keys};

use crate::harness::{Server, add, faulty, items, name, quick, set, soon, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_may_be_lost_is_refused_until_that_is_acknowledged() {
    let store = faulty();
    let server = Server::start(store.clone(), quick()).await;
    for document in ["kept", "lost"] {
        let client = server.synced(document).await;
        add(&client, document).await;
        soon(client.wait_on_disk()).await.unwrap();
        client.close().await;
    }
    server.is_empty().await;
    assert_eq!(server.ready_answers(200).await, r#"{"status":"ready"}"#);
    assert_eq!(server.metrics().store_findings.get(), 0);

    // As an engine that opens without it; a write that fails makes the server open it again.
    let mut batch = Batch::default();
    batch.remove(keys::catalogue("lost"));
    store.inner().engine().commit(batch).unwrap();
    store.fail_call(store.calls() + 2, Fault::Io);
    let writer = server.client("kept");
    add(&writer, "while it fails").await;
    soon(writer.wait_on_disk()).await.unwrap();
    until("it is counted", || server.metrics().store_findings.get() == 1).await;

    for round in 0..2 {
        let told = server.ready_answers(200).await;
        assert!(told.contains(r#""degraded":"store-damaged""#), "{told}");
        for document in ["lost", "unknown"] {
            let mut raw = server.raw(&format!("/sync/{document}")).await;
            assert_eq!(raw.close_code().await, CloseCode::StorageUnavailable.code(), "{document}");
            let loaded = store.inner().load(&name(document));
            assert!(matches!(loaded, Err(StoreError::MayBeLost { .. })), "{loaded:?}");
        }
        // The next commit makes the numbers agree again by which it was noticed.
        add(&writer, format!("after it, {round}")).await;
        soon(writer.wait_on_disk()).await.unwrap();
        store.inner().reopen().unwrap();
    }
    assert_eq!(items(&writer).await, set(&["kept", "while it fails", "after it, 0", "after it, 1"]));
    writer.close().await;
    server.stop().await;

    let server = Server::start(store.clone(), quick()).await;
    assert_eq!(server.metrics().store_findings.get(), 1, "also after a restart");
    server.stop().await;
    assert_eq!(store.inner().acknowledge().unwrap().len(), 1);
    let server = Server::start(store, quick()).await;
    assert_eq!(server.ready_answers(200).await, r#"{"status":"ready"}"#);
    let client = server.synced("lost").await;
    add(&client, "anew").await;
    soon(client.wait_on_disk()).await.unwrap();
    server.stop().await;
}
