//! SY1–SY7: who is sent what, and when.

use confluo_protocol::{CloseCode, Message, SessionId, StateVectorV1, SyncMessage};
use confluo_room::{Effects, Outgoing, RoomInput};
use confluo_testkit::network::{Written, joining};

use crate::scene::{Author, Scene, is_content, is_step1, step1, step2, update};

#[test]
fn sy1_sy2_a_joiner_is_asked_at_once_and_answered_with_one_step_2() {
    let mut scene = Scene::new();
    scene.join(joining(SessionId(1)));
    assert!(matches!(scene.inbox(1).as_slice(), [Message::Sync(SyncMessage::Step1(_))]));
    scene.send(1, [step1(&[])]);
    assert!(matches!(scene.inbox(1).as_slice(), [Message::Sync(SyncMessage::Step2(_))]), "also when it is empty");
}

/// A client takes its first step 2 for the document: an older state, perhaps an empty one, would be filled in again.
#[test]
fn sy1_whoever_is_in_sync_has_everything() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    for letter in ["a", "b", "c"] {
        scene.send(1, [update(&author.types(letter))]);
        scene.settle();
        scene.join(joining(SessionId(2)));
        scene.send(2, [step1(&[])]);
        let reader = Author::new(8);
        let inbox = scene.inbox(2);
        let in_sync = inbox.iter().position(|it| matches!(it, Message::Sync(SyncMessage::Step2(_)))).expect("a step 2");
        reader.reads(&inbox[..=in_sync]);
        assert_eq!(reader.content(), author.content());
        scene.server.leave(scene.now, SessionId(2));
    }
}

#[test]
fn sy1_a_state_vector_that_lies_closes_its_sender_alone() {
    let mut scene = Scene::with_sessions(2);
    let vector = StateVectorV1(vec![9, 1].into());
    scene.send(1, [Message::Sync(SyncMessage::Step1(vector))]);
    scene.assert_closed(1, CloseCode::Malformed, "state vector");
}

/// As an encoding after the commit would be, with a struct for each run and not for each keystroke.
#[test]
fn a_batch_of_keystrokes_takes_as_many_bytes_as_their_text() {
    let mut scene = Scene::with_sessions(2);
    let authors = [Author::new(0x8000_0001), Author::new(0x8000_0002)];
    for _ in 0..3 {
        let typed = (0..128).map(|turn| RoomInput::Received(SessionId(1), update(&authors[turn % 2].types("k"))));
        let typed: Vec<_> = typed.collect();
        let record = scene.server.room().handle(scene.now, typed).commit.expect("a record");
        assert!(record.update.0.len() < 128 + 2 * 32, "{} bytes", record.update.0.len());
        scene.server.room().handle(scene.now, [RoomInput::Committed(record.seq)]);
    }
}

/// What the engine lets out at once, before anything is on disk.
fn content_in(effects: &Effects) -> usize {
    effects.now.iter().filter(|it| matches!(it, Outgoing::Content(_) | Outgoing::CatchUp(..))).count()
}

#[test]
fn sy5_ss2_nothing_of_a_batch_leaves_before_it_is_on_disk_but_awareness_does() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    let now = scene.now;
    let room = scene.server.room();
    let receive = |message| RoomInput::Received(SessionId(1), message);
    let first = room.handle(now, [receive(update(&author.types("a"))), receive(crate::scene::save_status(1))]);
    assert_eq!((content_in(&first), first.now.len()), (0, 0));
    let seq = first.commit.expect("a commit").seq;

    // A second edit, a joiner and a client that asks for the document all wait for the disk; awareness does not.
    let awareness = crate::scene::awareness(&[(7, 1, "{}")]);
    let during = room.handle(
        now,
        [
            receive(update(&author.types("b"))),
            receive(awareness),
            RoomInput::Joined(joining(SessionId(3))),
            RoomInput::Received(SessionId(3), step1(&[])),
        ],
    );
    assert_eq!((content_in(&during), during.commit.is_some()), (0, false));
    assert!(during.now.iter().any(|it| matches!(it, Outgoing::Presence(_))));

    let after = room.handle(now, [RoomInput::Committed(seq)]);
    let order: Vec<_> = after.now.iter().map(|it| matches!(it, Outgoing::Content(_))).collect();
    assert_eq!(order[..2], [true, false], "SS5: the echo first, then the save status");
    assert!(after.commit.is_some(), "the next batch follows at once");
    let caught_up = after.now.iter().any(|it| matches!(it, Outgoing::CatchUp(SessionId(3), _)));
    assert!(caught_up, "the joiner gets what is on disk, not what is in flight");
}

#[test]
fn sy6_the_author_hears_the_echo_once_and_a_duplicate_has_none() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    let edit = author.types("hello");
    scene.send(1, [update(&edit)]);
    assert!(scene.inbox(1).is_empty());
    scene.settle();
    for inbox in scene.inboxes(1..=2) {
        assert_eq!(inbox.iter().filter(|it| is_content(it)).count(), 1);
    }
    scene.send_together([(1, update(&edit)), (2, step2(&edit)), (2, update(&edit))]);
    scene.settle();
    assert_eq!(scene.server.disk().len(), 1, "nothing new, nothing stored");
    assert!(scene.inboxes(1..=2).concat().is_empty());
}

/// What a batch inserts and deletes again leaves nothing behind, on the disk or with the others; what it adds to a long text
/// is all that it says.
#[test]
fn sy4_a_batch_says_no_more_than_what_it_changed() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    let (typed, deleted) = (author.types("a passing thought"), author.deletes(17));
    scene.send_together([(1, update(&typed)), (1, update(&deleted))]);
    scene.settle();
    let said = format!("{:?}{:?}", scene.inboxes(1..=2), scene.server.disk());
    assert!(!said.contains("thought"), "it was deleted before anybody saw it");
    scene.send(1, [update(&author.types(&"long ".repeat(1_000)))]);
    scene.settle();
    drop(scene.inboxes(1..=2));
    let more = author.types("more");
    scene.send(1, [update(&more)]);
    scene.settle();
    let contents: Vec<_> = scene.inbox(2).into_iter().filter(is_content).collect();
    assert_eq!(contents, [update(&more)]);
}

#[test]
fn sy3_sy4_the_edits_of_two_clients_in_any_order_lead_everyone_to_the_same() {
    for order in [[0, 1, 2, 3], [0, 2, 1, 3], [2, 0, 3, 1], [2, 3, 0, 1]] {
        let (one, two) = (Author::new(7), Author::new(8));
        let edits = [(1, one.types("ab")), (1, one.deletes(1)), (2, two.types("xy")), (2, two.sets("k", 1))];
        let mut scene = Scene::with_sessions(2);
        for at in order {
            let (session, edit) = &edits[at];
            scene.send(*session, [update(edit)]);
        }
        scene.settle();
        let inboxes = scene.inboxes(1..=2);
        one.reads(&inboxes[0]);
        two.reads(&inboxes[1]);
        assert_eq!(one.content(), two.content(), "{order:?}");
        assert_eq!(one.content(), scene.server.content_on_disk(), "{order:?}");
        assert_eq!(scene.server.counts.early, 0);
    }
}

#[test]
fn sy4_late_joiners_get_the_cached_state_and_the_updates_since() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    for session in 2..40 {
        scene.send(1, [update(&author.types("word "))]);
        if session % 3 == 0 {
            scene.send(1, [update(&author.deletes(2))]);
        }
        scene.settle();
        let newcomer = Author::new(1000 + session);
        newcomer.reads(&scene.enter(joining(SessionId(session))));
        assert_eq!(newcomer.content(), author.content(), "session {session}");
    }
}

#[test]
fn sy1_one_that_has_most_of_it_gets_only_the_rest() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    let long = "x".repeat(5000);
    scene.send(1, [update(&author.types(&long))]);
    scene.settle();
    let returning = Author::new(8);
    returning.reads(&scene.enter(joining(SessionId(2))));
    scene.send(1, [update(&author.types("!"))]);
    scene.settle();
    scene.join(joining(SessionId(3)));
    scene.send(3, [returning.step1()]);
    let answer = scene.inbox(3);
    let bytes: usize = answer
        .iter()
        .map(|it| if let Message::Sync(SyncMessage::Step2(update)) = it { update.0.len() } else { 0 })
        .sum();
    assert!(bytes > 0 && bytes < 100, "{bytes}");
    returning.reads(&answer);
    assert_eq!(returning.content(), author.content());
}

#[test]
fn sy7_after_an_overflow_one_step_2_brings_all_that_was_missed() {
    let mut scene = Scene::with_sessions(2);
    let (author, reader) = (Author::new(7), Author::new(8));
    scene.send(1, [update(&author.types(&"x".repeat(5000)))]);
    scene.settle();
    reader.reads(&scene.inbox(2));
    scene.server.max_queued_frames = 3;
    for edit in 0..20 {
        scene.send(1, [update(&author.types("z"))]);
        if edit % 4 == 3 {
            scene.send(1, [update(&author.deletes(1))]);
        }
        scene.settle();
        scene.inbox(1);
    }
    let before = scene.inbox(2);
    assert_eq!(before.len(), 3, "the queue's bound");
    let after = scene.inbox(2);
    let [Message::Sync(SyncMessage::Step2(missed))] = after.as_slice() else { panic!("{after:?}") };
    assert!(missed.0.len() < 1000, "only what was missed: {} bytes", missed.0.len());
    reader.reads(&before);
    reader.reads(&after);
    assert_eq!(reader.content(), author.content());
    scene.send(1, [update(&author.types("live"))]);
    scene.settle();
    reader.reads(&scene.inbox(2));
    assert_eq!(reader.content(), author.content(), "and it is subscribed again");
    assert_eq!(scene.server.counts.resyncs, 1);
}

#[test]
fn sy5_what_was_in_flight_when_a_commit_failed_comes_again_with_its_client() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("kept"))]);
    scene.settle();
    scene.inboxes(1..=2);
    scene.send(1, [update(&author.types(" lost"))]);
    scene.server.fail_flush(Written::Nothing);
    assert_eq!(scene.server.disk().len(), 1);
    scene.join(joining(SessionId(3)));
    assert!(scene.inbox(3).iter().any(is_step1));
    scene.send(3, [author.step1(), step2(&author.state())]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), author.content());
}
