//! AW1–AW12: whose a client id is, and who is told what.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use confluo_protocol::{Access, CloseCode, Message, SessionId, varint::MAX_SAFE_INTEGER};
use confluo_room::{Joining, Rate, RoomConfig, RoomInput};
use confluo_testkit::network::joining;

use crate::scene::{Author, Scene, awareness, is_content, presence, update};

const A: u64 = 100;
const B: u64 = 200;

fn entry(client: u64, clock: u64, json: &str) -> (u64, u64, String) {
    (client, clock, json.to_owned())
}

impl Scene {
    /// A session publishes, and time passes until everyone was told.
    fn publish(&mut self, session: u64, entries: &[(u64, u64, &str)]) {
        self.send(session, [awareness(entries)]);
        self.wait(Duration::from_millis(150));
    }

    fn hears(&mut self, session: u64) -> Vec<(u64, u64, String)> {
        presence(&self.inbox(session))
    }
}

#[test]
fn aw5_what_is_accepted_reaches_all_its_sender_included_and_never_waits_for_the_disk() {
    let mut scene = Scene::with_sessions(2);
    scene.send(2, [update(&Author::new(7).types("in flight"))]);
    scene.publish(1, &[(A, 1, r#"{"x":1}"#)]);
    assert!(scene.server.is_flushing());
    for session in [1, 2] {
        let mut heard = scene.hears(session);
        // The sender is told all states at its first word, its own among them.
        heard.dedup();
        assert_eq!(heard, [entry(A, 1, r#"{"x":1}"#)]);
    }
}

#[test]
fn aw2_relayed_copies_never_claim() {
    let mut scene = Scene::with_sessions(3);
    scene.publish(1, &[(A, 1, "{}")]);
    scene.inboxes(1..=3);
    // 2 and 3 send back what they heard; 3 even with a null, and later with a clock of its own invention.
    scene.publish(2, &[(A, 1, "{}")]);
    scene.publish(3, &[(A, 1, "null")]);
    scene.publish(3, &[(A, 9, r#"{"forged":true}"#)]);
    assert!(scene.inboxes(1..=3).concat().is_empty(), "nothing changes");
    // The owner is still the owner, and leaves alone.
    scene.server.leave(scene.now, SessionId(2));
    scene.wait(Duration::from_millis(150));
    assert!(scene.hears(3).is_empty());
    scene.publish(1, &[(A, 2, r#"{"moved":1}"#)]);
    assert_eq!(scene.hears(3), [entry(A, 2, r#"{"moved":1}"#)]);
}

#[test]
fn aw2_after_an_expiry_a_relay_of_the_old_state_does_not_claim_either() {
    let mut scene = Scene::with_sessions(2);
    scene.publish(1, &[(A, 5, "{}")]);
    scene.wait(Duration::from_secs(40));
    scene.inboxes(1..=2);
    scene.publish(2, &[(A, 5, "{}")]);
    assert!(scene.hears(1).is_empty());
    assert_eq!(scene.hears(2), [entry(A, 5, "null")], "it is told instead");
    scene.publish(1, &[(A, 6, "{}")]);
    assert_eq!(scene.hears(2), [entry(A, 6, "{}")], "the client was only asleep");
}

#[test]
fn aw3_a_client_whose_old_socket_is_half_open_takes_its_id_over_at_once() {
    let mut scene = Scene::with_sessions(2);
    scene.publish(1, &[(A, 4, "{}")]);
    scene.publish(2, &[(B, 1, "{}")]);
    scene.inboxes(1..=2);
    scene.join(joining(SessionId(3)));
    scene.publish(3, &[(A, 4, "{}")]);
    scene.publish(3, &[(A, 5, r#"{"again":1}"#)]);
    assert_eq!(scene.hears(2), [entry(A, 5, r#"{"again":1}"#)]);
    // The old socket's end, noticed late, takes nothing with it.
    scene.server.leave(scene.now, SessionId(1));
    scene.wait(Duration::from_millis(150));
    assert!(scene.hears(2).is_empty());
    scene.publish(3, &[(A, 6, "{}")]);
    assert_eq!(scene.hears(2), [entry(A, 6, "{}")]);
}

#[test]
fn aw3_another_address_or_a_second_message_takes_nothing_over() {
    let elsewhere = |session| Joining { address: Some(IpAddr::from([10, 0, 0, 9])), ..joining(SessionId(session)) };
    let mut scene = Scene::with_sessions(1);
    scene.publish(1, &[(A, 4, "{}")]);
    scene.join(elsewhere(2));
    scene.publish(2, &[(A, 7, r#"{"thief":1}"#)]);
    scene.join(joining(SessionId(3)));
    scene.publish(3, &[(B, 1, "{}")]);
    scene.publish(3, &[(A, 8, r#"{"thief":2}"#)]);
    scene.join(joining(SessionId(4)));
    scene.publish(4, &[(A, 9, r#"{"thief":3}"#), (300, 1, "{}")]);
    assert!(scene.hears(1).iter().all(|(_, _, json)| !json.contains("thief")));
}

#[test]
fn aw7_a_session_that_ends_takes_all_its_ids_with_the_next_clock() {
    let mut scene = Scene::with_sessions(2);
    scene.publish(1, &[(A, 3, "{}"), (B, 8, "{}")]);
    scene.inbox(2);
    scene.server.leave(scene.now, SessionId(1));
    scene.wait(Duration::from_millis(150));
    assert_eq!(scene.hears(2), [entry(A, 4, "null"), entry(B, 9, "null")]);
}

#[test]
fn aw7_a_state_that_is_not_renewed_for_30_seconds_is_gone_and_a_renewed_one_is_not() {
    let mut scene = Scene::with_sessions(2);
    scene.publish(1, &[(A, 3, "{}"), (B, 8, "{}")]);
    scene.inbox(2);
    scene.wait(Duration::from_secs(15));
    scene.publish(1, &[(B, 9, "{}")]);
    scene.inbox(2);
    scene.wait(Duration::from_secs(13));
    assert!(scene.hears(2).is_empty(), "28 s");
    scene.wait(Duration::from_secs(3));
    scene.wait(Duration::from_millis(150));
    assert_eq!(scene.hears(2), [entry(A, 3, "null")], "with the clock that it had");
}

#[test]
fn aw6_a_late_joiner_is_told_all_states_and_so_is_who_asks() {
    let mut scene = Scene::with_sessions(1);
    scene.publish(1, &[(A, 3, "{}"), (B, 8, r#"{"n":1}"#)]);
    scene.inbox(1);
    let all = [entry(A, 3, "{}"), entry(B, 8, r#"{"n":1}"#)];
    scene.join(joining(SessionId(2)));
    scene.wait(Duration::from_millis(150));
    assert_eq!(scene.hears(2), all, "without a word of its own");
    scene.join(joining(SessionId(3)));
    scene.send(3, [awareness(&[(300, 1, "{}")])]);
    let heard = scene.hears(3);
    assert!(all.iter().all(|entry| heard.contains(entry)), "at its first word: {heard:?}");
    scene.wait(Duration::from_millis(150));
    scene.inboxes(1..=3);
    scene.send(1, [Message::QueryAwareness]);
    assert_eq!(scene.hears(1).len(), 3);
}

#[test]
fn aw6_sy7_whose_queue_is_full_is_told_all_states_when_it_has_read_it() {
    let mut scene = Scene::with_sessions(1);
    scene.publish(1, &[(A, 1, "{}")]);
    scene.server.max_queued_frames = 1;
    scene.join(joining(SessionId(2)));
    scene.wait(Duration::from_millis(150));
    assert!(scene.hears(2).is_empty(), "the server's step 1 was all that had room");
    assert_eq!(scene.hears(2), [entry(A, 1, "{}")]);
}

#[test]
fn aw8_many_changes_become_at_most_ten_frames_a_second_and_the_latest_wins() {
    let mut scene = Scene::with_sessions(2);
    scene.send(1, [awareness(&[(A, 1, "{}")])]);
    assert_eq!(scene.hears(2), [entry(A, 1, "{}")], "at once when calm");
    let (mut frames, mut last) = (0, None);
    for clock in 2..=201 {
        scene.send(1, [awareness(&[(A, clock, "{}")])]);
        scene.wait(Duration::from_millis(5));
        let inbox = scene.inbox(2);
        frames += inbox.len();
        last = presence(&inbox).pop().or(last);
    }
    scene.wait(Duration::from_millis(100));
    last = scene.hears(2).pop().or(last);
    assert!((8..=11).contains(&frames), "{frames} frames in a second");
    assert_eq!(last, Some(entry(A, 201, "{}")));
}

/// Lesson: the late close of an old socket tore down the new session of the same client.
#[test]
fn ad7_the_late_end_of_an_old_socket_does_not_touch_the_new_session_of_its_client() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    scene.publish(1, &[(A, 1, "{}")]);
    scene.send(1, [update(&author.types("before, "))]);
    scene.settle();
    // The same client again, while its old socket still seems to live.
    scene.enter(joining(SessionId(3)));
    scene.publish(3, &[(A, 2, "{}")]);
    scene.inboxes(1..=3);
    scene.server.leave(scene.now, SessionId(1));
    scene.wait(Duration::from_millis(150));
    assert!(scene.hears(2).is_empty(), "nobody has gone");
    scene.publish(3, &[(A, 3, "{}")]);
    scene.send(3, [update(&author.types("after"))]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), author.content());
    let inbox = scene.inbox(3);
    assert!(inbox.iter().any(is_content), "it is still told of changes");
    assert_eq!(presence(&inbox), [entry(A, 3, "{}")], "and of presence");
}

#[test]
fn aw9_what_is_no_awareness_closes_its_sender_alone() {
    let check = |message: Message, code, reason: &str| {
        let mut scene = Scene::with(RoomConfig { max_awareness_bytes: 100, ..RoomConfig::default() });
        (1..=2).for_each(|session| drop(scene.enter(joining(SessionId(session)))));
        scene.send(1, [message]);
        scene.assert_closed(1, code, reason);
        scene.server.leave(scene.now, SessionId(1));
        scene.wait(Duration::from_millis(150));
        let last: BTreeMap<_, _> = scene.hears(2).into_iter().map(|(client, _, json)| (client, json)).collect();
        assert!(last.values().all(|json| json == "null"), "nothing of it stays: {last:?}");
    };
    check(awareness(&[(A, 1, "{")]), CloseCode::Malformed, "JSON");
    check(awareness(&[(A, 1, "")]), CloseCode::Malformed, "JSON");
    check(awareness(&[(A, 1, &format!("\"{}\"", "x".repeat(100)))]), CloseCode::TooLarge, "100");
    let half = format!("\"{}\"", "x".repeat(60));
    check(awareness(&[(A, 1, &half), (B, 1, &half)]), CloseCode::TooLarge, "100");
    check(Message::Awareness(vec![5, 1].into()), CloseCode::Malformed, "");
    check(Message::Awareness(vec![0xff; 20].into()), CloseCode::Malformed, "");
    let many: Vec<_> = (0..40).map(|id| (id, 1, "{}")).collect();
    check(awareness(&many), CloseCode::SlowDown, "32");
}

#[test]
fn aw10_a_reader_publishes_unless_it_is_configured_otherwise() {
    for readers_may_publish in [true, false] {
        let mut scene = Scene::with(RoomConfig { readers_may_publish, ..RoomConfig::default() });
        scene.enter(joining(SessionId(1)));
        scene.enter(Joining { access: Access::Read, ..joining(SessionId(2)) });
        scene.wait(Duration::from_millis(150));
        scene.publish(1, &[(A, 1, "{}")]);
        assert_eq!(scene.hears(2), [entry(A, 1, "{}")], "it sees others in any case");
        scene.inbox(1);
        scene.publish(2, &[(B, 1, "{}")]);
        let expected = if readers_may_publish { vec![entry(B, 1, "{}")] } else { Vec::new() };
        assert_eq!(scene.hears(1), expected);
        scene.inbox(2);
        scene.server.handle(scene.now, vec![RoomInput::AccessChanged(SessionId(1), Access::Read)]);
        scene.wait(Duration::from_millis(150));
        let expected = if readers_may_publish { Vec::new() } else { vec![entry(A, 2, "null")] };
        assert_eq!(scene.hears(2), expected, "a writer that becomes a reader");
        scene.publish(1, &[(A, 3, "{}")]);
        let expected = if readers_may_publish { vec![entry(A, 3, "{}")] } else { Vec::new() };
        assert_eq!(scene.hears(2), expected, "while it is a reader");
        scene.server.handle(scene.now, vec![RoomInput::AccessChanged(SessionId(1), Access::Write)]);
        scene.publish(1, &[(A, 4, "{}")]);
        assert_eq!(scene.hears(2), [entry(A, 4, "{}")], "and a writer again");
        scene.assert_nobody_closed();
    }
}

#[test]
fn aw11_only_what_is_taken_counts_towards_the_rate_of_awareness() {
    let rate = Rate::per_second(10, 20);
    let mut scene = Scene::with(RoomConfig { awareness_rate: rate, ..RoomConfig::default() });
    (1..=2).for_each(|session| drop(scene.enter(joining(SessionId(session)))));
    scene.publish(1, &[(A, 1, "{}")]);
    // A relay, a null of another's id, its own old states: what stock clients send back of all others.
    for _ in 0..1_000 {
        scene.send(2, [awareness(&[(A, 1, "{}")]), awareness(&[(A, 2, "null")])]);
        scene.send(1, [awareness(&[(A, 1, "{}")])]);
    }
    scene.assert_nobody_closed();
    for clock in 2..=21 {
        scene.send(1, [awareness(&[(A, clock, "{}")])]);
    }
    scene.wait(Duration::from_millis(100));
    scene.send(1, [awareness(&[(A, 22, "{}")])]);
    scene.assert_nobody_closed();
    scene.send(1, [awareness(&[(A, 23, "{}")])]);
    scene.assert_closed(1, CloseCode::SlowDown, "10 awareness states a second");
    assert_eq!(scene.server.counts.awareness_too_fast, 1);
}

#[test]
fn aw7_aw9_no_clock_leads_to_one_that_clients_cannot_read() {
    for clock in [MAX_SAFE_INTEGER - 1, MAX_SAFE_INTEGER] {
        let mut scene = Scene::with_sessions(2);
        scene.publish(1, &[(A, clock, "{}")]);
        scene.server.leave(scene.now, SessionId(1));
        scene.wait(Duration::from_millis(150));
        for (_, clock, _) in scene.hears(2) {
            assert!(clock <= MAX_SAFE_INTEGER);
        }
    }
}

#[test]
fn aw4_a_null_of_another_and_what_is_not_newer_change_nothing_and_cost_nothing() {
    let mut scene = Scene::with(RoomConfig { max_client_ids_per_session: 1, ..RoomConfig::default() });
    (1..=3).for_each(|session| drop(scene.enter(joining(SessionId(session)))));
    scene.publish(1, &[(A, 5, r#"{"x":1}"#)]);
    scene.publish(2, &[(B, 1, "{}")]);
    scene.inboxes(1..=3);
    // More ids than it may have, if any of them counted.
    scene.publish(2, &[(A, 6, "null"), (A, 9, "null"), (7, 3, "null")]);
    scene.publish(1, &[(A, 5, r#"{"x":2}"#), (A, 4, r#"{"x":3}"#), (B, 2, "null"), (B, 1, "{}")]);
    assert!(scene.inboxes(1..=3).concat().is_empty(), "nothing changes");
    scene.assert_nobody_closed();
    scene.join(joining(SessionId(4)));
    scene.wait(Duration::from_millis(150));
    assert_eq!(scene.hears(4), [entry(A, 5, r#"{"x":1}"#), entry(B, 1, "{}")], "as a late joiner is told");
}

#[test]
fn aw4_a_return_with_an_old_clock_is_answered_with_the_one_to_beat() {
    let mut scene = Scene::with_sessions(2);
    scene.publish(1, &[(A, 7, "{}")]);
    scene.server.leave(scene.now, SessionId(1));
    scene.wait(Duration::from_millis(150));
    scene.join(joining(SessionId(3)));
    scene.send(3, [awareness(&[(A, 7, "{}")])]);
    assert_eq!(scene.hears(3), [entry(A, 8, "null")], "upon which a stock client says it again with clock 9");
    scene.publish(3, &[(A, 9, "{}")]);
    scene.inbox(2);
    scene.publish(3, &[(A, 10, "{}")]);
    assert_eq!(scene.hears(2), [entry(A, 10, "{}")]);
}

#[test]
fn aw12_beyond_what_all_states_may_take_together_a_longer_one_is_passed_over() {
    let state = |letter: &str| format!("\"{}\"", letter.repeat(65_000));
    let mut scene = Scene::with_sessions(70);
    for session in 1..=70 {
        scene.send(session, [awareness(&[(session, 1, &state("x"))])]);
    }
    scene.wait(Duration::from_millis(150));
    scene.assert_nobody_closed();
    assert_eq!(scene.server.counts.awareness_dropped, 6);
    scene.join(joining(SessionId(71)));
    scene.wait(Duration::from_millis(150));
    let seen: Vec<_> = scene.hears(71).into_iter().map(|(client, ..)| client).collect();
    assert_eq!(seen, (1..=64).collect::<Vec<_>>());
    scene.inboxes(1..=70);
    // One of the same length is taken, and as soon as somebody is gone a new one too.
    scene.publish(1, &[(1, 2, &state("y"))]);
    assert_eq!(scene.hears(70), [entry(1, 2, &state("y"))]);
    scene.server.leave(scene.now, SessionId(2));
    scene.publish(70, &[(70, 2, &state("z"))]);
    assert_eq!(scene.hears(1).last(), Some(&entry(70, 2, &state("z"))));
    scene.publish(3, &[(3, 2, "null")]);
    scene.wait(Duration::from_secs(31));
    scene.wait(Duration::from_secs(31));
    for session in (4..=70).step_by(2) {
        scene.send(session, [awareness(&[(session, 3, &state("w"))])]);
    }
    scene.wait(Duration::from_millis(150));
    scene.join(joining(SessionId(72)));
    scene.wait(Duration::from_millis(150));
    assert_eq!(scene.hears(72).len(), 34, "what has expired counts no more");
    scene.assert_nobody_closed();
}
