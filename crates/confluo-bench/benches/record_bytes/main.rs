//! How many bytes a batch's record takes, beside the same batch encoded after its commit: `cargo bench -p confluo-bench
//! --bench record_bytes`, with `-- --trace PATH` also for a recorded editing session. Bytes, not times.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::Path;

use bytes::Bytes;
use confluo_bench::trace::type_trace;
use confluo_client::yrs::{
    ClientID, Doc, GetString, Options, Text, Transact, Update, WriteTxn, updates::decoder::Decode,
};
use confluo_hub::Clock;
use confluo_protocol::{Access, LineageId, Message, SessionId, SyncMessage, UpdateV1};
use confluo_room::{Joining, LineageClaim, Room, RoomConfig, RoomInput, StoredState};

const WRITER: SessionId = SessionId(1);
const BATCHES: usize = 100;

fn main() {
    println!("{:32}{:>9}{:>11}{:>11}{:>14}{:>8}", "what", "updates", "received", "record", "after commit", "ratio");
    for size in [1, 16, 64, 256] {
        print_row(&format!("one writer, batches of {size}"), &typing(1, size), size);
    }
    for size in [20, 60, 250] {
        print_row(&format!("ten writers, batches of {size}"), &typing(10, size), size);
    }
    let mut arguments = std::env::args().skip_while(|argument| argument != "--trace").skip(1);
    if let Some(path) = arguments.next() {
        let updates = type_trace(Path::new(&path)).unwrap().updates;
        for size in [1, 16, 64, 256] {
            print_row(&format!("the trace, batches of {size}"), &updates, size);
        }
    }
}

fn print_row(what: &str, updates: &[Vec<u8>], batch_size: usize) {
    let (count, received) = (updates.len(), updates.iter().map(Vec::len).sum::<usize>());
    let (mut room, mut reference) = (Room::open(RoomConfig::default(), nothing()).unwrap().0, document(0));
    let now = Clock.now();
    let lineage = LineageClaim::Unaware;
    let joining = Joining { session: WRITER, access: Access::Write, user: None, address: None, lineage };
    room.handle(now, [RoomInput::Joined(joining)]);
    let (mut record_bytes, mut reference_bytes) = (0, 0);
    for batch in updates.chunks(batch_size) {
        reference_bytes += encode_after_commit(&mut reference, batch).len();
        let inputs = batch.iter().map(|update| {
            let update = UpdateV1(Bytes::copy_from_slice(update));
            RoomInput::Received(WRITER, Message::Sync(SyncMessage::Update(update)))
        });
        let record = room.handle(now, inputs).commit.expect("each batch brings news");
        record_bytes += record.update.0.len();
        room.handle(now, [RoomInput::Committed(record.seq)]);
    }
    let ratio = record_bytes as f64 / reference_bytes as f64;
    println!("{what:32}{count:>9}{received:>11}{record_bytes:>11}{reference_bytes:>14}{ratio:>8.2}");
}

fn nothing() -> StoredState {
    StoredState::none(LineageId([1; 16]))
}

fn document(client: u64) -> Doc {
    Doc::with_options(Options { client_id: ClientID::new(client), cleanup_formatting: false, ..Options::default() })
}

fn encode_after_commit(document: &mut Doc, batch: &[Vec<u8>]) -> Vec<u8> {
    let mut transaction = document.transact_mut();
    for update in batch {
        transaction.apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }
    transaction.commit();
    transaction.encode_update_v1()
}

/// Each writer types a run at the end of what all had after the batch before; their keystrokes take turns.
fn typing(writers: usize, batch_size: usize) -> Vec<Vec<u8>> {
    // As large as the numbers that Yjs draws.
    let documents: Vec<_> = (0..writers).map(|writer| document(0x8000_0001 + 7_919 * writer as u64)).collect();
    let mut updates = Vec::with_capacity(BATCHES * batch_size);
    for _ in 0..BATCHES {
        let batch_starts = updates.len();
        let ends: Vec<_> = documents.iter().map(length_of).collect();
        for turn in 0..batch_size {
            let (writer, typed) = (turn % writers, turn / writers);
            let mut transaction = documents[writer].transact_mut();
            let text = transaction.get_or_insert_text("text");
            text.insert(&mut transaction, ends[writer] + typed as u32, "k");
            updates.push(transaction.encode_update_v1());
        }
        for document in &documents {
            let mut transaction = document.transact_mut();
            for update in &updates[batch_starts..] {
                transaction.apply_update(Update::decode_v1(update).unwrap()).unwrap();
            }
        }
    }
    updates
}

fn length_of(document: &Doc) -> u32 {
    let mut transaction = document.transact_mut();
    let text = transaction.get_or_insert_text("text");
    text.get_string(&transaction).len() as u32
}
