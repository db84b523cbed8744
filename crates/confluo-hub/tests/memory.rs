//! FR7: what one session can make the server hold in memory, whatever it asks for and however little it reads.

#[path = "hub/wire.rs"]
#[expect(dead_code, reason = "the tests beside this one need more of it")]
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{
    AwarenessEntry, AwarenessWriter, DocumentName, Message, SyncMessage, UpdateV1, encode_state_vector,
};
use confluo_store::MemoryStore;
use confluo_testkit::socket::enter_deaf;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use wire::{Peer, edit_of};

#[global_allocator]
static GLOBAL: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const MIB: usize = 1 << 20;

/// What a deaf session sends to `document`, frame by frame.
fn say(hub: &Hub, tasks: &TaskTracker, document: &DocumentName, frames: Vec<Bytes>) -> mpsc::Sender<Bytes> {
    enter_deaf(hub, document, tasks, frames).0
}

fn large_states() -> Bytes {
    let json = format!("\"{}\"", "x".repeat(60_000));
    let mut writer = AwarenessWriter::default();
    for client_id in 0..32 {
        writer.push(AwarenessEntry { client_id, clock: 1, json: json.as_bytes() });
    }
    Message::Awareness(writer.finish()).encode()
}

/// A text of 2 MB by client 1, in a hundred pieces, so that every state vector has an answer of its own.
fn large_document() -> Bytes {
    let mut update = confluo_protocol::Writer::default();
    update.write_raw(&[1, 100, 1, 0]);
    for piece in 0_u64..100 {
        match piece {
            0 => update.write_raw(&[4, 1, 1, b'r']),
            _ => update.write_raw(&[0x84, 1]).write_var_uint(piece * 20_000 - 1),
        };
        update.write_var_bytes(&vec![b'x'; 20_000]);
    }
    update.write_raw(&[0]);
    Message::Sync(SyncMessage::Update(UpdateV1(update.finish()))).encode()
}

fn questions() -> impl Iterator<Item = Bytes> {
    (1..300).flat_map(|clock| {
        let vector = encode_state_vector(&[(1, clock)]);
        [Message::QueryAwareness.encode(), Message::Sync(SyncMessage::Step1(vector)).encode()]
    })
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn fr7_who_asks_and_does_not_read_fills_no_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = Hub::start(HubConfig::default(), Arc::new(MemoryStore::new())).unwrap();
        let (tasks, document) = (TaskTracker::new(), DocumentName::new("notes").unwrap());
        let mut bystander = Peer::join(&hub, &document, &tasks);
        assert!(bystander.wait_on_disk().await);

        let before = Region::new(GLOBAL);
        let deaf =
            say(&hub, &tasks, &document, [large_document(), large_states()].into_iter().chain(questions()).collect());
        // Each of these goes through the same room: whatever is asked and taken is answered meanwhile.
        for client in 1_000..1_200 {
            assert!(bystander.send(&edit_of(client)).await && bystander.wait_on_disk().await);
        }
        let stats = before.change();
        let held = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
        assert!(held < 64 * MIB, "{} MiB are held for who does not read", held / MIB);
        drop(deaf);

        // A frame is read message by message, however many it holds.
        let before = Region::new(GLOBAL);
        let frames = [vec![3; 8 * MIB], [1, 1, 0].repeat(3 * MIB)];
        let deaf = frames.map(|frame| say(&hub, &tasks, &document, vec![frame.into()]));
        for client in 2_000..2_100 {
            assert!(bystander.send(&edit_of(client)).await && bystander.wait_on_disk().await);
        }
        let allocated = before.change().bytes_allocated;
        assert!(allocated < 128 * MIB, "{} MiB were allocated for two frames of 17 MiB", allocated / MIB);
        drop((deaf, bystander));
    });
    runtime.shutdown_background();
}
