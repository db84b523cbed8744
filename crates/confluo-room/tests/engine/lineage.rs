//! LI1–LI4: a document that was reset is another document.

use bytes::Bytes;
use confluo_protocol::{CloseCode, LineageId, Message, SessionId};
use confluo_room::{Joining, LineageClaim};
use confluo_testkit::network::{LINEAGE, joining};

use crate::scene::{Author, Scene, is_step1, step2, update};

fn claiming(session: u64, lineage: LineageClaim) -> Joining {
    Joining { lineage, ..joining(SessionId(session)) }
}

/// The lineage that a session was told, among what else it got.
fn told(messages: &[Message]) -> Option<Bytes> {
    messages.iter().find_map(|it| if let Message::Lineage(id) = it { Some(id.clone()) } else { None })
}

#[test]
fn li2_the_lineage_is_told_only_when_it_is_on_disk() {
    let id = Some(Bytes::from(LINEAGE.to_string()));
    let mut scene = Scene::with_sessions(1);
    scene.join(claiming(2, LineageClaim::Asks));
    assert_eq!(told(&scene.inbox(2)), None, "an empty document has none on disk");
    scene.send(1, [update(&Author::new(7).types("a"))]);
    scene.join(claiming(3, LineageClaim::Asks));
    assert_eq!(told(&scene.inbox(3)), None, "the first commit is in flight");
    scene.settle();
    for session in [2, 3] {
        assert_eq!(told(&scene.inbox(session)), id, "session {session}");
    }
    scene.join(claiming(4, LineageClaim::Has(LINEAGE)));
    assert_eq!(told(&scene.inbox(4)), id);
    assert_eq!(told(&scene.inbox(1)), None, "LI2: never unasked");
}

#[test]
fn li3_a_copy_of_another_lineage_is_turned_away_before_any_content() {
    let mut scene = Scene::with_sessions(1);
    scene.send(1, [update(&Author::new(7).types("new"))]);
    scene.settle();
    scene.join(claiming(2, LineageClaim::Has(LineageId([9; 16]))));
    scene.assert_closed(2, CloseCode::DocumentReset, "reset");
    let old = Author::new(8);
    old.types("old");
    scene.send(2, [step2(&old.state())]);
    assert!(!scene.server.is_flushing() && !scene.inbox(2).iter().any(is_step1));
}

#[test]
fn li4_who_does_not_take_part_is_merged() {
    let mut scene = Scene::with_sessions(1);
    let old = Author::new(8);
    old.types("old");
    scene.send(1, [step2(&old.state())]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), old.content());
}
