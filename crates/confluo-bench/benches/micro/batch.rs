//! The engine: a batch from the mailbox to what may leave when it is on disk, and opening a stored document.

use std::time::Instant;

use confluo_bench::fill::document_of;
use confluo_hub::Clock;
use confluo_protocol::{Access, LineageId, Message, Seq, SessionId, SyncMessage, encode_state_vector};
use confluo_room::{Joining, LineageClaim, Room, RoomConfig, RoomInput, StoredState};
use divan::{Bencher, counter::ItemsCount};

use crate::typist::Typist;

const READER: SessionId = SessionId(0);

fn joining(session: SessionId) -> RoomInput {
    let lineage = LineageClaim::Unaware;
    RoomInput::Joined(Joining { session, access: Access::Write, user: None, address: None, lineage })
}

/// A room with one reader who is in sync, and so many writers.
fn room_with(writers: u64, now: Instant) -> Room {
    let nothing = StoredState::none(LineageId([1; 16]));
    let (mut room, _) = Room::open(RoomConfig::default(), nothing).unwrap();
    room.handle(now, (1..=writers).map(|writer| joining(SessionId(writer))));
    let step_1 = Message::Sync(SyncMessage::Step1(encode_state_vector(&[])));
    room.handle(now, [joining(READER), RoomInput::Received(READER, step_1)]);
    room
}

/// Keystrokes of several writers that waited together, over and over in one growing document.
fn bench_batches(bencher: Bencher<'_, '_>, updates: u64, writers: u64) {
    let now = Clock.now();
    let mut room = room_with(writers, now);
    let mut typists: Vec<_> = (1..=writers).map(Typist::new).collect();
    bencher
        .counter(ItemsCount::new(updates))
        .with_inputs(|| {
            let sent = |number: u64| {
                let writer = number % writers;
                let update = typists[writer as usize].keystroke();
                RoomInput::Received(SessionId(writer + 1), Message::Sync(SyncMessage::Update(update)))
            };
            (0..updates).map(sent).collect::<Vec<_>>()
        })
        .bench_local_values(|inputs| {
            let batch = room.handle(now, inputs);
            let record = batch.commit.as_ref().expect("a batch with news has a record");
            let released = room.handle(now, [RoomInput::Committed(record.seq)]);
            (batch, released)
        });
}

#[divan::bench(args = [1, 16, 256])]
fn of_one_writer(bencher: Bencher<'_, '_>, updates: u64) {
    bench_batches(bencher, updates, 1);
}

#[divan::bench(args = [16, 256])]
fn of_ten_writers(bencher: Bencher<'_, '_>, updates: u64) {
    bench_batches(bencher, updates, 10);
}

#[divan::bench(args = [2_000, 200_000])]
fn opening_a_document(bencher: Bencher<'_, '_>, bytes: usize) {
    let document = document_of(bytes);
    let stored =
        || StoredState { head: Seq(1), updates: vec![document.clone()], ..StoredState::none(LineageId([1; 16])) };
    bencher.with_inputs(stored).bench_local_values(|stored| Room::open(RoomConfig::default(), stored).unwrap());
}
