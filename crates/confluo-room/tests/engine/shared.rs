//! FR7: what many are sent alike lies in memory once, however many do not read it.

use std::collections::BTreeSet;

use confluo_protocol::{Frame, Message, SessionId};
use confluo_room::{Effects, Outgoing, RoomInput};
use confluo_testkit::network::joining;

use crate::scene::{Author, Scene, awareness, early_text, empty_update, step1, step2, update};

impl Scene {
    /// What the engine lets out at once.
    fn lets_out(&mut self, inputs: impl IntoIterator<Item = RoomInput>) -> Effects {
        let now = self.now;
        self.server.room().handle(now, inputs)
    }
}

fn received(session: u64, message: Message) -> RoomInput {
    RoomInput::Received(SessionId(session), message)
}

/// How many frames of a kind went out, and in how many places of memory they lie.
fn frames_and_places(effects: &Effects, of_kind: impl Fn(&Outgoing) -> Option<&Frame>) -> (usize, usize) {
    let frames: Vec<_> = effects.now.iter().filter_map(of_kind).map(|frame| frame.as_ref().as_ptr()).collect();
    (frames.len(), frames.iter().collect::<BTreeSet<_>>().len())
}

fn question(outgoing: &Outgoing) -> Option<&Frame> {
    if let Outgoing::Question(_, frame) = outgoing { Some(frame) } else { None }
}

fn catch_up(outgoing: &Outgoing) -> Option<&Frame> {
    if let Outgoing::CatchUp(_, frames) = outgoing { frames.first() } else { None }
}

#[test]
fn fr7_sy2_who_comes_between_two_changes_is_asked_by_the_same_frame() {
    let mut scene = Scene::with_sessions(1);
    let effects = scene.lets_out((2..10).map(|session| RoomInput::Joined(joining(SessionId(session)))));
    assert_eq!(frames_and_places(&effects, question), (8, 1));
    let author = Author::new(7);
    scene.send(1, [update(&author.types("a"))]);
    scene.settle();
    scene.join(joining(SessionId(10)));
    assert_eq!(scene.inbox(10), [author.step1()], "what came since is not asked for");
}

#[test]
fn fr7_sy11_who_asks_to_be_asked_all_the_time_is_asked_by_the_same_frame() {
    let mut scene = Scene::with_sessions(1);
    let pair = |turn: u64| [update(&early_text(50 + turn, 5, 1)), step2(&empty_update())].map(|it| received(1, it));
    let edit = received(1, update(&Author::new(7).types("a")));
    let effects = scene.lets_out((0..100).flat_map(pair).chain([edit]).chain((100..200).flat_map(pair)));
    let (asked, places) = frames_and_places(&effects, question);
    assert_eq!(asked, 200);
    assert!(places <= 2, "{places} copies");
}

#[test]
fn fr7_sy1_a_vector_that_says_nothing_of_this_document_asks_for_all_of_it() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [update(&Author::new(7).types("some text"))]);
    scene.settle();
    let answers = |vectors: &[&[(u64, u32)]], scene: &mut Scene| {
        let effects = scene.lets_out(vectors.iter().map(|vector| received(1, step1(vector))));
        frames_and_places(&effects, catch_up)
    };
    assert_eq!(answers(&[&[], &[(1, 0)], &[(2, 9)], &[(7, 0)], &[(7, 4), (7, 0), (3, 1)]], &mut scene), (5, 1));
    // The same part of it, however it is said.
    assert_eq!(answers(&[&[(7, 4)], &[(7, 4), (8, 1)], &[(9, 0), (7, 1), (7, 4)]], &mut scene), (3, 1));
    assert_eq!(answers(&[&[(7, 9)], &[(7, 10)], &[(7, 100)]], &mut scene), (3, 1));
}

#[test]
fn fr7_sy7_who_fall_behind_together_catch_up_by_the_same_frame() {
    let mut scene = Scene::with_sessions(9);
    let author = Author::new(7);
    for words in ["before, ", "missed, ", "missed too"] {
        scene.send(1, [update(&author.types(words))]);
        scene.settle();
    }
    let behind = scene.lets_out((2..10).map(|session| RoomInput::Overflowed(SessionId(session))));
    assert!(behind.now.is_empty());
    let effects = scene.lets_out((2..10).map(|session| RoomInput::CaughtUp(SessionId(session))));
    assert_eq!(frames_and_places(&effects, catch_up), (8, 1));
}

#[test]
fn fr7_aw6_who_come_together_are_told_of_all_by_the_same_frame() {
    let mut scene = Scene::with_sessions(1);
    let joins = (2..10).map(|session| RoomInput::Joined(joining(SessionId(session))));
    let words = (2..10).map(|session| received(session, awareness(&[(session, 1, "{}")])));
    let effects = scene.lets_out(joins.chain(words));
    let introductions = frames_and_places(&effects, |outgoing| match outgoing {
        Outgoing::Introduction(_, frame) => Some(frame),
        _ => None,
    });
    assert_eq!(introductions, (8, 1));
}
