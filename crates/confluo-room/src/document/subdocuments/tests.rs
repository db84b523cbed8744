//! A subdocument holds the document that holds it.

use std::sync::Arc;

use bytes::Bytes;
use confluo_protocol::{UpdateV1, check_update, update::UpdateLimits};

use super::*;
use crate::document::Broken;

/// Of client 7: under the key `k` of the root `m`; another under `l`; the deletion of both.
const SUBDOCUMENT: [u8; 15] = [1, 1, 7, 0, 0x29, 1, 1, b'm', 1, b'k', 1, b'g', 118, 0, 0];
const ANOTHER: [u8; 15] = [1, 1, 7, 1, 0x29, 1, 1, b'm', 1, b'l', 1, b'g', 118, 0, 0];
const DELETION: [u8; 6] = [0, 1, 7, 1, 0, 2];
/// A letter of client 8, in the subdocument as if that were a shared type.
const BREAKING: [u8; 11] = [1, 1, 8, 0, 0x04, 0, 7, 0, 1, b'x', 0];

fn update_of(bytes: &[u8]) -> UpdateV1 {
    UpdateV1(Bytes::copy_from_slice(bytes))
}

/// Applies an update that is well formed.
fn apply(document: &mut Document, update: &[u8]) {
    let checked = check_update(update_of(update), &UpdateLimits::default()).expect("well formed");
    let admission = document.admit(&checked, |_| false).expect("nothing is misplaced");
    document.apply(&[admission.admitted.expect("nothing is early")], admission.repeats).expect("yrs takes it");
}

/// Two as long as what yrs keeps of the document is in memory, one afterwards.
fn watch(document: &Document) -> Arc<()> {
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let observed = document.doc.observe_update_v1("token", move |_, _| drop(Arc::clone(&held)));
    observed.expect("nobody else holds it");
    token
}

fn assert_freed(token: &Arc<()>) {
    assert_eq!(Arc::strong_count(token), 1, "it is still in memory");
}

#[test]
fn a_document_with_subdocuments_is_freed() {
    for updates in [&[&SUBDOCUMENT[..]][..], &[&SUBDOCUMENT, &ANOTHER], &[&SUBDOCUMENT, &ANOTHER, &DELETION]] {
        let mut document = Document::empty();
        let token = watch(&document);
        for update in updates {
            apply(&mut document, update);
        }
        assert_eq!(Arc::strong_count(&token), 2);
        let state = UpdateV1(document.encode_state().expect("it is whole").into());
        drop(document);
        assert_freed(&token);
        let (loaded, _) = Document::load(&[state]).expect("nothing nests");
        let token = watch(&loaded);
        drop(loaded);
        assert_freed(&token);
    }
}

/// yrs gave up in the middle of an update, and what it has merged is whole.
#[test]
fn a_document_with_subdocuments_is_freed_when_yrs_refuses_an_update() {
    let mut document = Document::empty();
    let token = watch(&document);
    apply(&mut document, &SUBDOCUMENT);
    let batch = [&ANOTHER[..], &BREAKING].map(update_of);
    document.subdocuments.extend([(7, 1)]);
    assert_eq!(document.apply(&batch, true).err(), Some(Broken));
    assert!(document.is_broken());
    assert_freed(&token);
}

/// yrs reads what is left of it all the same.
#[test]
fn a_document_is_freed_whose_record_only_yrs_can_read() {
    let unread = update_of(&[&SUBDOCUMENT[..], &[0]].concat());
    let (mut loaded, refused) = Document::load(&[unread]).expect("nothing nests");
    assert_eq!(refused, [0_usize; 0]);
    assert!(loaded.encode_state().expect("it is whole").len() > 2, "it is read");
    let token = watch(&loaded);
    drop(loaded);
    assert_freed(&token);
}

/// Deleted with the map that holds them, and before they come.
#[test]
fn of_subdocuments_that_come_and_go_none_is_remembered() {
    let mut document = Document::empty();
    let map_with_one = |clock: u8| {
        let map = [2, 7, clock, 0x27, 1, 1, b'm', 1, clock, 1];
        [&[1][..], &map, &[0x29, 0, 7, clock, 1, b'd', 1, b'g', 118, 0], &[0]].concat()
    };
    for clock in (0..60).step_by(2) {
        apply(&mut document, &map_with_one(clock));
        assert_eq!(document.subdocuments.ids, BTreeSet::from([(7, u32::from(clock) + 1)]));
        apply(&mut document, &[0, 1, 7, 1, clock, 1]);
        assert!(document.subdocuments.is_empty());
    }
    // In a map that is deleted.
    apply(&mut document, &[1, 1, 9, 0, 0x29, 0, 7, 0, 1, b'd', 1, b'g', 118, 0, 0]);
    assert!(document.subdocuments.is_empty());
    apply(&mut document, &map_with_one(60));
    let state = UpdateV1(document.encode_state().expect("it is whole").into());
    let (loaded, _) = Document::load(&[update_of(&map_with_one(0)), state]).expect("nothing nests");
    assert_eq!(loaded.subdocuments.ids, document.subdocuments.ids);
}

/// What yrs does at a transaction's end with those that it has deleted, it does with items that are freed by then.
#[test]
fn yrs_is_not_told_which_subdocuments_come_and_go() {
    let mut document = Document::empty();
    let observed = document.doc.observe_subdocs("none", |_, event| {
        assert_eq!(event.added().chain(event.removed()).count(), 0, "yrs knows of subdocuments");
    });
    observed.expect("nobody else holds it");
    apply(&mut document, &[1, 1, 7, 0, 0x27, 1, 1, b'm', 1, b'k', 1, 0]);
    apply(&mut document, &[1, 1, 7, 1, 0x29, 0, 7, 0, 1, b'd', 1, b'g', 118, 0, 0]);
    apply(&mut document, &[0, 1, 7, 1, 0, 1]);
    let state = document.encode_state().expect("it is whole");
    assert_eq!(state, [1, 2, 7, 0, 0x21, 1, 1, b'm', 1, b'k', 1, 0, 1, 1, 7, 1, 0, 2]);
}

#[test]
fn only_subdocuments_that_are_new_are_noted() {
    let mut document = Document::empty();
    apply(&mut document, &SUBDOCUMENT);
    // The same two, one more, and another client's behind a gap.
    let again = [3, 7, 0, 0x29, 1, 1, b'm', 1, b'k', 1, b'g', 118, 0, 0x29, 1, 1, b'm', 1, b'l', 1, b'g', 118, 0];
    let new = [0x29, 1, 1, b'm', 1, b'n', 1, b'g', 118, 0];
    let early = [1, 5, 1, 0x29, 1, 1, b'm', 1, b'o', 1, b'g', 118, 0];
    apply(&mut document, &[&[2][..], &again, &new, &early, &[0]].concat());
    assert_eq!(document.subdocuments.ids, BTreeSet::from([(7, 0), (7, 1), (7, 2)]));
}
