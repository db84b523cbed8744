//! Syncing, editing with and without a connection, coming back, and when not to.

use std::time::Duration;

use confluo_client::{
    Client, ClientError, ConnectionState, Lineage, StopReason, Token,
    yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, WriteTxn},
};
use confluo_protocol::{Access, AuthMessage, CloseCode, LineageId, Message, SyncMessage, UpdateV1};

use crate::peer::{Peer, Session, apply, document, note_of, soon};

async fn write(client: &Client, text: &'static str) {
    client
        .edit(move |txn| {
            let note = txn.get_or_insert_text("note");
            note.push(txn, text);
        })
        .await
        .unwrap();
}

async fn note(client: &Client) -> String {
    client.read(|txn| txn.get_text("note").map_or_else(String::new, |note| note.get_string(txn))).await.unwrap()
}

async fn receive_update(session: &mut Session, doc: &Doc) {
    let update = session
        .receive_until(|message| match message {
            Message::Sync(SyncMessage::Update(update)) => Some(update),
            _ => None,
        })
        .await;
    apply(doc, &update);
}

#[tokio::test]
async fn sy1_both_have_everything_after_the_handshake_and_edits_follow() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    write(&client, "before ").await;
    let doc = document("");
    let mut session = peer.accept().await;
    session.sync(&doc).await;
    soon(client.wait_synced()).await.unwrap();
    assert_eq!(note_of(&doc), "before ");
    write(&client, "after").await;
    receive_update(&mut session, &doc).await;
    assert_eq!(note_of(&doc), "before after");
    client.close().await;
}

#[tokio::test]
async fn what_others_write_arrives_and_can_be_waited_for() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    let mut session = peer.accept().await;
    session.sync(&document("")).await;
    let arrives = {
        let client = client.clone();
        async move { client.wait_until(|txn| txn.get_text("note").is_some_and(|note| note.len(txn) == 5)).await }
    };
    let update = document("hello").transact().encode_diff_v1(&StateVector::default());
    session.send(Message::Sync(SyncMessage::Update(UpdateV1(update.into())))).await;
    soon(arrives).await.unwrap();
    assert_eq!(note(&client).await, "hello");
    client.close().await;
}

#[tokio::test]
async fn what_was_edited_offline_is_merged_by_the_next_connection() {
    let peer = Peer::bind().await;
    let doc = document("shared ");
    let client = Client::connect(peer.config());
    let mut session = peer.accept().await;
    session.sync(&doc).await;
    soon(client.wait_synced()).await.unwrap();
    drop(session);
    soon(client.wait_status(|status| status.connection != ConnectionState::Synced)).await.unwrap();
    write(&client, "offline").await;
    let mut session = peer.accept().await;
    session.sync(&doc).await;
    assert_eq!(note_of(&doc), "shared offline");
    soon(client.wait_status(|status| status.times_synced == 2)).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn cl2_permanent_codes_stop_the_client_and_leave_it_its_document() {
    for code in CloseCode::ALL.into_iter().filter(|code| code.is_permanent()) {
        let peer = Peer::bind().await;
        let client = Client::connect(peer.config());
        let mut session = peer.accept().await;
        session.sync(&document("kept")).await;
        soon(client.wait_synced()).await.unwrap();
        session.close(code.code(), "because").await;
        let stopped = ClientError::Stopped(StopReason::ClosedByServer {
            code: code.code(),
            name: Some(code),
            reason: "because".to_owned(),
        });
        let never = soon(client.wait_status(|_| false)).await;
        assert_eq!(never, Err(stopped.clone()), "{code:?}");
        assert_eq!(soon(client.wait_on_disk()).await, Err(stopped));
        assert_eq!(note(&client).await, "kept");
        client.close().await;
    }
}

#[tokio::test]
async fn cl3_after_any_other_code_the_client_comes_back() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    for code in CloseCode::ALL.into_iter().filter(|code| !code.is_permanent()) {
        peer.accept().await.close(code.code(), "").await;
    }
    peer.refuse("503 Service Unavailable").await;
    let mut session = peer.accept().await;
    session.sync(&document("")).await;
    soon(client.wait_synced()).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn a_refused_upgrade_stops_the_client() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    peer.refuse("401 Unauthorized").await;
    let error = soon(client.wait_synced()).await.unwrap_err();
    assert_eq!(error, ClientError::Stopped(StopReason::Refused { status: 401 }));
    client.close().await;
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let peer = Peer::bind().await;
    let mut config = peer.config();
    config.silence_timeout = Duration::from_millis(20);
    let client = Client::connect(config);
    let _silent = peer.accept().await;
    let _again = peer.accept().await;
    client.close().await;
}

#[tokio::test]
async fn a_silent_connection_is_given_up_by_who_goes_on_sending() {
    let peer = Peer::bind().await;
    let mut config = peer.config();
    config.silence_timeout = Duration::from_millis(100);
    config.awareness_renewal = Duration::from_millis(5);
    let client = Client::connect(config);
    client.set_awareness(Some("{}".to_owned())).await.unwrap();
    let mut silent = peer.accept().await;
    silent.receive_until(|message| matches!(message, Message::Awareness(_)).then_some(())).await;
    let _again = peer.accept().await;
    client.close().await;
}

#[tokio::test]
async fn fr2_a_server_may_pack_messages_and_break_the_protocol() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    let mut session = peer.accept().await;
    // Step 1 of nothing, an unknown type would end the frame, so the filler awareness, then step 2 of nothing.
    session.send_frame(&[0, 0, 1, 0, 1, 1, 0, 0, 1, 2, 0, 0]).await;
    soon(client.wait_synced()).await.unwrap();
    session.send_frame(&[0, 9]).await;
    let mut session = peer.accept().await;
    session.sync(&document("")).await;
    soon(client.wait_status(|status| status.times_synced == 2)).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn tokens_go_into_the_query_and_fresh_ones_in_band() {
    let peer = Peer::bind().await;
    let mut config = peer.config();
    config.token = Some(Token("first one".to_owned()));
    let client = Client::connect(config);
    let mut session = peer.accept().await;
    assert_eq!(session.target, "/sync/notes?token=first%20one");
    session.sync(&document("")).await;
    soon(client.wait_synced()).await.unwrap();
    client.set_token(Some(Token("second".to_owned()))).await.unwrap();
    let token = session
        .receive_until(|message| match message {
            Message::Auth(AuthMessage::Token(token)) => Some(token),
            _ => None,
        })
        .await;
    assert_eq!(token, "second");
    session.send(Message::Auth(AuthMessage::Accepted(Access::Read))).await;
    session.send(Message::Auth(AuthMessage::PermissionDenied("read only".into()))).await;
    soon(client.wait_status(|status| status.denied.as_deref() == Some("read only"))).await.unwrap();
    assert_eq!(client.watch_status().borrow().access, Some(Access::Read));
    session.close(4501, "token expired").await;
    assert_eq!(peer.accept().await.target, "/sync/notes?token=second");
    client.close().await;
}

#[tokio::test]
async fn a_lineage_that_was_asked_for_is_said_from_then_on() {
    let id = LineageId([7; 16]);
    let peer = Peer::bind().await;
    let mut config = peer.config();
    config.lineage = Lineage::Ask;
    let client = Client::connect(config);
    let mut session = peer.accept().await;
    assert_eq!(session.target, "/sync/notes?lineage=");
    session.send(Message::Lineage(id.to_string().into())).await;
    soon(client.wait_status(|status| status.lineage == Some(id))).await.unwrap();
    drop(session);
    assert_eq!(peer.accept().await.target, format!("/sync/notes?lineage={id}"));
    client.close().await;
}

#[tokio::test]
async fn a_closure_that_panics_harms_only_its_caller() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    let error = client.edit(|_| panic!("on purpose")).await.unwrap_err();
    assert_eq!(error, ClientError::ClosurePanicked);
    write(&client, "alive").await;
    assert_eq!(note(&client).await, "alive");
    client.close().await;
}

#[tokio::test]
async fn a_closed_client_says_so_to_its_other_handles() {
    let peer = Peer::bind().await;
    let client = Client::connect(peer.config());
    let other = client.clone();
    client.close().await;
    let closed = Err(ClientError::Stopped(StopReason::ClosedByOwner));
    assert_eq!(other.wait_synced().await, closed);
    assert_eq!(other.edit(|_| ()).await, closed);
}
