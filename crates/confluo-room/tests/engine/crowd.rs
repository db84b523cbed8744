//! SY21: client ids that end in the same bits, which yrs would search through one by one.

use confluo_protocol::{CloseCode, Message, SyncMessage, UpdateV1, Writer, state_vector::encode_state_vector};
use confluo_testkit::content::Content;

use crate::scene::{Scene, is_content, update};

/// One collected struct of each client.
fn collected(clients: impl ExactSizeIterator<Item = u64>) -> UpdateV1 {
    let mut writer = Writer::default();
    writer.write_var_uint(clients.len() as u64);
    for client in clients {
        writer.write_var_uint(1).write_var_uint(client).write_var_uint(0).write_raw(&[0, 1]);
    }
    writer.write_raw(&[0]);
    UpdateV1(writer.finish())
}

fn crowd(ids: std::ops::Range<u32>) -> impl ExactSizeIterator<Item = u64> {
    ids.map(|id| u64::from(id) << 21)
}

#[test]
fn sy21_an_update_whose_client_ids_crowd_is_refused() {
    let mut scene = Scene::with_sessions(2);
    scene.send(1, [update(&collected(crowd(1..40_000)))]);
    scene.assert_closed(1, CloseCode::Malformed, "client ids end in the same");
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
}

#[test]
fn sy21_ids_crowd_over_many_updates_and_others_go_on() {
    let mut scene = Scene::with_sessions(3);
    for from in (1..257).step_by(16) {
        scene.send(1, [update(&collected(crowd(from..from + 16)))]);
        scene.settle();
    }
    scene.assert_nobody_closed();
    scene.send_together([
        (1, update(&collected(crowd(257..270)))),
        (2, update(&collected([7, 8].into_iter()))),
        (3, update(&collected(crowd(1..2)))),
    ]);
    scene.assert_closed(1, CloseCode::Malformed, "client ids end in the same");
    scene.settle();
    assert!(scene.inbox(2).iter().any(is_content), "who draws them at random is not concerned");
    scene.send(3, [update(&collected([9].into_iter()))]);
    scene.settle();
    assert!(scene.inbox(3).iter().any(is_content), "nor who brings what is known");
    let ids = crowd(1..257).chain(7..10).collect::<Vec<_>>();
    assert_eq!(scene.server.content_on_disk(), Content::of_updates(&[collected(ids.into_iter())]));
}

#[test]
fn sy21_a_state_vector_may_name_any_clients() {
    let mut scene = Scene::with_sessions(1);
    let clocks: Vec<_> = crowd(1..100_000).map(|client| (client, 1)).collect();
    scene.send(1, [Message::Sync(SyncMessage::Step1(encode_state_vector(&clocks)))]);
    scene.settle();
    scene.assert_nobody_closed();
    assert!(scene.inbox(1).iter().any(is_content));
}
