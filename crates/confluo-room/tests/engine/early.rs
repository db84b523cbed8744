//! SY8–SY11: what builds on what the document does not have yet.

use std::time::Duration;

use confluo_protocol::{Message, SessionId, SyncMessage, UpdateV1, Writer};
use confluo_testkit::network::joining;
use yrs::{ReadTxn, StateVector, Transact, updates::decoder::Decode};

use crate::scene::{Author, Scene, early_text, is_step1, save_status, step2, update};

/// Answers each step 1 among `messages` as a client would that lost some of its own updates: from `memory`, what it has.
pub(crate) fn answers(messages: &[Message], memory: &Author) -> Vec<Message> {
    let asked = messages.iter().filter_map(|message| match message {
        Message::Sync(SyncMessage::Step1(vector)) => Some(StateVector::decode_v1(&vector.0).expect("it decodes")),
        _ => None,
    });
    asked
        .map(|known| {
            let diff = memory.doc.transact().encode_state_as_update_v1(&known);
            step2(&UpdateV1(diff.into()))
        })
        .collect()
}

/// What a client keeps that lost one of its own updates: all others, so that what follows waits for ever.
fn without(updates: &[UpdateV1], lost: usize) -> Author {
    let memory = Author::new(99);
    for (place, update) in updates.iter().enumerate() {
        if place != lost {
            let decoded = yrs::Update::decode_v1(&update.0).expect("it decodes");
            memory.doc.transact_mut().apply_update(decoded).expect("it applies");
        }
    }
    memory
}

#[test]
fn sy11_an_early_update_is_asked_for_once_and_healed_by_the_answer() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    let first = author.types("a");
    scene.send(1, [update(&author.types("b"))]);
    let inbox = scene.inbox(1);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1);
    scene.send(1, [update(&author.types("c")), update(&author.types("d"))]);
    assert!(scene.inbox(1).is_empty(), "one step 1 at a time");
    assert!(!scene.server.is_flushing(), "nothing of it is kept");
    drop(first);
    scene.send(1, answers(&inbox, &author));
    scene.settle();
    let reader = Author::new(8);
    reader.reads(&scene.inbox(2));
    assert_eq!(reader.text(), "abcd");
    scene.assert_nobody_closed();
}

#[test]
fn sy2_sy11_the_opening_step_1_counts() {
    let mut scene = Scene::new();
    scene.join(joining(SessionId(1)));
    let author = Author::new(7);
    author.types("a");
    scene.send(1, [update(&author.types("b"))]);
    let inbox = scene.inbox(1);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1, "only the opening one");
    scene.send(1, answers(&inbox, &author));
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), author.content());
}

#[test]
fn sy11_a_client_that_lost_one_of_its_own_updates_neither_loops_nor_loses_its_later_typing() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    let mut updates = vec![author.types("one "), author.types("two "), author.types("three ")];
    scene.send(1, [update(&updates[0])]);
    scene.settle();
    let memory = without(&updates, 1);
    for _ in 0..1000 {
        let typed = author.types("x");
        updates.push(typed.clone());
        scene.send(1, [update(&typed)]);
        let inbox = scene.inbox(1);
        scene.send(1, answers(&inbox, &memory));
        scene.settle();
    }
    let asked = scene.server.asked[&SessionId(1)];
    assert!(asked <= 3, "asked {asked} times");
    assert_eq!(scene.server.disk().len(), 1);

    // It reloads, and types on under a new client id: that is taken, though the old part still waits.
    let reborn = Author::new(70);
    scene.send(1, [update(&reborn.types("reborn"))]);
    scene.settle();
    assert_eq!(scene.server.disk().len(), 2);

    // The missing update turns up at somebody else's: the client is asked again, and all is there.
    scene.inbox(1);
    scene.send(2, [update(&updates[1])]);
    let inbox = scene.inbox(1);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1, "a clock that it waits for has moved");
    scene.send(1, answers(&inbox, &author));
    scene.settle();
    let whole = [author.state(), reborn.state()];
    assert_eq!(scene.server.content_on_disk(), confluo_testkit::content::Content::of_updates(&whole));
    scene.assert_nobody_closed();
}

#[test]
fn sy11_what_becomes_early_while_something_is_stuck_is_asked_for_when_it_fits() {
    let mut scene = Scene::with_sessions(2);
    let stuck = early_text(7, 0, 3);
    scene.send(1, [update(&stuck), step2(&stuck)]);
    let (author, editor) = (Author::new(8), Author::new(9));
    let typed = author.types("abc");
    editor.reads(&[update(&typed)]);
    scene.send(1, [update(&editor.types("!"))]);
    scene.inbox(1);
    scene.send(2, [update(&typed)]);
    scene.settle();
    let inbox = scene.inbox(1);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1, "what it builds on is there");
    scene.send(1, answers(&inbox, &editor));
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), editor.content());
    scene.assert_nobody_closed();
}

#[test]
fn sy8_the_part_before_the_gap_is_taken() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    let updates = [author.types("aa"), author.types("bb"), author.types("cc")];
    scene.send(1, [update(&updates[0]), update(&updates[2])]);
    scene.settle();
    scene.send(1, [update(&author.state())]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), author.content(), "a run that starts in what is known goes on from it");
}

#[test]
fn sy9_a_delete_of_what_is_not_there_yet_waits_for_it() {
    let mut scene = Scene::with_sessions(2);
    let (author, editor) = (Author::new(7), Author::new(8));
    let typed = author.types("abc");
    editor.reads(&[update(&typed)]);
    scene.send(2, [update(&editor.deletes(2))]);
    assert!(!scene.server.is_flushing());
    let inbox = scene.inbox(2);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1);
    scene.send(1, [update(&typed)]);
    scene.send(2, answers(&inbox, &editor));
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), editor.content());
}

#[test]
fn sy10_an_item_beside_an_unknown_one_waits_and_is_healed_when_that_one_arrives() {
    let mut scene = Scene::with_sessions(2);
    let (author, editor) = (Author::new(7), Author::new(8));
    let typed = author.types("abc");
    editor.reads(&[update(&typed)]);
    let beside = editor.types("!");
    scene.send(2, [update(&beside)]);
    assert!(!scene.server.is_flushing(), "an origin that nobody knows");
    // It answers with what it wrote itself alone, so the server must wait for the other.
    scene.send(2, [step2(&beside)]);
    scene.inbox(2);
    scene.send(1, [update(&typed)]);
    scene.settle();
    let inbox = scene.inbox(2);
    assert_eq!(inbox.iter().filter(|it| is_step1(it)).count(), 1, "what it waited for is there");
    scene.send(2, answers(&inbox, &editor));
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), editor.content());
}

#[test]
fn sy11_time_alone_never_makes_the_server_ask() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    let updates = [author.types("a"), author.types("b")];
    scene.send(1, [update(&updates[1])]);
    scene.send(1, [step2(&updates[1])]);
    scene.inbox(1);
    for _ in 0..100 {
        scene.wait(Duration::from_secs(10));
        scene.send(1, [save_status(1)]);
        assert!(!scene.inbox(1).iter().any(is_step1));
    }
}

/// Content that waits for more clients than are remembered.
#[test]
fn sy11_what_waits_for_nobody_knows_what_is_asked_for_after_longer_and_longer_pauses() {
    let mut scene = Scene::with_sessions(2);
    let mut deletes = Writer::default();
    deletes.write_var_uint(0).write_var_uint(2_000);
    for client in 1_000..3_000 {
        deletes.write_var_uint(client).write_raw(&[1, 0, 1]);
    }
    let early = UpdateV1(deletes.finish());
    scene.send(1, [update(&early)]);
    assert!(scene.inbox(1).iter().any(is_step1));
    scene.send(1, [step2(&early)]);
    let start = scene.now;
    let mut asked_at = Vec::new();
    while asked_at.len() < 8 {
        // The others are busy all the time, and with nothing of that.
        scene.send(2, [save_status(1)]);
        let next = scene.server.room().next_deadline().expect("it is to be asked again");
        scene.wait(next - scene.now);
        if scene.inbox(1).iter().any(is_step1) {
            asked_at.push((scene.now - start).as_secs());
            scene.send(1, [step2(&early)]);
        }
    }
    assert_eq!(asked_at, [1, 3, 7, 15, 31, 63, 127, 191]);
    scene.assert_nobody_closed();
}

#[test]
fn sy20_an_early_struct_says_nothing_of_what_its_client_types_at_its_clocks() {
    let mut scene = Scene::with_sessions(2);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("a"))]);
    scene.settle();
    // It begins with that letter, so that a part of it is known; by whom it was made, or what was lost since, nobody can tell.
    let early = early_text(7, 0, 3);
    let typed = [(1, "b"), (1, "c"), (2, "d"), (2, "e"), (1, "f"), (4, "g")];
    let typed = typed.map(|(at, letter)| (1, update(&author.types_at(at, letter))));
    scene.send_together([(2, update(&early))].into_iter().chain(typed));
    scene.settle();
    scene.assert_nobody_closed();
    assert_eq!(scene.server.content_on_disk(), author.content());
}
