//! Grants, held against names and messages that try to get round them.

use std::time::Duration;

use bytes::Bytes;
use confluo_client::yrs::{Array, Doc, Transact};
use confluo_protocol::{Access, AuthMessage, CloseCode, Message};
use confluo_ws::Opcode;

use crate::{
    access::{client_with, is_let_in, minted, refusal, token, with_tokens},
    harness::{Server, add, faulty, items, set, wait_for_item},
    raw::{Raw, update_of},
};

fn auth(token: &str) -> Message {
    Message::Auth(AuthMessage::Token(Bytes::from(token.to_owned())))
}

/// An edit of a client that no other knows.
fn edit(item: &str) -> Message {
    let doc = Doc::new();
    doc.get_or_insert_array("items").push_back(&mut doc.transact_mut(), item);
    update_of(&doc)
}

/// Messages in one frame.
async fn send_together(raw: &mut Raw, messages: &[Message]) {
    let frame: Vec<u8> = messages.iter().flat_map(|message| message.encode().to_vec()).collect();
    raw.send_bytes(Opcode::Binary, &frame).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au3_ad3_a_grant_is_held_against_the_name_as_it_is_after_one_decoding() {
    let server = Server::start(faulty(), with_tokens()).await;
    let grants = [("team/*", Access::Write), ("notes", Access::Read)];
    let token = minted("ada", &grants, Duration::from_secs(3600), false);
    for path in [
        "/sync/team/notes",
        "/team/notes",
        "/sync/team%2Fnotes",
        "/sync/te%61m/notes",
        "/sync/team/",
        "/sync/notes",
        "/notes",
        // A name like any other, which lies nowhere: no part of it means the level above.
        "/sync/team/../secret",
        "/sync/team/%2e%2e/secret",
    ] {
        is_let_in(&mut server.raw(&format!("{path}?token={token}")).await).await;
    }
    for path in [
        "/sync/secret",
        "/sync/team",
        "/sync/Team/notes",
        "/sync//team/notes",
        "/sync/./team/notes",
        "/sync/../team/notes",
        "/sync/team%252Fnotes",
        "/sync/team%5Cnotes",
        "/sync/team%E2%88%95notes",
        "/sync/%EF%BD%94eam/notes",
        "/sync/notes/",
        "/sync/notes%20",
        "/sync/notes%EF%BB%BF",
        "/sync/*",
        "/sync/sync/team/notes",
    ] {
        let (_, code) = refusal(&mut server.raw(&format!("{path}?token={token}")).await).await;
        assert_eq!(code, CloseCode::Forbidden.code(), "{path}");
    }
    for path in ["/sync/team/%00", "/sync/team/%0Anotes", "/sync/team/%FF"] {
        let code = server.raw(&format!("{path}?token={token}")).await.close_code().await;
        assert_eq!(code, CloseCode::Malformed.code(), "{path}");
    }
    // What was opened by `..` is not the document that a file system would mean.
    let above = minted("root", &[("*", Access::Write)], Duration::from_secs(3600), false);
    let mut climber = server.raw(&format!("/sync/team/../secret?token={token}")).await;
    climber.send(&edit("planted")).await;
    let mut stored = server.raw(&format!("/sync/team/../secret?token={above}")).await;
    let copy = Doc::new();
    stored.ask(&copy).await;
    stored.read_into(&copy, |doc| crate::harness::items_of(&doc.transact()) == set(&["planted"])).await;
    let mut config = server.client_config("secret");
    config.token = Some(confluo_client::Token(above));
    let secret = confluo_client::Client::connect(config);
    crate::harness::soon(secret.wait_synced()).await.unwrap();
    assert!(items(&secret).await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au5_au6_what_stands_behind_a_downgrade_in_its_frame_is_refused() {
    let server = Server::start(faulty(), with_tokens()).await;
    let (writer, reader) = (token("ada", Access::Write), token("ada", Access::Read));
    let onlooker = client_with(&server, &token("bob", Access::Write)).await;
    let mut ada = server.raw(&format!("/sync/team/notes?token={writer}")).await;
    is_let_in(&mut ada).await;
    ada.send(&edit("before")).await;
    wait_for_item(&onlooker, "before").await;
    send_together(&mut ada, &[auth(&reader), edit("behind"), edit("and behind"), auth(&reader)]).await;
    ada.receive_until(|message| *message == Message::Auth(AuthMessage::Accepted(Access::Read))).await;
    ada.receive_until(|message| matches!(message, Message::Auth(AuthMessage::PermissionDenied(_)))).await;
    add(&onlooker, "later").await;
    wait_for_item(&onlooker, "later").await;
    assert_eq!(items(&onlooker).await, set(&["before", "later"]));
    // Another's token, one that does not verify, and one for elsewhere end the session, and what stands behind them is not taken.
    let elsewhere = minted("ada", &[("other", Access::Write)], Duration::from_secs(3600), false);
    for (bad, code) in [
        (token("eve", Access::Write), CloseCode::Forbidden),
        (format!("{writer}x"), CloseCode::Unauthorised),
        (elsewhere, CloseCode::Forbidden),
    ] {
        let mut ada = server.raw(&format!("/sync/team/notes?token={writer}")).await;
        is_let_in(&mut ada).await;
        send_together(&mut ada, &[auth(&bad), edit("behind"), auth(&writer), edit("and behind")]).await;
        assert_eq!(ada.close_code().await, code.code());
    }
    add(&onlooker, "last").await;
    wait_for_item(&onlooker, "last").await;
    assert_eq!(items(&onlooker).await, set(&["before", "later", "last"]));
    server.stop().await;
}
