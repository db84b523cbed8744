//! What stays in memory of what the document does not have.

use super::*;

/// `ab` of client 1, then an item that stands right of itself; and what was collected of many other clients.
#[test]
fn sy20_a_refused_update_leaves_no_clocks_in_memory() {
    let mut update = Writer::default();
    update.write_var_uint(100_001);
    update.write_raw(&[2, 1, 0, 0x04, 1, 1, b't', 2, b'a', b'b', 0xc4, 1, 1, 1, 1, 1, b'x']);
    for client in 2..100_002 {
        update.write_var_uint(1).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    update.write_var_uint(0);
    let update = check_update(UpdateV1(update.finish()), &UpdateLimits::default()).expect("well formed");
    let mut document = Document::empty();
    assert_eq!(document.admit(&update, |_| false).err(), Some(Misplaced::CrossedOrigins));
    assert_eq!(document.clocks.0.len(), 0, "clocks are left");
}
