//! FR7: what one session can make the server hold in memory, whatever it asks for and however little it reads.

#[path = "hub/wire.rs"]
#[expect(dead_code, reason = "the tests beside this one need more of it")]
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use confluo_hub::{Hub, HubConfig, RoomConfig};
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

/// One letter each of many clients, so that the document's state vector is long.
fn many_clients() -> Bytes {
    const CLIENTS: u64 = 80_000;
    let mut update = confluo_protocol::Writer::default();
    update.write_var_uint(CLIENTS);
    for client in 1_000_000..1_000_000 + CLIENTS {
        // Collected: no letter has a place to look for.
        update.write_raw(&[1]).write_var_uint(client).write_raw(&[0, 0, 1]);
    }
    update.write_raw(&[0]);
    Message::Sync(SyncMessage::Update(UpdateV1(update.finish()))).encode()
}

/// In one frame something early, to be asked for what is missing; an answer, to be asked again; and an edit, to be asked
/// otherwise then.
fn wishes_to_be_asked() -> impl Iterator<Item = Bytes> {
    (0..300_u64).map(|turn| {
        let mut early = confluo_protocol::Writer::default();
        early.write_raw(&[1, 1, 7]).write_var_uint(turn + 1).write_raw(&[0, 1, 0]);
        let early = Message::Sync(SyncMessage::Update(UpdateV1(early.finish())));
        let answer = Message::Sync(SyncMessage::Step2(UpdateV1(Bytes::from_static(&[0, 0]))));
        [early, answer, edit_of(10_000 + turn)].map(|message| message.encode()).concat().into()
    })
}

fn questions() -> impl Iterator<Item = Bytes> {
    (1..300).flat_map(|clock| {
        let vector = encode_state_vector(&[(1, clock)]);
        [Message::QueryAwareness.encode(), Message::Sync(SyncMessage::Step1(vector)).encode()]
    })
}

/// Some who say all they have to say and never read, and a bystander.
struct Scene {
    hub: Hub,
    deaf: Vec<mpsc::Sender<Bytes>>,
    bystander: Peer,
}

impl Scene {
    /// Each of the deaf says the frames of one.
    async fn new(deaf: Vec<Vec<Bytes>>) -> Self {
        let room = RoomConfig { max_awareness_bytes: 4 * MIB, ..RoomConfig::default() };
        let config = HubConfig { room, ..HubConfig::default() };
        let hub = Hub::start(config, Arc::new(MemoryStore::new())).expect("the committer starts");
        let (tasks, document) = (TaskTracker::new(), DocumentName::new("notes").expect("a name"));
        let mut bystander = Peer::join(&hub, &document, &tasks);
        assert!(bystander.wait_on_disk().await);
        let deaf = deaf.into_iter().map(|frames| say(&hub, &tasks, &document, frames)).collect();
        Self { hub, deaf, bystander }
    }

    /// Each edit of the bystander goes through the same room: whatever is asked and taken is answered meanwhile. The deaf say
    /// more, unless they are not heard.
    async fn goes_on(&mut self, more: impl Iterator<Item = Bytes>) {
        let more = more.map(Some).chain(std::iter::repeat(None));
        for (client, more) in (1_000..1_300).zip(more) {
            for (deaf, frame) in self.deaf.iter().zip(more) {
                let _ = deaf.try_send(frame);
            }
            assert!(self.bystander.send(&edit_of(client)).await && self.bystander.wait_on_disk().await);
        }
    }

    fn assert_nobody_is_closed(&self) {
        let sessions = self.hub.metrics().sessions.get();
        assert_eq!(usize::try_from(sessions), Ok(1 + self.deaf.len()), "who is closed fills no memory in any case");
    }
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn fr7_who_asks_and_does_not_read_fills_no_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let asks = [large_document(), large_states()].into_iter().chain(questions()).collect();
        let (is_asked, said_in_turn): (_, Vec<_>) = (vec![many_clients()], wishes_to_be_asked().collect());
        // None of them goes before the end, lest the memory that it gives back is counted.
        let mut scenes = Vec::new();
        for (frames, more, what) in [(asks, Vec::new(), "asks"), (is_asked, said_in_turn, "is asked")] {
            let before = Region::new(GLOBAL);
            let mut scene = Scene::new(vec![frames]).await;
            scene.goes_on(more.into_iter()).await;
            let stats = before.change();
            let held = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
            scene.assert_nobody_is_closed();
            assert!(held < 64 * MIB, "{} MiB are held for who {what} and does not read", held / MIB);
            scenes.push(scene);
        }

        // A frame is read message by message, however many it holds.
        let frames = [vec![3; 8 * MIB], [1, 1, 0].repeat(3 * MIB)];
        let before = Region::new(GLOBAL);
        let mut scene = Scene::new(frames.map(|frame| vec![frame.into()]).into()).await;
        scene.goes_on(std::iter::empty()).await;
        let allocated = before.change().bytes_allocated;
        assert!(allocated < 128 * MIB, "{} MiB were allocated for two frames of 17 MiB", allocated / MIB);
        drop((scenes, scene));
    });
    runtime.shutdown_background();
}
