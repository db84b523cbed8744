//! What is revoked ends at once and stays out, and only an admin revokes.

use std::time::Duration;

use confluo_auth::UnixTime;
use confluo_client::{
    ConnectionState,
    yrs::{Array, Doc, Transact},
};
use confluo_hub::Clock;
use confluo_protocol::{Access, AuthMessage, CloseCode, Message};
use confluo_store::DocumentStore;
use serde_json::json;

use crate::{
    access::{client_with, is_let_in, minted, minted_at, refusal, token, with_tokens},
    harness::{Server, add, faulty, items_of, name, set, soon, until},
    raw::{apply, update_of},
};

#[tokio::test(flavor = "multi_thread")]
async fn au5_a_revoked_session_ends_and_stays_out_after_a_restart() {
    // No token is issued later: as far ahead as is taken at most would be five minutes.
    let issued_until = UnixTime::from(Clock.wall()).0 + 200;
    for request in [
        json!({"user": "ada"}),
        json!({"token_id": "token of ada"}),
        json!({"issued_until": issued_until, "user": "ada"}),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = with_tokens();
        config.server.data_dir = folder.path().to_owned();
        // A revocation is no offence of the client's, so its end is not delayed as others are.
        config.sessions.rejection_delay = Duration::from_secs(20);
        let server = Server::start(faulty(), config.clone()).await;
        let admin = minted("root", &[], Duration::from_secs(60), true);
        let (ada, bob) = (token("ada", Access::Write), token("bob", Access::Write));
        let bystander = client_with(&server, &bob).await;
        let target = format!("/sync/team/notes?token={ada}");
        let mut raw = server.raw(&target).await;
        is_let_in(&mut raw).await;
        let (status, answer) = server.ask("POST", "/admin/revocations", &admin, &request.to_string()).await;
        assert_eq!((status, answer.as_str()), (200, r#"{"sessions_ended":1}"#), "{request}");
        let denied = |message: &Message| matches!(message, Message::Auth(AuthMessage::PermissionDenied(_)));
        tokio::time::timeout(Duration::from_secs(10), raw.receive_until(denied)).await.expect("not delayed");
        assert_eq!(raw.close_code().await, CloseCode::Unauthorised.code());
        assert_eq!(bystander.watch_status().borrow().connection, ConnectionState::Synced);
        bystander.close().await;
        server.stop().await;

        config.sessions.rejection_delay = Duration::ZERO;
        let server = Server::start(faulty(), config).await;
        let told = refusal(&mut server.raw(&target).await).await;
        assert_eq!(told, ("the token was revoked".to_owned(), CloseCode::Unauthorised.code()));
        let (status, answer) = server.ask("DELETE", "/admin/revocations", &admin, &request.to_string()).await;
        assert_eq!((status, answer.as_str()), (200, r#"{"was_revoked":true}"#));
        is_let_in(&mut server.raw(&target).await).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_revokes() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    let server = Server::start(faulty(), config).await;
    let admin = minted("root", &[], Duration::from_secs(60), true);
    let ada = token("ada", Access::Write);
    let user = r#"{"user":"ada"}"#;
    for (method, token, body, status) in [
        ("PUT", "nonsense", user, 401),
        ("PUT", &*admin, user, 405),
        ("POST", "nonsense", user, 401),
        ("POST", "", user, 401),
        ("POST", &*ada, user, 403),
        ("GET", &*ada, "", 403),
        ("POST", &*admin, "{}", 422),
        ("POST", &*admin, r#"{"user":"ada","token_id":"x"}"#, 422),
        ("POST", &*admin, r#"{"user":""}"#, 422),
        ("POST", &*admin, r#"{"user":"ada","issued_until":4000000000}"#, 422),
        ("GET", &*admin, "", 200),
    ] {
        let (answered, answer) = server.ask(method, "/admin/revocations", token, body).await;
        assert_eq!(answered, status, "{method} {body}: {answer}");
        assert!(!answer.contains("ada"), "nothing is revoked: {answer}");
    }
    // What a page could make a browser send does not count here.
    for headers in [
        format!("sec-websocket-protocol: confluo.token.{admin}"),
        format!("cookie: session={admin}"),
        format!("authorization: Bearer {ada}\r\nsec-websocket-protocol: confluo.token.{admin}"),
    ] {
        let request = format!("GET /admin/revocations HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n");
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 401") || answer.starts_with("HTTP/1.1 403"), "{headers}: {answer}");
    }
    server.stop().await;
}

/// The admin's own token too: with a fresh one it is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn au5_all_that_was_issued_before_ends_for_everybody_and_what_is_issued_later_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    (config.auth.leeway, config.auth.expiry_grace) = (Duration::from_secs(10), Duration::from_secs(10));
    let server = Server::start(faulty(), config).await;
    let now = UnixTime::from(Clock.wall());
    let issued = |user, ahead, is_admin| {
        let at = now.plus(Duration::from_secs(ahead));
        minted_at(at, user, &[("team/*", Access::Write)], Duration::from_secs(3600), is_admin)
    };
    let target = |token: &str| format!("/sync/team/notes?token={token}");
    let (ada, bob, admin) = (issued("ada", 0, false), issued("bob", 0, false), issued("root", 0, true));
    let (mut one, mut other) = (server.raw(&target(&ada)).await, server.raw(&target(&bob)).await);
    is_let_in(&mut one).await;
    is_let_in(&mut other).await;
    let request = json!({"issued_until": now.0}).to_string();
    let answer = server.ask("POST", "/admin/revocations", &admin, &request).await;
    assert_eq!(answer, (200, r#"{"sessions_ended":2}"#.to_owned()));
    for raw in [&mut one, &mut other] {
        assert_eq!(raw.close_code().await, CloseCode::Unauthorised.code());
    }
    assert_eq!(refusal(&mut server.raw(&target(&ada)).await).await.0, "the token was revoked");
    assert_eq!(server.ask("GET", "/admin/revocations", &admin, "").await.0, 401);
    is_let_in(&mut server.raw(&target(&issued("ada", 9, false))).await).await;
    let answer = server.ask("DELETE", "/admin/revocations", &issued("root", 9, true), &request).await;
    assert_eq!(answer, (200, r#"{"was_revoked":true}"#.to_owned()));
    is_let_in(&mut server.raw(&target(&bob)).await).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au5_of_who_has_left_and_is_revoked_nothing_is_taken_that_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = with_tokens();
    config.server.data_dir = folder.path().to_owned();
    let store = faulty();
    let server = Server::start(store.clone(), config).await;
    let admin = minted("root", &[], Duration::from_secs(60), true);
    let ada = token("ada", Access::Write);
    let bob = client_with(&server, &token("bob", Access::Write)).await;
    let mut raw = server.raw(&format!("/sync/team/notes?token={ada}")).await;
    is_let_in(&mut raw).await;
    store.hold();
    add(&bob, "in flight").await;
    let waiting = store.clone();
    soon(tokio::task::spawn_blocking(move || waiting.wait_until_held(1))).await.unwrap();
    let edit = Doc::new();
    edit.get_or_insert_array("items").push_back(&mut edit.transact_mut(), "too late");
    raw.send(&update_of(&edit)).await;
    drop(raw);
    until("she has left", || server.metrics().connections.get() == 1).await;
    let (status, _) = server.ask("POST", "/admin/revocations", &admin, r#"{"user":"ada"}"#).await;
    assert_eq!(status, 200);
    store.release();
    soon(bob.wait_on_disk()).await.unwrap();
    add(&bob, "later").await;
    soon(bob.wait_on_disk()).await.unwrap();
    bob.close().await;
    server.stop().await;
    let stored = store.inner().load(&name("team/notes")).unwrap().unwrap();
    let doc = Doc::new();
    stored.records.iter().for_each(|record| apply(&doc, &record.update));
    assert_eq!(items_of(&doc.transact()), set(&["in flight", "later"]));
}
