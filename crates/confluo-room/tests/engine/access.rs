//! AU6, SY12, SY13: who and what is refused, and that it costs nobody else.

use std::time::Duration;

use confluo_protocol::{Access, CloseCode, SessionId, UpdateV1};
use confluo_room::{Joining, RoomInput};
use confluo_testkit::{content::Content, network::joining};

use crate::scene::{Author, Scene, awareness, is_content, is_denial, presence, raw_update, save_status, step2, update};

fn reader(session: u64) -> Joining {
    Joining { access: Access::Read, ..joining(SessionId(session)) }
}

#[test]
fn au6_a_readers_writes_are_refused_and_it_is_told_and_stays() {
    let mut scene = Scene::with_sessions(1);
    scene.enter(reader(2));
    let (author, editor) = (Author::new(7), Author::new(8));
    scene.send(2, [update(&editor.types("no")), update(&editor.types("no"))]);
    let told = scene.inbox(2);
    assert_eq!(told.iter().filter(|it| is_denial(it)).count(), 1);
    scene.send(2, [save_status(1)]);
    scene.inbox(2);
    assert_eq!(scene.server.told_of_refusals.get(&SessionId(2)), Some(&1));
    scene.send(2, [update(&editor.types("no"))]);
    assert!(scene.inbox(2).iter().any(is_denial), "told again after a save status");

    scene.send(1, [update(&author.types("yes"))]);
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content), "it goes on reading");
    assert_eq!(scene.server.content_on_disk(), author.content());
    scene.assert_nobody_closed();
}

#[test]
fn au6_a_readers_step_2_without_news_is_no_offence() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("text")), update(&author.deletes(1))]);
    scene.settle();
    scene.join(reader(2));
    scene.send(2, [step2(&author.state()), save_status(1)]);
    assert!(!scene.inbox(2).iter().any(is_denial));
    assert!(scene.server.told_of_refusals.is_empty());
}

#[test]
fn au6_what_was_deleted_between_two_readers_answers_is_no_news() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("text"))]);
    for session in 2..5 {
        scene.send(1, [update(&author.deletes(1))]);
        scene.settle();
        scene.join(reader(session));
        scene.send(session, [step2(&author.state())]);
        assert!(!scene.inbox(session).iter().any(is_denial), "session {session}");
    }
}

#[test]
fn au6_a_readers_step_2_with_news_is_an_offence_and_so_is_one_that_nobody_asked_for() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("text")), update(&author.deletes(1))]);
    scene.settle();
    scene.join(reader(2));
    scene.join(reader(3));
    scene.send(3, [step2(&author.state())]);
    assert!(!scene.inbox(3).iter().any(is_denial));
    // To see that nothing of it is new takes reading all that was ever deleted.
    scene.send(3, [step2(&author.state())]);
    assert!(scene.inbox(3).iter().any(is_denial));
    author.types(" and news");
    scene.send(2, [step2(&author.state())]);
    assert!(scene.inbox(2).iter().any(is_denial));
    scene.assert_nobody_closed();
}

#[test]
fn au6_a_readers_step_2_with_a_new_deletion_is_refused_and_told() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    scene.send(1, [update(&author.types("some text")), update(&author.deletes(1))]);
    scene.settle();
    let before = author.content();
    scene.join(reader(2));
    author.deletes(2);
    scene.send(2, [step2(&author.state())]);
    assert!(scene.inbox(2).iter().any(is_denial));
    scene.assert_nobody_closed();
    assert_eq!(scene.server.content_on_disk(), before, "it is not taken");
}

#[test]
fn au5_a_change_of_access_binds_the_next_message() {
    let mut scene = Scene::with_sessions(1);
    let author = Author::new(7);
    let to = |access| RoomInput::AccessChanged(SessionId(1), access);
    let edits = [author.types("a"), author.types("b")];
    let now = scene.now;
    let edit = |at: usize| RoomInput::Received(SessionId(1), update(&edits[at]));
    scene.server.handle(now, vec![to(Access::Read), edit(0)]);
    assert!(!scene.server.is_flushing());
    scene.server.handle(now, vec![to(Access::Write), edit(0), edit(1)]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), author.content());
}

/// Whatever waits, and be it for the disk.
#[test]
fn au2_au5_what_came_before_a_token_is_taken_as_was_permitted_when_it_came() {
    let mut scene = Scene::with_sessions(2);
    let (author, other) = (Author::new(7), Author::new(8));
    let now = scene.now;
    let to = |access| RoomInput::AccessChanged(SessionId(1), access);
    let edit = |edit: &UpdateV1| RoomInput::Received(SessionId(1), update(edit));
    let taken = [other.types("in flight"), author.types("permitted")];
    scene.send(2, [update(&taken[0])]);
    scene.server.handle(now, vec![edit(&taken[1]), to(Access::Read)]);
    let refused = [author.types("not"), author.types("not either")].each_ref().map(edit);
    let [before, behind] = refused;
    scene.server.handle(now, vec![before, to(Access::Write), to(Access::Read), behind]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), Content::of_updates(&taken));
    assert!(scene.inbox(1).iter().any(is_denial));
    scene.assert_nobody_closed();
}

#[test]
fn au5_of_who_is_expelled_nothing_is_taken_that_waits_for_the_disk() {
    let mut scene = Scene::with_sessions(3);
    let (other, author) = (Author::new(8), Author::new(7));
    scene.send(1, [awareness(&[(7, 1, "{}")])]);
    scene.send(2, [update(&other.types("in flight"))]);
    scene.send(1, [update(&author.types("waits"))]);
    let behind = RoomInput::Received(SessionId(1), update(&author.types("came later")));
    scene.wait(Duration::from_secs(1));
    scene.inbox(3);
    scene.server.handle(scene.now, vec![RoomInput::Expelled(SessionId(1)), behind]);
    assert_eq!(presence(&scene.inbox(3)), [(7, 2, "null".to_owned())], "its presence goes at once");
    scene.settle();
    scene.server.leave(scene.now, SessionId(1));
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), other.content());
    scene.assert_nobody_closed();
}

/// One item of client 1 at clock 0 in the root `r`, whose content follows.
fn item(info: u8, content: &[u8]) -> Vec<u8> {
    [&[1, 1, 1, 0, info, 1, 1, b'r'], content, &[0]].concat()
}

#[test]
fn sy13_what_would_not_survive_is_refused_by_name() {
    let check = |name: &str, info: u8, content: &[u8]| {
        let mut scene = Scene::with_sessions(2);
        let author = Author::new(8);
        scene.send_together([(2, update(&author.types("a"))), (1, raw_update(&item(info, content)))]);
        scene.assert_closed(1, CloseCode::Malformed, name);
        scene.settle();
        assert_eq!(scene.server.content_on_disk(), author.content(), "{name}: nothing of it is stored");
    };
    check("XmlHook", 7, &[5, 1, b'h']);
    check("WeakRef", 7, &[7, 0, 1, 0]);
    check("Move", 11, &[0, 1, 0]);
    check("ContentJSON", 2, &[1, 1, b'1']);
    check("surrogate", 5, &[8, b'"', b'\\', b'u', b'd', b'8', b'0', b'0', b'"']);
}

#[test]
fn sy12_fr5_malformed_bytes_close_their_sender_and_cost_nobody_else_anything() {
    for bytes in
        [&[][..], &[0], &[1], &[0xff; 12], &[1, 1, 1, 0, 4, 1, 1, b'r', 9, b'a', 0], &[0, 0, 0], &[1, 0, 1, 0, 0]]
    {
        let mut scene = Scene::with_sessions(3);
        let author = Author::new(8);
        let (before, after) = (author.types("before"), author.types("after"));
        scene.send_together([(2, update(&before)), (1, raw_update(bytes)), (1, update(&before)), (2, update(&after))]);
        scene.assert_closed(1, CloseCode::Malformed, "");
        scene.settle();
        let reader = Author::new(9);
        reader.reads(&scene.inbox(3));
        assert_eq!(reader.content(), author.content(), "{bytes:?}");
        assert_eq!(scene.server.rebuilds, 0);
    }
}

#[test]
fn fr5_what_a_session_sent_after_its_offence_is_not_taken() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [raw_update(&[9]), update(&Author::new(7).types("late"))]);
    scene.assert_closed(1, CloseCode::Malformed, "");
    assert!(!scene.server.is_flushing());
}
