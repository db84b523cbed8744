//! What of an update is joined, and that nothing of it changes by that.

use bytes::Bytes;
use confluo_protocol::{UpdateLimits, UpdateV1, check_update, join_neighbours, join_updates};
use rand::{Rng, SeedableRng, rngs::StdRng};
use yrs::{
    Array, ClientID, Doc, GetString, Map, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update, WriteTxn,
    types::ToJson, updates::decoder::Decode,
};

/// Client 7's structs from clock 3 on, as many as are given, and one deleted range.
fn update(structs: &[&[u8]]) -> UpdateV1 {
    let head = [1, structs.len() as u8, 7, 3];
    let deletes = [1, 5, 1, 0, 2];
    UpdateV1(Bytes::from([&head, &structs.concat()[..], &deletes].concat()))
}

#[track_caller]
fn check(structs: &[&[u8]], joined: &[&[u8]]) {
    let given = update(structs);
    check_update(given.clone(), &UpdateLimits::default()).expect("the case is well formed");
    assert_eq!(join_neighbours(given), update(joined));
}

#[track_caller]
fn check_is_left(structs: &[&[u8]]) {
    check(structs, structs);
}

const ROOT_TEXT: &[u8] = &[4, 1, 1, b't', 2, b'a', b'b'];

#[test]
fn what_follows_in_the_same_place_is_joined() {
    check(&[ROOT_TEXT, &[0x84, 7, 4, 1, b'c'], &[0x84, 7, 5, 1, b'd']], &[&[4, 1, 1, b't', 4, b'a', b'b', b'c', b'd']]);
    let right = |clock, text| [0xc4, 7, clock, 9, 1, 1, text];
    check(&[&right(2, b'a'), &right(3, b'b')], &[&[0xc4, 7, 2, 9, 1, 2, b'a', b'b']]);
    // Before 9:1 and behind nothing, then between.
    check(&[&[0x44, 9, 1, 1, b'a'], &right(3, b'b')], &[&[0x44, 9, 1, 2, b'a', b'b']]);
    // 🙂 is two units long, é one.
    check(
        &[&[0x84, 7, 2, 4, 0xf0, 0x9f, 0x99, 0x82], &[0x84, 7, 4, 2, 0xc3, 0xa9]],
        &[&[0x84, 7, 2, 6, 0xf0, 0x9f, 0x99, 0x82, 0xc3, 0xa9]],
    );
    // Values: the integer 5, then true and false.
    check(&[&[0x88, 7, 2, 1, 125, 5], &[0x88, 7, 3, 2, 120, 121]], &[&[0x88, 7, 2, 3, 125, 5, 120, 121]]);
}

#[test]
fn what_is_elsewhere_or_something_else_is_left() {
    // Behind another unit of the same client, or of another one.
    check_is_left(&[ROOT_TEXT, &[0x84, 7, 3, 1, b'c']]);
    check_is_left(&[ROOT_TEXT, &[0x84, 6, 4, 1, b'c']]);
    // Before something, and the other before nothing or something else.
    check_is_left(&[ROOT_TEXT, &[0xc4, 7, 4, 9, 1, 1, b'c']]);
    check_is_left(&[&[0xc4, 7, 2, 9, 1, 1, b'a'], &[0x84, 7, 3, 1, b'b']]);
    check_is_left(&[&[0xc4, 7, 2, 9, 1, 1, b'a'], &[0xc4, 7, 3, 9, 2, 1, b'b']]);
    // At the start of a text, however near.
    check_is_left(&[ROOT_TEXT, ROOT_TEXT]);
    // A value behind a text, a deleted run, a collected one, a skip between.
    check_is_left(&[ROOT_TEXT, &[0x88, 7, 4, 1, 120]]);
    check_is_left(&[&[0x81, 7, 2, 1], &[0x81, 7, 3, 1]]);
    check_is_left(&[ROOT_TEXT, &[0, 1], &[0x84, 7, 5, 1, b'c']]);
    check_is_left(&[ROOT_TEXT, &[10, 1], &[0x84, 7, 5, 1, b'c']]);
    // Entries of a map: each replaces the one before it.
    check_is_left(&[&[0x28, 1, 1, b'm', 1, b'k', 1, 120], &[0xa8, 7, 3, 1, 121]]);
}

#[test]
fn each_client_keeps_its_own_section() {
    let given = [2, 2, 7, 0, 4, 1, 1, b't', 1, b'a', 0x84, 7, 0, 1, b'b', 1, 6, 0, 0x84, 7, 1, 1, b'c', 0];
    let joined = [2, 1, 7, 0, 4, 1, 1, b't', 2, b'a', b'b', 1, 6, 0, 0x84, 7, 1, 1, b'c', 0];
    assert_eq!(join_neighbours(UpdateV1(Bytes::copy_from_slice(&given))).0, joined[..]);
}

#[test]
fn what_cannot_be_read_comes_back_as_it_is() {
    let whole = update(&[ROOT_TEXT, &[0x84, 7, 4, 1, b'c']]).0;
    for end in 0..whole.len() - 5 {
        let cut = UpdateV1(whole.slice(..end));
        assert_eq!(join_neighbours(cut.clone()), cut, "{end} bytes");
    }
}

/// Updates as one, the bytes of each without anything in common with the next.
fn join(updates: &[&[u8]]) -> Option<Vec<u8>> {
    let updates: Vec<_> = updates.iter().map(|update| UpdateV1(Bytes::copy_from_slice(update))).collect();
    join_updates(&updates).map(|joined| joined.0.to_vec())
}

#[test]
fn updates_that_follow_on_each_other_are_one() {
    let typed = [1, 1, 7, 0, 4, 1, 1, b't', 1, b'a', 0];
    let goes_on = [1, 1, 7, 1, 0x84, 7, 0, 1, b'b', 0];
    let elsewhere = [1, 1, 9, 5, 0x84, 7, 0, 1, b'c', 0];
    let ends = [1, 1, 7, 2, 0x84, 7, 1, 1, b'd', 0];
    assert_eq!(
        join(&[&typed, &goes_on, &elsewhere, &ends]).unwrap(),
        [2, 1, 9, 5, 0x84, 7, 0, 1, b'c', 1, 7, 0, 4, 1, 1, b't', 3, b'a', b'b', b'd', 0]
    );
    // What is deleted: 7:0 to 7:2 and 7:2 to 7:3, one clock of 9, 7:1 to 7:2 again.
    let deletes = [&[0, 1, 7, 1, 0, 2][..], &[0, 2, 9, 1, 4, 1, 7, 1, 2, 1], &[0, 1, 7, 1, 1, 1]];
    assert_eq!(join(&deletes).unwrap(), [0, 2, 7, 1, 0, 3, 9, 1, 4, 1]);
}

#[test]
fn updates_that_overlap_or_leave_a_gap_are_not_one() {
    let typed: &[u8] = &[1, 1, 7, 0, 4, 1, 1, b't', 2, b'a', b'b', 0];
    assert_eq!(join(&[typed, typed]), None);
    assert_eq!(join(&[typed, &[1, 1, 7, 3, 0x84, 7, 2, 1, b'c', 0]]), None);
    assert_eq!(join(&[typed, &[1, 2, 7, 2, 10, 1, 0x84, 7, 2, 1, b'c', 0]]), None, "a skip is a gap");
    assert_eq!(join(&[typed, &[1, 1, 7]]), None, "it ends too early");
    let many: Vec<u8> =
        (0..257_u16).flat_map(|client| [1, (client % 128) as u8 | 0x80, (client / 128) as u8, 0, 0, 1]).collect();
    assert_eq!(join(&[typed, &[&[0x81, 2][..], &many, &[0]].concat()]), None, "a crowd");
}

fn document(client: u64) -> Doc {
    Doc::with_options(Options {
        client_id: ClientID::new(client),
        offset_kind: OffsetKind::Utf16,
        cleanup_formatting: false,
        ..Options::default()
    })
}

fn apply(document: &Doc, update: &[u8]) {
    let mut transaction = document.transact_mut();
    transaction.apply_update(Update::decode_v1(update).expect("it decodes")).expect("it applies");
    assert!(!transaction.has_missing_updates());
}

fn edit(document: &Doc, rng: &mut StdRng) -> Vec<u8> {
    let mut transaction = document.transact_mut();
    let text = transaction.get_or_insert_text("text");
    let list = transaction.get_or_insert_array("list");
    let length = text.len(&transaction);
    match rng.random_range(0..8) {
        0 if length > 2 => text.remove_range(&mut transaction, rng.random_range(0..length - 1), 1),
        1 => {
            let at = rng.random_range(0..=list.len(&transaction));
            list.insert(&mut transaction, at, rng.random_range(0..9));
        }
        2 => drop(list.push_back(&mut transaction, true)),
        3 => drop(transaction.get_or_insert_map("map").insert(&mut transaction, "key", rng.random_range(0..9))),
        // Mostly at one place in the middle, so that those who type there meet.
        4 => text.insert(&mut transaction, rng.random_range(0..=length), "x"),
        _ => text.insert(&mut transaction, length.div_ceil(2), "é"),
    }
    transaction.encode_update_v1()
}

type Seen = (String, String, String, StateVector, String);

fn content(document: &Doc) -> Seen {
    let text = document.get_or_insert_text("text");
    let list = document.get_or_insert_array("list");
    let map = document.get_or_insert_map("map");
    let transaction = document.transact();
    let deleted = transaction.snapshot().delete_set.to_string();
    let json = |value: yrs::Any| format!("{value:?}");
    let (list, map) = (list.to_json(&transaction), map.to_json(&transaction));
    (text.get_string(&transaction), json(list), json(map), transaction.state_vector(), deleted)
}

#[test]
fn sy4_joined_batches_bring_everyone_to_the_same_whatever_they_know() {
    let (mut shorter, mut ones) = (0, 0);
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let writers = [document(0x8000_0001), document(5), document(77)];
        let (server, joined, late, early) = (document(1), document(2), document(3), document(4));
        for _ in 0..rng.random_range(1..8) {
            let sent: Vec<_> =
                (0..rng.random_range(2..20)).map(|_| edit(&writers[rng.random_range(0..3)], &mut rng)).collect();
            let mut transaction = server.transact_mut();
            for update in &sent {
                transaction.apply_update(Update::decode_v1(update).expect("it decodes")).expect("it applies");
            }
            let batch = UpdateV1(transaction.encode_update_v1().into());
            drop(transaction);
            // Joined before anybody has taken it.
            let sent: Vec<_> = sent.into_iter().map(|update| UpdateV1(update.into())).collect();
            match join_updates(&sent) {
                Some(one) => {
                    check_update(one.clone(), &UpdateLimits::default()).expect("it is well formed");
                    apply(&early, &one.0);
                    ones += 1;
                }
                None => sent.iter().for_each(|update| apply(&early, &update.0)),
            }
            let batch_joined = join_neighbours(batch.clone());
            shorter += usize::from(batch_joined.0.len() < batch.0.len());
            check_update(batch_joined.clone(), &UpdateLimits::default()).expect("it is well formed");
            apply(&joined, &batch_joined.0);
            // Whoever wrote knows a part of it, and puts the rest beside what was typed meanwhile.
            for writer in &writers {
                apply(writer, &batch_joined.0);
            }
            // Nobody has this but the one who has it from the batch as it came.
            apply(&late, &batch.0);
        }
        for document in [&joined, &late, &early, &writers[0], &writers[1], &writers[2]] {
            assert_eq!(content(document), content(&server), "seed {seed}");
        }
    }
    assert!(shorter > 100, "hardly anything was joined: {shorter}");
    assert!(ones > 100, "hardly anything was joined before: {ones}");
}
