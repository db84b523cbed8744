//! What the engine does when its document is lost in memory, and what it keeps there.

use std::sync::Arc;

use confluo_protocol::{
    Access, StateVectorV1, Writer, encode_state_vector,
    update::{ClockRange, Clocks, UpdateLimits, check_update},
};

use super::*;
use crate::batch::Gathered;

/// One letter of client 1 at clock 0 in the root `r`.
const LETTER: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b'r', 1, b'a', 0];

fn stored(lineage: LineageId) -> StoredState {
    let updates = vec![UpdateV1(Bytes::from_static(LETTER))];
    StoredState { head: Seq(1), updates, ..StoredState::none(lineage) }
}

// A document that is lost in memory is loaded again; until then nothing reads the empty one in its place.
fn check(max_document_bytes: usize, message: Option<SyncMessage>) {
    let id = SessionId(1);
    let (mut room, now) = room_of(RoomConfig { max_document_bytes, ..RoomConfig::default() }, [id]);
    room.document.fails_next = true;
    let inputs = if let Some(message) = message {
        let again = SyncMessage::Step1(StateVectorV1(Bytes::from_static(&[0])));
        [message, again].map(|it| RoomInput::Received(id, Message::Sync(it))).into()
    } else {
        assert_eq!(room.take_snapshot(), None);
        assert!(!room.can_snapshot());
        vec![RoomInput::Tick]
    };
    let effects = room.handle(now, inputs);
    assert!(effects.needs_rebuild);
    assert!(effects.commit.is_none());
    assert!(!effects.now.iter().any(|it| matches!(it, Outgoing::CatchUp(..))), "nothing empty is served");
    room.rebuild(stored(LineageId([1; 16]))).expect("opens again");
    let effects = room.handle(now, [RoomInput::Tick]);
    assert!(!effects.needs_rebuild);
    assert_eq!(room.document.clocks().clock(1), 1, "whole again");
    assert!(room.can_snapshot() || effects.commit.is_some());
}

/// A room with a document, and these writers in it.
fn room_of<const N: usize>(config: RoomConfig, writers: [SessionId; N]) -> (Room, Instant) {
    let (mut room, _) = Room::open(config, stored(LineageId([1; 16]))).expect("opens");
    let now = confluo_testkit::network::start_of_time();
    for session in writers {
        room.handle(now, [RoomInput::Joined(joining(session))]);
    }
    (room, now)
}

fn joining(session: SessionId) -> Joining {
    Joining { session, access: Access::Write, user: None, address: None, lineage: LineageClaim::Unaware }
}

fn room_of_two() -> (Room, Instant, [SessionId; 2]) {
    let writers = [SessionId(1), SessionId(2)];
    let (room, now) = room_of(RoomConfig::default(), writers);
    (room, now, writers)
}

#[test]
fn sy15_a_document_lost_at_any_entry_is_loaded_again_and_never_served_empty() {
    let large = RoomConfig::default().max_document_bytes;
    let more = || SyncMessage::Update(UpdateV1(Bytes::from_static(&[1, 1, 2, 0, 4, 1, 1, b'r', 1, b'b', 0])));
    check(large, Some(SyncMessage::Step1(StateVectorV1(Bytes::from_static(&[0])))));
    check(large, Some(SyncMessage::Step1(encode_state_vector(&[(1, 1)]))));
    check(large, Some(more()));
    check(20, Some(more()));
    check(large, None);
}

/// Two updates broke the document together, and the first of them breaks it alone.
#[test]
fn sy15_the_culprit_of_a_batch_is_found_and_costs_only_its_sender() {
    let (mut room, now, [culprit, other]) = room_of_two();
    let update = |session, client| RoomInput::Received(session, Message::Sync(letter_of(client)));
    room.document.fails_next = true;
    let effects = room.handle(now, [update(culprit, 2), update(other, 3)]);
    assert!(effects.needs_rebuild && effects.close.is_empty() && effects.commit.is_none(), "nobody is blamed yet");

    room.rebuild(stored(LineageId([1; 16]))).expect("opens again");
    room.document.fails_next = true;
    let effects = room.handle(now, [RoomInput::Tick]);
    assert!(effects.needs_rebuild && effects.commit.is_none());
    let closed: Vec<_> = effects.close.iter().map(|(session, code, _)| (*session, *code)).collect();
    assert_eq!(closed, [(culprit, CloseCode::Malformed)]);

    room.rebuild(stored(LineageId([1; 16]))).expect("opens again");
    let effects = room.handle(now, [RoomInput::Tick]);
    assert!(effects.close.is_empty() && effects.commit.is_some(), "what the other sent is taken");
    assert_eq!([1, 2, 3].map(|client| room.document.clocks().clock(client)), [1, 0, 1]);
}

/// Items in no known order, put into a list and deleted with it, over and over.
#[test]
fn sy20_what_is_known_of_places_does_not_grow_with_the_history() {
    const ITEMS: u64 = 1_000;
    let session = SessionId(1);
    let (mut room, now) = room_of(RoomConfig::default(), [session]);
    for round in 0..100 {
        let list = round * (ITEMS + 1);
        let mut update = Writer::default();
        update.write_var_uint(1).write_var_uint(ITEMS + 1).write_raw(&[2]).write_var_uint(list);
        update.write_raw(&[7, 1, 1, b'r', 0]);
        for _ in 0..ITEMS {
            update.write_raw(&[4, 0, 2]).write_var_uint(list).write_raw(&[1, b'a']);
        }
        update.write_raw(&[1, 2, 1]).write_var_uint(list).write_raw(&[1]);
        let update = SyncMessage::Update(UpdateV1(update.finish()));
        let effects = room.handle(now, [RoomInput::Received(session, Message::Sync(update))]);
        assert!(effects.close.is_empty(), "{:?}", effects.close);
        room.handle(now, [RoomInput::Committed(room.head())]);
        assert!(!room.document.places_outgrow(30 * ITEMS as usize), "more than ten lists are known in round {round}");
        room.take_snapshot().expect("it is at rest");
    }
    assert!(room.document_bytes() < 10_000, "the document is small: {} bytes", room.document_bytes());
    // Right of the letter that was there before, and left of it too.
    let crossed = UpdateV1(Bytes::from_static(&[1, 1, 3, 0, 0xc4, 1, 0, 1, 0, 1, b'x', 0]));
    let effects = room.handle(now, [RoomInput::Received(session, Message::Sync(SyncMessage::Update(crossed)))]);
    let closed: Vec<_> = effects.close.iter().map(|(session, code, _)| (*session, *code)).collect();
    assert_eq!(closed, [(session, CloseCode::Malformed)], "what is left is known");
}

/// Bytes of which it can be seen whether somebody holds them.
struct Watched(Arc<Vec<u8>>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The answer is kept for whoever asks the same; neither the frame that asked, nor a vector that no copy of this document has.
#[test]
fn sy1_an_answered_step1_leaves_nothing_of_its_frame_in_memory() {
    let session = SessionId(1);
    let (mut room, now) = room_of(RoomConfig::default(), [session]);
    let strangers: Vec<_> = (1..100).map(|client| (client, 1)).collect();
    for (known, is_kept) in [(&[(1, 1)][..], true), (&strangers, false)] {
        let known = encode_state_vector(known).0;
        let frame = Arc::new([&known[..], &[0; 1000]].concat());
        let vector = StateVectorV1(Bytes::from_owner(Watched(Arc::clone(&frame))).slice(..known.len()));
        let effects = room.handle(now, [RoomInput::Received(session, Message::Sync(SyncMessage::Step1(vector)))]);
        assert!(effects.now.iter().any(|it| matches!(it, Outgoing::CatchUp(..))), "it is answered");
        assert_eq!(room.full_state.diff(&known).is_some(), is_kept);
        assert_eq!(Arc::strong_count(&frame), 1, "the frame is not kept");
    }
}

/// What a session waits for is looked at after each batch, and stays as long as the session.
#[test]
fn sy11_what_is_remembered_of_early_content_is_bounded() {
    const CLIENTS: u64 = 100_000;
    let mut many_clients = Writer::default();
    many_clients.write_var_uint(0).write_var_uint(CLIENTS);
    for client in 2..2 + CLIENTS {
        many_clients.write_var_uint(client).write_raw(&[1, 0, 1]);
    }
    let mut many_ranges = Writer::default();
    many_ranges.write_var_uint(0).write_raw(&[1, 2]).write_var_uint(CLIENTS);
    for range in 0..CLIENTS {
        many_ranges.write_var_uint(2 * range).write_raw(&[1]);
    }
    for early in [many_clients, many_ranges].map(|early| UpdateV1(early.finish())) {
        let (mut room, now, [waiting, other]) = room_of_two();
        room.handle(now, [RoomInput::Received(waiting, Message::Sync(SyncMessage::Step2(early)))]);
        let remembered = room.sessions[&waiting].early.as_ref().map(|early| early.content.waits_for.capacity());
        assert!(remembered.is_some_and(|clocks| clocks <= 1024), "{remembered:?} clocks");
        // It is asked again when some of what it may wait for has come.
        let letter = UpdateV1(Bytes::from_static(&[1, 1, 2, 0, 4, 1, 1, b'r', 1, b'b', 0]));
        let later = now + std::time::Duration::from_secs(2);
        let effects = room.handle(later, [RoomInput::Received(other, Message::Sync(SyncMessage::Update(letter)))]);
        let asked = effects.now.iter().any(|it| matches!(it, Outgoing::Question(to, _) if *to == waiting));
        assert!(asked, "it is asked again");
    }
}

/// A collected struct of each of so many clients.
fn many_clients(clients: u64) -> SyncMessage {
    let mut update = Writer::default();
    update.write_var_uint(clients);
    for client in 10..10 + clients {
        update.write_raw(&[1]).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    update.write_raw(&[0]);
    SyncMessage::Update(UpdateV1(update.finish()))
}

/// The letter of a client that has written nothing else.
fn letter_of(client: u8) -> SyncMessage {
    SyncMessage::Update(UpdateV1(vec![1, 1, client, 0, 4, 1, 1, b'r', 1, b'b', 0].into()))
}

/// What a session holds does not grow with the document's clients.
#[test]
fn sy7_a_slow_reader_is_sent_what_it_missed_and_everything_where_it_would_be_long_to_remember() {
    for (clients, sections) in [(100, 2), (40_000, 40_003)] {
        let (mut room, now, [writer, slow]) = room_of_two();
        for edit in [many_clients(clients), letter_of(2), letter_of(3)] {
            room.handle(now, [RoomInput::Received(writer, Message::Sync(edit))]);
            room.handle(now, [RoomInput::Committed(room.head())]);
        }
        // It missed the last letter; the one before may have been in flight.
        room.handle(now, [RoomInput::Overflowed(slow)]);
        let effects = room.handle(now, [RoomInput::CaughtUp(slow)]);
        let [Outgoing::CatchUp(_, frames)] = &effects.now[..] else { panic!("one step 2: {:?}", effects.now) };
        let frame = frames.last().expect("a step 2").payload();
        let [Message::Sync(SyncMessage::Step2(update))] = &Message::read_all(&frame).expect("it is read")[..] else {
            panic!("a step 2")
        };
        let checked = check_update(update.clone(), &UpdateLimits::default()).expect("well formed");
        assert_eq!(checked.clock_ranges().len(), sections);
    }
}

/// Each session that has not read what it was asked keeps it in memory.
#[test]
fn sy2_a_long_question_is_shared_by_all_who_are_asked_while_little_is_added() {
    let (mut room, now, [writer, other]) = room_of_two();
    room.handle(now, [RoomInput::Received(writer, Message::Sync(many_clients(60_000)))]);
    room.handle(now, [RoomInput::Committed(room.head())]);
    let is_heavy = |room: &Room| room.is_heavy(&[RoomInput::Joined(joining(other))]);
    assert!(is_heavy(&room), "it is long to write");
    let ask = |room: &mut Room| {
        let effects = room.handle(now, [RoomInput::Joined(joining(other))]);
        let asked = effects.now.into_iter().find_map(|it| match it {
            Outgoing::Question(_, frame) => Some(frame),
            _ => None,
        });
        asked.expect("who joins is asked")
    };
    let first = ask(&mut room);
    assert!(!is_heavy(&room), "it is at hand");
    room.handle(now, [RoomInput::Received(writer, Message::Sync(letter_of(2)))]);
    room.handle(now, [RoomInput::Committed(room.head())]);
    room.age();
    assert_eq!(ask(&mut room).as_ref().as_ptr(), first.as_ref().as_ptr());
    drop(first);
    room.age();
    assert!(is_heavy(&room), "nobody waits for it any more");
}

/// yrs takes out again what a client says whenever it is asked.
#[test]
fn sy11_who_answers_with_what_cannot_be_integrated_is_asked_again_after_longer_and_longer_pauses() {
    let (mut room, start, [session, _]) = room_of_two();
    let is_asked = |effects: &Effects| effects.now.iter().any(|it| matches!(it, Outgoing::Question(..)));
    let update = || UpdateV1(Bytes::from_static(&[0, 0]));
    let range = ClockRange { client: 9, start: 0, end: 1 };
    let (mut now, mut pauses) = (start, Vec::new());
    while pauses.len() < 8 {
        let answer = RoomInput::Received(session, Message::Sync(SyncMessage::Step2(update())));
        room.handle(now, [answer]);
        let taken = Content::Update { update: update(), is_answer: true, access: Access::Write };
        let mut gathered = Gathered::default();
        gathered.ranges.push((session, range));
        gathered.taken.push((session, taken));
        let mut effects = Effects::default();
        room.note_not_integrated(now, &gathered, &mut effects);
        assert!(!is_asked(&effects));
        let before = now;
        while !is_asked(&room.handle(now, [RoomInput::Tick])) {
            now = room.next_deadline().expect("it is to be asked again");
        }
        pauses.push((now - before).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64]);
}

/// Messages of one byte, and what is no message at all.
#[test]
fn what_waits_counts_by_its_memory_and_not_by_what_it_says_alone() {
    let (mut room, now, [writer, leaver]) = room_of_two();
    room.handle(now, [RoomInput::Received(writer, Message::Sync(letter_of(2)))]);
    assert_eq!(room.waiting_bytes(), 0, "nothing waits for the commit in flight");
    let status = || RoomInput::Received(writer, Message::SaveStatus(Bytes::from_static(b"1")));
    let inputs = (0..1_000).map(|_| status()).chain([RoomInput::CaughtUp(writer), RoomInput::Left(leaver)]);
    room.handle(now, inputs);
    assert!(room.waiting_bytes() > 1_002 * size_of::<Content>());
    room.handle(now, [RoomInput::Committed(room.head())]);
    assert_eq!(room.waiting_bytes(), 0);
}

#[test]
fn au6_what_is_deleted_is_read_once_for_all_readers_between_two_changes() {
    let (mut room, now, [writer, _]) = room_of_two();
    let range = ClockRange { client: 1, start: 0, end: 1 };
    assert!(!room.has_deleted(&[range]).expect("it is read"));
    let kept = room.full_state.deleted().expect("it is kept");
    assert!(!room.has_deleted(&[range]).expect("it is read"));
    assert!(room.full_state.deleted().is_some_and(|again| Arc::ptr_eq(&kept, &again)));
    let deletion = SyncMessage::Update(UpdateV1(Bytes::from_static(&[0, 1, 1, 1, 0, 1])));
    room.handle(now, [RoomInput::Received(writer, Message::Sync(deletion))]);
    assert!(room.has_deleted(&[range]).expect("it is read"));
}
