//! SY16: how large a document may become.

use confluo_protocol::{CloseCode, SessionId};
use confluo_room::RoomConfig;
use confluo_testkit::network::joining;

use crate::scene::{Author, Scene, is_content, step2, update};

const LIMIT: usize = 2000;

fn scene() -> Scene {
    let mut scene = Scene::with(RoomConfig { max_document_bytes: LIMIT, ..RoomConfig::default() });
    (1..=3).for_each(|session| drop(scene.enter(joining(SessionId(session)))));
    scene
}

/// A document near its limit, by session 1.
fn full(scene: &mut Scene) -> Author {
    let author = Author::new(7);
    scene.send(1, [update(&author.types(&"x".repeat(LIMIT - 100)))]);
    scene.settle();
    scene.inboxes(1..=3);
    author
}

#[test]
fn sy16_the_writer_is_closed_and_readers_go_on() {
    let mut scene = scene();
    let author = full(&mut scene);
    let before = author.content();
    scene.send(1, [update(&author.types(&"y".repeat(200)))]);
    scene.assert_closed(1, CloseCode::TooLarge, "2000");
    let other = Author::new(8);
    scene.send(2, [update(&other.types("fits"))]);
    scene.settle();
    assert!(scene.inbox(3).iter().any(is_content));
    assert_ne!(scene.server.content_on_disk(), before);
}

#[test]
fn sy16_a_full_document_still_takes_deletions_and_then_has_room_again() {
    let mut scene = scene();
    let author = full(&mut scene);
    scene.send(1, [update(&author.deletes(1500))]);
    scene.settle();
    scene.send(1, [update(&author.types(&"z".repeat(1000)))]);
    scene.settle();
    scene.assert_nobody_closed();
    assert_eq!(scene.server.content_on_disk(), author.content());
}

#[test]
fn sy16_a_batch_counts_as_a_whole() {
    let mut scene = scene();
    let authors = [Author::new(7), Author::new(8), Author::new(9)];
    let large = authors.iter().map(|author| author.types(&"w".repeat(LIMIT / 2 - 50)));
    let batch: Vec<_> = (1..).zip(large).map(|(session, edit)| (session, update(&edit))).collect();
    scene.send_together(batch);
    scene.assert_closed(3, CloseCode::TooLarge, "");
    scene.settle();
    assert!(scene.server.room().take_snapshot().expect("at rest").state.0.len() <= LIMIT);
}

#[test]
fn sy16_a_copy_of_what_is_known_needs_no_room() {
    let mut scene = scene();
    let author = full(&mut scene);
    scene.send(2, [step2(&author.state()), update(&author.state())]);
    scene.assert_nobody_closed();
    assert!(!scene.server.is_flushing());
}
