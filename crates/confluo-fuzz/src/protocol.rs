//! Messages, awareness, state vectors and updates.

use std::collections::HashMap;

use bytes::Bytes;
use confluo_protocol::{
    Access, AuthMessage, AwarenessEntry, AwarenessReader, AwarenessWriter, CheckedUpdate, ClientId, ClockRange, Clocks,
    Message, StateVectorV1, SyncMessage, UpdateLimits, UpdateV1, check_state_vector, check_update, encode_state_vector,
    update::ItemPlaces,
};
use yrs::{ClientID, Doc, IdSet, OffsetKind, Options, ReadTxn, Transact, Update, WriteTxn, updates::decoder::Decode};

use crate::seeds::hex_fields;

/// FR5: a frame is read or refused, and what was read is written and read again unchanged.
pub fn message(bytes: &[u8]) {
    let Ok(messages) = Message::read_all(&Bytes::copy_from_slice(bytes)) else { return };
    for message in messages {
        assert_eq!(Message::read_all(&message.encode()).as_deref(), Ok(&[message][..]));
    }
}

/// AW9: entries are read or refused, and what was read is written and read again unchanged.
pub fn awareness(bytes: &[u8]) {
    let payload = Bytes::copy_from_slice(bytes);
    let Ok(reader) = AwarenessReader::new(&payload) else { return };
    let Ok(entries) = reader.collect::<Result<Vec<_>, _>>() else { return };
    let mut writer = AwarenessWriter::default();
    for entry in &entries {
        let _ = entry.check_json();
        writer.push(*entry);
    }
    let written = writer.finish();
    let again: Result<Vec<_>, _> = AwarenessReader::new(&written).expect("we wrote it").collect();
    assert_eq!(again.as_ref(), Ok(&entries));
}

/// SY1: a state vector is read or refused, written again unchanged, and read by yrs as well.
pub fn state_vector(bytes: &[u8]) {
    let vector = StateVectorV1(Bytes::copy_from_slice(bytes));
    let Ok(clocks) = check_state_vector(&vector) else { return };
    assert_eq!(check_state_vector(&encode_state_vector(&clocks)).as_ref(), Ok(&clocks));
    let decoded = yrs::StateVector::decode_v1(bytes).expect("yrs reads what was accepted");
    for (client, clock) in clocks.into_iter().collect::<HashMap<_, _>>() {
        assert_eq!(decoded.get(&ClientID::new(client)), clock);
    }
}

/// SY8 to SY12: an update is refused, or yrs reads the same structs and deletes; what is admitted never leaves a
/// document waiting for something.
pub fn update(bytes: &[u8]) -> bool {
    let update = UpdateV1(Bytes::copy_from_slice(bytes));
    let Ok(checked) = check_update(update, &UpdateLimits::default()) else { return false };
    assert_yrs_agrees(&checked);
    let _ = ItemPlaces::default().take(&checked, |_| u32::MAX);
    let document = new_document();
    take(&document, &checked, &mut HashMap::new());
    true
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The document has all of it.
    Whole,
    /// Something of it was early.
    Partly,
    /// The document refused it: an item is the child of what has no children, which only the document can tell.
    Refused,
}

/// Admits an update into a document and its clocks as the server does.
#[expect(clippy::implicit_hasher, reason = "these are the clocks of tests alone")]
pub fn take(document: &Doc, checked: &CheckedUpdate, clocks: &mut HashMap<ClientId, u32>) -> Taken {
    let before = clocks.clone();
    let admission = checked.admit(clocks);
    if let Some(admitted) = admission.admitted {
        let decoded = Update::decode_v1(&admitted.0).expect("yrs reads what is admitted");
        let rechecked = check_update(admitted, &UpdateLimits::default()).expect("what is admitted passes again");
        let again = rechecked.admit(&mut before.clone());
        assert_eq!(again.early, None, "nothing of what is admitted is early");
        assert_eq!(again.structs, admission.structs);
        let mut transaction = document.transact_mut();
        let applied = transaction.apply_update(decoded);
        // What yrs does with those that are deleted, it does with items that are freed by then.
        drop(std::mem::take(transaction.subdocs_mut()));
        if applied.is_err() {
            return Taken::Refused;
        }
        assert!(!transaction.has_missing_updates(), "nothing that is admitted waits");
        for range in &admission.structs {
            let known = transaction.state_vector().get(&ClientID::new(range.client));
            assert_eq!(known, clocks.clock(range.client));
        }
    }
    if admission.early.is_some() { Taken::Partly } else { Taken::Whole }
}

/// A document that counts text as Yjs does.
pub fn new_document() -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() })
}

/// A frame of each kind.
pub fn message_seeds() -> Vec<Vec<u8>> {
    let mut writer = AwarenessWriter::default();
    for (client_id, clock, json) in [(1, 1, &br#"{"user":{"name":"A"},"cursor":null}"#[..]), (1 << 40, 300, b"null")] {
        writer.push(AwarenessEntry { client_id, clock, json });
    }
    let awareness = writer.finish();
    let vector = encode_state_vector(&[(4_000_000_000, 300), (1, 0)]);
    let update = UpdateV1(Bytes::from_static(&[1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0]));
    let messages = [
        Message::Sync(SyncMessage::Step1(vector.clone())),
        Message::Sync(SyncMessage::Step2(update.clone())),
        Message::Sync(SyncMessage::Update(update)),
        Message::Awareness(awareness.clone()),
        Message::Auth(AuthMessage::PermissionDenied(Bytes::from_static(b"no"))),
        Message::Auth(AuthMessage::Token(Bytes::from_static(b"a.b.c"))),
        Message::Auth(AuthMessage::Accepted(Access::Write)),
        Message::QueryAwareness,
        Message::SaveStatus(Bytes::from_static(&[7])),
        Message::Lineage(Bytes::from_static(b"0123456789abcdef0123456789abcdef")),
    ];
    let mut seeds: Vec<Vec<u8>> = messages.iter().map(|message| message.encode().to_vec()).collect();
    seeds.push(seeds.concat());
    seeds.extend([awareness.to_vec(), vector.0.to_vec()]);
    seeds.extend(hex_fields(include_str!("../../../fixtures/messages.json")));
    seeds.extend(hex_fields(include_str!("../../../fixtures/hostile/frames.json")));
    seeds
}

/// The payload of each awareness message.
pub fn awareness_seeds() -> Vec<Vec<u8>> {
    payloads(|message| if let Message::Awareness(payload) = message { Some(payload.to_vec()) } else { None })
}

/// The state vector of each step 1.
pub fn vector_seeds() -> Vec<Vec<u8>> {
    payloads(
        |message| {
            if let Message::Sync(SyncMessage::Step1(vector)) = message { Some(vector.0.to_vec()) } else { None }
        },
    )
}

fn payloads(choose: impl Fn(&Message) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let frames = message_seeds().into_iter().map(Bytes::from);
    frames.filter_map(|frame| Message::read_all(&frame).ok()).flatten().filter_map(|message| choose(&message)).collect()
}

/// That yrs decodes exactly the structs and deletes that the check found.
pub fn assert_yrs_agrees(checked: &CheckedUpdate) {
    let decoded = Update::decode_v1(&checked.update().0).expect("yrs reads what was accepted");
    assert_eq!(ranges_of(&decoded.insertions(true)), merged(checked.clock_ranges()));
    assert_eq!(ranges_of(decoded.delete_set()), merged(checked.delete_ranges()));
}

fn ranges_of(set: &IdSet) -> Vec<ClockRange> {
    let ranges = set.iter().flat_map(|(client, ranges)| {
        ranges.iter().map(|range| ClockRange { client: client.get(), start: range.start, end: range.end })
    });
    merged(&ranges.collect::<Vec<_>>())
}

/// Sorted, and joined where they touch or overlap.
fn merged(ranges: &[ClockRange]) -> Vec<ClockRange> {
    let mut sorted: Vec<ClockRange> = ranges.iter().copied().filter(|range| range.start < range.end).collect();
    sorted.sort_unstable();
    sorted.dedup_by(|next, last| {
        let joined = next.client == last.client && next.start <= last.end;
        if joined {
            last.end = last.end.max(next.end);
        }
        joined
    });
    sorted
}
