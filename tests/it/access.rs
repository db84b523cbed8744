//! Tokens at the door of the whole server, and on sessions that live.

use std::time::Duration;

use bytes::Bytes;
use confluo::{access::Door, config::Config};
use confluo_auth::{AuthMode, Grants, KeyConfig, MintRequest, Secret, SecretEncoding, UnixTime, mint};
use confluo_client::{Client, ConnectionState, Token};
use confluo_hub::{Clock, Limit};
use confluo_protocol::{Access, AuthMessage, CloseCode, Message, StateVectorV1, SyncMessage};
use confluo_ws::{Opcode, frame::encode_masked};
use http::{HeaderMap, header};

use crate::{
    harness::{Server, add, faulty, items, quick, set, soon, stopped_with, wait_for_item},
    raw::Raw,
};

pub(crate) fn with_tokens() -> Config {
    let mut config = quick();
    config.auth.mode = AuthMode::Token;
    config.auth.cookie = Some("session".to_owned());
    config.auth.leeway = Duration::ZERO;
    config.auth.expiry_grace = Duration::ZERO;
    config.auth.keys = vec![KeyConfig {
        kid: None,
        algorithm: confluo_auth::Algorithm::HS256,
        secret: Some(Secret::new("a secret of thirty-two bytes or more")),
        secret_file: None,
        encoding: SecretEncoding::Text,
        public_key: None,
        public_key_file: None,
    }];
    config
}

fn token_for(user: &str, grants: &[(&str, Access)], lifetime: Duration) -> String {
    minted(user, grants, lifetime, false)
}

pub(crate) fn minted(user: &str, grants: &[(&str, Access)], lifetime: Duration, is_admin: bool) -> String {
    minted_at(UnixTime::from(Clock.wall()), user, grants, lifetime, is_admin)
}

pub(crate) fn minted_at(
    issued_at: UnixTime,
    user: &str,
    grants: &[(&str, Access)],
    lifetime: Duration,
    is_admin: bool,
) -> String {
    let config = with_tokens().auth;
    let request = MintRequest {
        user: user.to_owned(),
        display_name: Some(format!("{user} by name")),
        colour: None,
        grants: Some(Grants::from_pairs(grants.iter().copied()).unwrap()),
        is_admin,
        lifetime,
        token_id: Some(format!("token of {user}")),
    };
    let key = config.signing_key(None, |_| unreachable!("the secret stands in the configuration")).unwrap();
    mint(&config, &key, &request, issued_at).unwrap().reveal().to_owned()
}

pub(crate) fn token(user: &str, access: Access) -> String {
    token_for(user, &[("team/*", access)], Duration::from_secs(3600))
}

pub(crate) async fn client_with(server: &Server, token: &str) -> Client {
    let mut config = server.client_config("team/notes");
    config.token = Some(Token(token.to_owned()));
    let client = Client::connect(config);
    soon(client.wait_synced()).await.unwrap();
    client
}

/// What a refused connection is told: the reason of the auth message, and the code. Nothing else may come before.
pub(crate) async fn refusal(raw: &mut Raw) -> (String, u16) {
    let Ok(Message::Auth(AuthMessage::PermissionDenied(reason))) = raw.receive().await else {
        panic!("AU3: permission denied comes first");
    };
    (String::from_utf8(reason.to_vec()).unwrap(), raw.close_code().await)
}

async fn say_token(raw: &mut Raw, token: &str) {
    raw.send(&Message::Auth(AuthMessage::Token(Bytes::from(token.to_owned())))).await;
}

pub(crate) async fn is_let_in(raw: &mut Raw) {
    raw.receive_until(|message| matches!(message, Message::Sync(SyncMessage::Step1(_)))).await;
}

fn one_header(name: header::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

#[tokio::test(flavor = "multi_thread")]
async fn ad4_a_token_is_found_wherever_it_may_stand() {
    let server = Server::start(faulty(), with_tokens()).await;
    let token = token("ada", Access::Write);
    is_let_in(&mut server.raw(&format!("/sync/team/notes?token={token}")).await).await;
    for headers in [
        one_header(header::AUTHORIZATION, &format!("Bearer {token}")),
        one_header(header::COOKIE, &format!("session={token}")),
    ] {
        is_let_in(&mut Raw::connect_with(server.address, "/sync/team/notes", headers, &[]).await.0).await;
    }
    let offered = ["confluo".to_owned(), format!("confluo.token.{token}")];
    let (mut raw, selected) = Raw::connect_with(server.address, "/sync/team/notes", HeaderMap::new(), &offered).await;
    assert_eq!(selected.as_deref(), Some("confluo"));
    is_let_in(&mut raw).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au1_a_token_may_come_as_the_first_message_and_nothing_else_may() {
    let server = Server::start(faulty(), with_tokens()).await;
    let mut raw = server.raw("/sync/team/notes").await;
    say_token(&mut raw, &token("ada", Access::Read)).await;
    let accepted = Message::Auth(AuthMessage::Accepted(Access::Read));
    raw.receive_until(|message| *message == accepted).await;

    let mut stranger = server.raw("/sync/team/notes").await;
    stranger.send(&Message::Sync(SyncMessage::Step1(StateVectorV1(Bytes::from_static(&[0]))))).await;
    assert_eq!(refusal(&mut stranger).await, ("a token is needed".to_owned(), CloseCode::Unauthorised.code()));

    let limit = server.metrics().limit_reached(Limit::BytesBeforeToken);
    let mut long = server.raw("/sync/team/notes").await;
    say_token(&mut long, &"x".repeat(9 << 10)).await;
    assert_eq!(refusal(&mut long).await, ("the token is too long".to_owned(), CloseCode::Unauthorised.code()));
    assert_eq!(limit.get(), 0);
    let mut large = server.raw("/sync/team/notes").await;
    say_token(&mut large, &"x".repeat(64 << 10)).await;
    assert_eq!(large.close_code().await, CloseCode::Unauthorised.code());
    assert_eq!(limit.get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au1_a_silent_stranger_is_closed() {
    let mut config = with_tokens();
    config.auth.token_timeout = Duration::from_millis(100);
    let server = Server::start(faulty(), config).await;
    let mut raw = server.raw("/sync/team/notes").await;
    assert_eq!(refusal(&mut raw).await, ("a token is needed".to_owned(), CloseCode::Unauthorised.code()));
    assert_eq!(server.metrics().sessions_joined.get(), 0);
    assert_eq!(server.metrics().limit_reached(Limit::TokenTimeout).get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au1_a_stranger_who_sends_no_message_but_pings_or_fragments_is_closed() {
    for (opcode, is_final) in [(Opcode::Ping, true), (Opcode::Binary, false)] {
        let server = Server::start(faulty(), with_tokens()).await;
        let mut raw = server.raw("/sync/team/notes").await;
        let mut frame = encode_masked(opcode, &[], [1, 2, 3, 4]).to_vec();
        let mut next = encode_masked(if is_final { opcode } else { Opcode::Continuation }, &[], [1, 2, 3, 4]).to_vec();
        for frame in [&mut frame, &mut next] {
            frame[0] = (frame[0] & 0x7f) | (u8::from(is_final) << 7);
        }
        raw.send_raw(&[frame, next.repeat(4_000)].concat()).await;
        let (reason, code) = refusal(&mut raw).await;
        assert!(reason.ends_with("or too much came before it"), "{reason}");
        assert_eq!(code, CloseCode::Unauthorised.code());
        assert_eq!(server.metrics().limit_reached(Limit::BytesBeforeToken).get(), 1);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au2_4529_tokens_without_end_on_a_live_session_close_it_and_are_counted() {
    let mut config = with_tokens();
    config.limits.max_tokens_per_minute = 3;
    let server = Server::start(faulty(), config).await;
    let good = token("ada", Access::Write);
    // The first counts too, which is looked at once more when the session has it.
    let mut raw = server.raw("/sync/team/notes").await;
    let accepted = Message::Auth(AuthMessage::Accepted(Access::Write));
    for _ in 0..3 {
        say_token(&mut raw, &good).await;
        raw.receive_until(|message| *message == accepted).await;
    }
    say_token(&mut raw, &good).await;
    assert_eq!(raw.close_code().await, CloseCode::SlowDown.code());
    assert_eq!(server.metrics().limit_reached(Limit::Tokens).get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au3_ad5_each_refusal_is_an_open_socket_that_closes_with_its_code_and_its_reason() {
    let server = Server::start(faulty(), with_tokens()).await;
    let good = token("ada", Access::Write);
    let expired = token_for("ada", &[("*", Access::Write)], Duration::ZERO);
    for (target, reason, code) in [
        ("/sync/team/notes?token=nonsense".to_owned(), "the token is not a JWT", 4401),
        (format!("/sync/team/notes?token={expired}"), "the token has expired; get a fresh one", 4401),
        (format!("/sync/team/notes?token={good}x"), "the token's signature is not accepted", 4401),
        (format!("/sync/other?token={good}"), "the token does not allow this document", 4403),
    ] {
        let told = refusal(&mut server.raw(&target).await).await;
        assert_eq!(told, (reason.to_owned(), code));
    }
    server.is_empty().await;
    assert_eq!(server.metrics().sessions_joined.get(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ad6_a_foreign_page_may_bring_a_token_and_may_not_use_a_cookie() {
    let server = Server::start(faulty(), with_tokens()).await;
    let token = token("ada", Access::Write);
    let mut headers = one_header(header::ORIGIN, "https://evil.example");
    let target = format!("/sync/team/notes?token={token}");
    is_let_in(&mut Raw::connect_with(server.address, &target, headers.clone(), &[]).await.0).await;
    headers.insert(header::COOKIE, format!("session={token}").parse().unwrap());
    let (mut raw, _) = Raw::connect_with(server.address, "/sync/team/notes", headers, &[]).await;
    assert_eq!(refusal(&mut raw).await.1, CloseCode::Forbidden.code());
    server.stop().await;
}

#[test]
fn ad6_behind_a_proxy_that_is_named_its_origin_may_connect_and_a_visitors_own_machine_may_not() {
    for is_named in [false, true] {
        let mut config = quick();
        if is_named {
            config.trusted_proxies.networks.0.push("127.0.0.0/8".parse().unwrap());
        }
        let door = Door::open(&config).unwrap();
        let may_connect = |origin: &str| {
            let mut headers = one_header(header::HOST, "docs.example.org");
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            door.caller(&headers, None).is_ok()
        };
        assert_eq!(may_connect("https://docs.example.org"), is_named);
        assert_eq!(may_connect("http://localhost:5173"), !is_named);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au6_a_reader_is_refused_and_au2_a_refresh_changes_that_at_once() {
    let server = Server::start(faulty(), with_tokens()).await;
    let (writer, reader) = (token("ada", Access::Write), token("ada", Access::Read));
    let observer = client_with(&server, &token("bob", Access::Read)).await;
    let ada = client_with(&server, &writer).await;
    add(&ada, "first").await;
    wait_for_item(&observer, "first").await;

    ada.set_token(Some(Token(reader))).await.unwrap();
    soon(ada.wait_status(|status| status.access == Some(Access::Read))).await.unwrap();
    add(&ada, "second").await;
    soon(ada.wait_status(|status| status.denied.is_some())).await.unwrap();
    assert_eq!(items(&observer).await, set(&["first"]));

    ada.set_token(Some(Token(writer))).await.unwrap();
    soon(ada.wait_status(|status| status.access == Some(Access::Write))).await.unwrap();
    add(&ada, "third").await;
    // The server asks for what it lacks, so the refused edit comes along now that it is allowed.
    wait_for_item(&observer, "third").await;
    assert_eq!(items(&observer).await, set(&["first", "second", "third"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au2_a_session_keeps_its_user() {
    let server = Server::start(faulty(), with_tokens()).await;
    let mut raw = server.raw(&format!("/sync/team/notes?token={}", token("ada", Access::Write))).await;
    is_let_in(&mut raw).await;
    say_token(&mut raw, &token("eve", Access::Write)).await;
    assert_eq!(raw.close_code().await, CloseCode::Forbidden.code());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au4_an_expired_session_closes_with_4501_and_a_renewed_one_stays() {
    let server = Server::start(faulty(), with_tokens()).await;
    let brief = |user| token_for(user, &[("team/*", Access::Write)], Duration::from_secs(5));
    let ada = client_with(&server, &brief("ada")).await;
    let mut bob = server.raw(&format!("/sync/team/notes?token={}", brief("bob"))).await;
    ada.set_token(Some(Token(token("ada", Access::Write)))).await.unwrap();
    soon(ada.wait_status(|status| status.access == Some(Access::Write))).await.unwrap();
    assert_eq!(bob.close_code().await, CloseCode::TokenExpired.code());
    assert_eq!(ada.watch_status().borrow().connection, ConnectionState::Synced);
    assert_eq!(ada.watch_status().borrow().times_synced, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au4_a_client_that_comes_back_with_its_stale_token_is_stopped() {
    let server = Server::start(faulty(), with_tokens()).await;
    let ada = client_with(&server, &token_for("ada", &[("team/*", Access::Write)], Duration::from_secs(5))).await;
    assert_eq!(stopped_with(&ada).await, CloseCode::Unauthorised.code());
    assert_eq!(server.metrics().closed_with(CloseCode::TokenExpired).get(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au2_a_server_without_tokens_accepts_any() {
    let server = Server::start(faulty(), quick()).await;
    let mut raw = server.raw("/sync/notes").await;
    say_token(&mut raw, "anything").await;
    let accepted = Message::Auth(AuthMessage::Accepted(Access::Write));
    raw.receive_until(|message| *message == accepted).await;
    server.stop().await;
}
