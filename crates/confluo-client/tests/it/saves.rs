//! Waiting for the server's disk.

use confluo_client::{
    Client, ClientError,
    yrs::{Text, WriteTxn},
};
use confluo_protocol::{Message, SyncMessage, message::encode_save_status_with_refusals};

use crate::peer::{Peer, document, note_of, soon};

async fn edited(peer: &Peer) -> Client {
    let client = Client::connect(peer.config());
    client.edit(|txn| txn.get_or_insert_text("note").push(txn, "edit")).await.unwrap();
    client
}

#[tokio::test]
async fn ss2_the_question_follows_the_edits_and_the_answer_ends_the_wait() {
    let peer = Peer::bind().await;
    let client = edited(&peer).await;
    let mut session = peer.accept().await;
    let doc = document("");
    session.sync(&doc).await;
    soon(client.wait_synced()).await.unwrap();
    client.edit(|txn| txn.get_or_insert_text("note").push(txn, " more")).await.unwrap();
    let server = async {
        let mut edits_before = 0;
        let status = session
            .receive_until(|message| match message {
                Message::SaveStatus(bytes) => Some(bytes),
                Message::Sync(SyncMessage::Update(_)) => {
                    edits_before += 1;
                    None
                }
                _ => None,
            })
            .await;
        assert_eq!(edits_before, 1);
        session.send(Message::SaveStatus(status)).await;
        session
    };
    let (answer, _session) = tokio::join!(soon(client.wait_on_disk()), server);
    assert_eq!(answer, Ok(()));
    client.close().await;
}

#[tokio::test]
async fn ss2_a_broken_connection_only_means_asking_again_after_the_edits_were_sent_again() {
    let peer = Peer::bind().await;
    let client = edited(&peer).await;
    let server = async {
        let mut session = peer.accept().await;
        session.sync(&document("")).await;
        let _unanswered = session.receive_save_status().await;
        drop(session);
        let doc = document("");
        let mut session = peer.accept().await;
        session.sync(&doc).await;
        assert_eq!(note_of(&doc), "edit", "the edit is there before the question is answered");
        let status = session.receive_save_status().await;
        session.send(Message::SaveStatus(status)).await;
        session
    };
    let (answer, _session) = tokio::join!(soon(client.wait_on_disk()), server);
    assert_eq!(answer, Ok(()));
    client.close().await;
}

#[tokio::test]
async fn ss4_refused_writes_are_told() {
    let peer = Peer::bind().await;
    let client = edited(&peer).await;
    let server = async {
        let mut session = peer.accept().await;
        session.sync(&document("")).await;
        let status = session.receive_save_status().await;
        session.send_frame(&encode_save_status_with_refusals(&status)).await;
        session
    };
    let (answer, _session) = tokio::join!(soon(client.wait_on_disk()), server);
    assert_eq!(answer, Err(ClientError::WritesRefused));
    client.close().await;
}
