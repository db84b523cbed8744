//! SY18: nesting that would overflow the stack of whoever deletes it is refused before it is applied.

use confluo_protocol::{CloseCode, Seq, SessionId, UpdateV1, Writer, update::MAX_TYPE_NESTING};
use confluo_room::{Room, RoomConfig, StoredState};
use confluo_testkit::{content::Content, network::LINEAGE};

use crate::scene::{Scene, early_text, is_content, step2, update};

/// Arrays of client 1 from `clocks`, each in the one before it, the first in a root; and the deletion of the first.
fn nested(clocks: std::ops::Range<u64>, with_delete: bool) -> UpdateV1 {
    let mut writer = Writer::default();
    if clocks.is_empty() {
        writer.write_var_uint(0);
    } else {
        writer.write_var_uint(1).write_var_uint(clocks.end - clocks.start).write_var_uint(1);
        writer.write_var_uint(clocks.start);
    }
    for clock in clocks {
        match clock {
            0 => writer.write_raw(&[7, 1, 1, b'r', 0]),
            _ => writer.write_raw(&[7, 0, 1]).write_var_uint(clock - 1).write_raw(&[0]),
        };
    }
    writer.write_raw(if with_delete { &[1, 1, 1, 0, 1] } else { &[0] });
    UpdateV1(writer.finish())
}

#[test]
fn sy18_one_update_that_nests_too_deep_is_refused_and_the_process_lives() {
    let mut scene = Scene::with_sessions(2);
    scene.send(1, [update(&nested(0..20_000, false))]);
    scene.assert_closed(1, CloseCode::Malformed, "deeper than 200");
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    // The refused clocks are free again: another may use them.
    scene.send(2, [update(&nested(0..100, false)), update(&nested(0..0, true))]);
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), Content::of_updates(&[nested(0..100, true)]));
}

#[test]
fn sy18_nesting_adds_up_over_many_updates() {
    let bound = u64::from(MAX_TYPE_NESTING);
    let mut scene = Scene::with_sessions(2);
    for clock in 0..bound {
        scene.send(1, [update(&nested(clock..clock + 1, false))]);
        scene.settle();
    }
    scene.assert_nobody_closed();
    scene.send_together([
        (1, update(&nested(bound..bound + 1, false))),
        (1, update(&nested(bound + 1..20_000, false))),
        (2, update(&nested(0..0, true))),
    ]);
    scene.assert_closed(1, CloseCode::Malformed, "deeper than 200");
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content));
    assert_eq!(scene.server.content_on_disk(), Content::of_updates(&[nested(0..bound, true)]));
}

/// A struct that begins with what is known, is long, and refers to what nobody has: it is early, and says nothing of where
/// the items will stand that come at its clocks.
#[test]
fn sy18_an_early_struct_hides_no_nesting_behind_it() {
    let bound = u64::from(MAX_TYPE_NESTING);
    let mut scene = Scene::with_sessions(2);
    scene.send(1, [update(&nested(0..bound, false))]);
    scene.settle();
    let early = early_text(1, bound - 1, 20_000);
    scene.send(1, [update(&early), step2(&early)]);
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    scene.assert_nobody_closed();
    scene.send_together([(1, update(&nested(bound..15_000, false))), (2, update(&nested(0..0, true)))]);
    scene.assert_closed(1, CloseCode::Malformed, "deeper than 200");
    scene.settle();
    assert_eq!(scene.server.content_on_disk(), Content::of_updates(&[nested(0..bound, true)]));
}

#[test]
fn sy18_levels_survive_a_restart_and_a_copy_adds_none() {
    let mut scene = Scene::with_sessions(1);
    let honest = nested(0..150, false);
    scene.send(1, [update(&honest), update(&honest)]);
    scene.settle();
    let mut stored = StoredState { head: Seq(1), updates: vec![honest], ..StoredState::none(LINEAGE) };
    assert!(Room::open(RoomConfig::default(), stored.clone()).is_ok());
    stored.updates.push(nested(150..20_000, false));
    let refusal = Room::open(RoomConfig::default(), stored).err().expect("too deep to be worked on");
    assert!(refusal.to_string().contains("deeper than 200"));
    assert!(scene.server.closed.iter().all(|(id, ..)| *id != SessionId(1)));
}
