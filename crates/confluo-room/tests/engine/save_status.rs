//! SS1–SS5: what a save status promises.

use bytes::Bytes;
use confluo_protocol::{Access, Message, SessionId};
use confluo_room::RoomInput;
use confluo_testkit::network::Written;

use crate::scene::{Author, Scene, is_content, save_status, step2, update};

pub(crate) fn statuses(messages: &[Message]) -> Vec<u8> {
    let of = |message: &Message| if let Message::SaveStatus(bytes) = message { Some(bytes[0]) } else { None };
    messages.iter().filter_map(of).collect()
}

#[test]
fn ss2_ss3_statuses_return_in_order_and_only_from_the_disk() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("a")), save_status(1), update(&author.types("b")), save_status(2)]);
    assert!(statuses(&scene.inbox(1)).is_empty());
    // Sent while the flush runs, with something new before it: it waits for the next flush.
    scene.send(1, [update(&author.types("c")), save_status(3)]);
    scene.server.flush(scene.now);
    assert_eq!(statuses(&scene.inbox(1)), [1, 2]);
    scene.server.flush(scene.now);
    assert_eq!(statuses(&scene.inbox(1)), [3]);
}

#[test]
fn ss2_with_nothing_to_wait_for_the_answer_is_immediate() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [save_status(1)]);
    assert_eq!(statuses(&scene.inbox(1)), [1]);
}

#[test]
fn ss2_another_ones_edits_in_flight_hold_it_too() {
    let mut scene = Scene::with_sessions(2);
    scene.send(2, [update(&Author::new(8).types("a"))]);
    scene.send(1, [save_status(1)]);
    assert!(statuses(&scene.inbox(1)).is_empty());
    scene.settle();
    assert_eq!(statuses(&scene.inbox(1)), [1]);
}

#[test]
fn ss2_it_waits_for_what_is_early() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    author.types("a");
    scene.send(1, [update(&author.types("b")), save_status(1)]);
    scene.settle();
    scene.send(1, [save_status(2)]);
    assert!(statuses(&scene.inbox(1)).is_empty(), "b is on no disk");
    scene.send(1, [step2(&author.state())]);
    assert!(statuses(&scene.inbox(1)).is_empty(), "nor yet");
    scene.settle();
    assert_eq!(statuses(&scene.inbox(1)), [1, 2]);
}

#[test]
fn ss2_a_failed_commit_answers_nothing() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [update(&Author::new(7).types("a")), save_status(1)]);
    scene.server.fail_flush(Written::Nothing);
    assert!(statuses(&scene.inbox(1)).is_empty());
}

#[test]
fn ss3_of_many_that_wait_the_latest_survive() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    author.types("a");
    scene.send(1, [update(&author.types("b"))]);
    scene.send(1, (0..200).map(save_status));
    scene.send(1, [step2(&author.state())]);
    scene.settle();
    let statuses = statuses(&scene.inbox(1));
    assert!(statuses.is_sorted() && statuses.last() == Some(&199) && statuses.len() < 200, "{statuses:?}");
}

#[test]
fn ss2_what_waits_keeps_no_frame_in_memory() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    author.types("a");
    scene.send(1, [update(&author.types("b"))]);
    let frame = Bytes::from(vec![1; 1 << 20]);
    scene.send(1, [Message::SaveStatus(frame.slice(100..101))]);
    assert!(frame.is_unique(), "a part of it waits");
    scene.send(1, [step2(&author.state())]);
    scene.settle();
    assert_eq!(statuses(&scene.inbox(1)), [1]);
}

#[test]
fn ss4_after_refused_writes_the_next_status_says_so_once() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.server.handle(scene.now, vec![RoomInput::AccessChanged(SessionId(1), Access::Read)]);
    scene.send(1, [update(&author.types("a")), save_status(1), save_status(2)]);
    assert_eq!(statuses(&scene.inbox(1)), [1, 2]);
    assert_eq!(scene.server.told_of_refusals[&SessionId(1)], 1);
    assert!(scene.server.disk().is_empty());
}

#[test]
fn ss5_the_echo_comes_before_the_status() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [update(&Author::new(7).types("a")), save_status(1)]);
    scene.settle();
    let inbox = scene.inbox(1);
    assert!(is_content(&inbox[0]) && inbox[1] == Message::SaveStatus(Bytes::from_static(&[1])), "{inbox:?}");
}
