//! Who may bring a document into being: asked once, when something is first written to it.

use confluo_protocol::{Access, CloseCode, SessionId};
use confluo_room::{Joining, RoomConfig};
use confluo_testkit::network::{Written, joining};

use crate::scene::{Author, Scene, is_content, update};

/// Sessions 1 to 3, of which 3 may only read, around a document that does not exist.
fn scene(may_create: &[u64]) -> Scene {
    let mut scene = Scene::with(RoomConfig { asks_before_creating: true, ..RoomConfig::default() });
    scene.server.may_create = may_create.iter().copied().map(SessionId).collect();
    (1..=2).for_each(|session| drop(scene.enter(joining(SessionId(session)))));
    scene.enter(Joining { access: Access::Read, ..joining(SessionId(3)) });
    assert_eq!(scene.server.asked_to_create, [], "who only opens it, and brings nothing, creates nothing");
    scene
}

#[test]
fn sy19_the_first_to_write_is_asked_about_and_nobody_after() {
    let mut scene = scene(&[1]);
    let (one, two) = (Author::new(7), Author::new(8));
    scene.send_together([(1, update(&one.types("a"))), (2, update(&two.types("b")))]);
    scene.settle();
    scene.send(2, [update(&two.types("c"))]);
    scene.settle();
    scene.assert_nobody_closed();
    assert_eq!(scene.server.asked_to_create, [SessionId(1)]);
    assert_eq!(scene.server.first_writes, [SessionId(1), SessionId(2)]);
}

#[test]
fn sy19_who_may_not_create_is_closed_and_another_may() {
    let mut scene = scene(&[2]);
    let (one, two) = (Author::new(7), Author::new(8));
    scene.send_together([(1, update(&one.types("a"))), (2, update(&two.types("b")))]);
    scene.assert_closed(1, CloseCode::SlowDown, "too many documents were created");
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), two.content());
    assert!(scene.inbox(3).iter().any(is_content));
    assert_eq!(scene.server.asked_to_create, [SessionId(1), SessionId(2)]);
    assert_eq!(scene.server.first_writes, [SessionId(2)]);
}

#[test]
fn sy19_a_reader_cannot_create_and_is_not_asked_about() {
    let mut scene = scene(&[3]);
    scene.send(3, [update(&Author::new(9).types("x"))]);
    scene.assert_nobody_closed();
    assert!(!scene.server.is_flushing());
    assert_eq!(scene.server.asked_to_create, []);
    assert_eq!(scene.server.first_writes, []);
}

#[test]
fn sy19_a_document_that_exists_may_be_written_to_by_who_may_create_none() {
    let mut scene = scene(&[1]);
    let (one, two) = (Author::new(7), Author::new(8));
    scene.send(1, [update(&one.types("a"))]);
    scene.settle();
    // Everybody goes, and the document is opened again.
    scene.server.crash(Written::Nothing);
    scene.server.asked_to_create.clear();
    scene.enter(joining(SessionId(4)));
    scene.send(4, [update(&two.types("b"))]);
    scene.settle();
    scene.assert_nobody_closed();
    assert_eq!(scene.server.asked_to_create, []);
    assert!(scene.inbox(4).iter().any(is_content));
}
