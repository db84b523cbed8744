//! SY24: subdocuments take memory far beyond their bytes, so a document holds only so many.

use confluo_protocol::{CloseCode, SessionId, UpdateV1, Writer};
use confluo_testkit::network::{Written, joining};

use crate::scene::{Scene, is_content, update};

/// Of client 1, in a list; and the deletion of `deleted` clocks from the first on.
fn subdocuments(clocks: std::ops::Range<u64>, deleted: u64) -> UpdateV1 {
    let mut writer = Writer::default();
    if clocks.is_empty() {
        writer.write_var_uint(0);
    } else {
        writer.write_var_uint(1).write_var_uint(clocks.end - clocks.start).write_var_uint(1);
        writer.write_var_uint(clocks.start);
    }
    for clock in clocks {
        match clock {
            0 => writer.write_raw(&[0x09, 1, 1, b'r']),
            _ => writer.write_raw(&[0x89, 1]).write_var_uint(clock - 1),
        };
        writer.write_raw(&[1, b'g', 118, 0]);
    }
    match deleted {
        0 => writer.write_var_uint(0),
        _ => writer.write_raw(&[1, 1, 1, 0]).write_var_uint(deleted),
    };
    UpdateV1(writer.finish())
}

/// The session was closed, as nobody else since this was asked last.
fn assert_full(scene: &mut Scene, session: u64) {
    scene.assert_closed(session, CloseCode::TooLarge, "10000 subdocuments; delete some first");
    scene.server.closed.clear();
}

#[test]
fn sy24_a_document_holds_so_many_subdocuments_and_those_that_are_deleted_make_room() {
    let mut scene = Scene::with_sessions(4);
    scene.send(1, [update(&subdocuments(0..10_001, 0))]);
    assert_full(&mut scene, 1);
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    scene.send(2, [update(&subdocuments(0..9_990, 0)), update(&subdocuments(9_990..10_000, 0))]);
    scene.settle();
    scene.send(3, [update(&subdocuments(10_000..10_001, 0))]);
    assert_full(&mut scene, 3);
    // What is known counts once, and what is none not at all.
    scene.send(2, [update(&subdocuments(0..10_000, 0))]);
    scene.send(2, [update(&UpdateV1((&b"\x01\x01\x02\0\x04\x01\x01t\x01a\0"[..]).into()))]);
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content));
    scene.send(2, [update(&subdocuments(0..0, 5_000))]);
    scene.settle();
    scene.send(2, [update(&subdocuments(10_000..15_000, 0))]);
    scene.settle();
    scene.send(4, [update(&subdocuments(15_000..15_001, 0))]);
    assert_full(&mut scene, 4);
    scene.server.crash(Written::Nothing);
    scene.enter(joining(SessionId(5)));
    scene.send(5, [update(&subdocuments(15_000..15_001, 0))]);
    assert_full(&mut scene, 5);
}
