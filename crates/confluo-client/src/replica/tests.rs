use yrs::{Map as _, OffsetKind, Options};

use super::*;

fn replica() -> Replica {
    let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
    let observed = doc.observe_subdocs("none", |_, event| {
        assert_eq!(event.added().chain(event.removed()).count(), 0, "yrs knows of subdocuments");
    });
    observed.expect("nobody else holds it");
    Replica::new(doc)
}

/// What yrs does at a transaction's end with those that it has deleted, it does with items that are freed by then.
#[test]
fn yrs_is_not_told_which_subdocuments_come_and_go() {
    let mut replica = replica();
    let updates: [&[u8]; 3] = [
        &[1, 1, 7, 0, 0x27, 1, 1, b'm', 1, b'k', 1, 0],
        &[1, 1, 7, 1, 0x29, 0, 7, 0, 1, b'd', 1, b'g', 118, 0, 0],
        &[0, 1, 7, 1, 0, 1],
    ];
    for update in updates {
        let update = UpdateV1(Bytes::copy_from_slice(update));
        let heard = replica.receive(&Message::Sync(SyncMessage::Update(update)).encode()).expect("yrs takes it");
        assert!(heard.document_changed);
    }
    let map = replica.doc.get_or_insert_map("m");
    replica.edit(|txn| {
        map.insert(txn, "own", Doc::new());
    });
    replica.edit(|txn| {
        map.remove(txn, "own");
    });
}
