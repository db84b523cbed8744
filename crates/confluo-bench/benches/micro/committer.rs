//! The committer, as clients see it: in each of so many rooms one keystroke, until every echo has come. What a store in memory
//! takes is the hub's own cost; what sled takes more is the disk's.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use confluo_hub::{Hub, HubConfig, JoinRequest, LineageClaim, Rate, Received, SessionRates, SessionSocket, SocketLost};
use confluo_protocol::{Access, CloseCode, DocumentName, Frame, Message, SyncMessage, encode_state_vector};
use confluo_store::{DocumentStore, MemoryStore};
use confluo_store_sled::SledConfig;
use divan::{Bencher, counter::ItemsCount};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::task::TaskTracker;

use crate::typist::Typist;

/// More than is ever on the way.
const CAPACITY: usize = 64;

/// The server's end of a socket in memory.
struct Wire {
    from: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<Bytes>,
    heard: u32,
}

impl SessionSocket for Wire {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let received = ready!(self.from.poll_recv(cx));
        self.heard += 1;
        Poll::Ready(received.map_or(Received::Closed, Received::Message))
    }

    fn activity(&self) -> u32 {
        self.heard
    }

    fn encode(frame: Frame) -> Bytes {
        frame.payload()
    }

    fn encode_ping() -> Bytes {
        Bytes::new()
    }

    fn poll_send(&mut self, _: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        for frame in frames.drain(..) {
            // Nobody reads any more when the benchmark is over.
            let _ = self.to.try_send(frame);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: CloseCode, _: &str) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The client's end, and who types there.
struct Writer {
    typist: Typist,
    to: mpsc::Sender<Bytes>,
    from: mpsc::Receiver<Bytes>,
}

impl Writer {
    fn join(hub: &Hub, number: u64, tasks: &TaskTracker) -> Self {
        let ((to, server_from), (server_to, from)) = (mpsc::channel(CAPACITY), mpsc::channel(CAPACITY));
        let request = JoinRequest {
            document: DocumentName::new(&format!("notes {number}")).unwrap(),
            access: Access::Write,
            user: None,
            address: None,
            lineage: LineageClaim::Unaware,
            gate: None,
        };
        let hub = hub.clone();
        let wire = Wire { from: server_from, to: server_to, heard: 0 };
        tasks.spawn(async move { hub.serve(request, wire).await });
        let step_1 = Message::Sync(SyncMessage::Step1(encode_state_vector(&[])));
        to.try_send(step_1.encode()).unwrap();
        Self { typist: Typist::new(number + 1), to, from }
    }

    async fn type_one(&mut self) {
        self.to.send(self.typist.frame()).await.unwrap();
    }

    /// Reads until content comes: its own keystroke, now on disk.
    async fn hear_echo(&mut self) {
        loop {
            let frame = self.from.recv().await.expect("the session goes on");
            let is_content = |message: &Message| matches!(message, Message::Sync(SyncMessage::Update(_)));
            if Message::read_all(&frame).unwrap().iter().any(is_content) {
                return;
            }
        }
    }
}

fn bench_rounds(bencher: Bencher<'_, '_>, store: Arc<dyn DocumentStore>, rooms: u64) {
    let runtime = Runtime::new().unwrap();
    let tasks = TaskTracker::new();
    let unlimited = Rate::per_second(10_000_000, 10_000_000);
    let session_rates = SessionRates { messages: unlimited, bytes: Rate::per_second(1 << 40, 1 << 40) };
    let config = HubConfig { session_rates, ..HubConfig::default() };
    let (hub, mut writers) = runtime.block_on(async {
        let hub = Hub::start(config, store).unwrap();
        let writers: Vec<_> = (0..rooms).map(|number| Writer::join(&hub, number, &tasks)).collect();
        (hub, writers)
    });
    let mut round = || {
        runtime.block_on(async {
            for writer in &mut writers {
                writer.type_one().await;
            }
            for writer in &mut writers {
                writer.hear_echo().await;
            }
        });
    };
    // The first edit makes the document.
    round();
    bencher.counter(ItemsCount::new(rooms)).bench_local(round);
    drop(hub);
    runtime.shutdown_background();
}

#[divan::bench(args = [1, 16, 256])]
fn in_memory(bencher: Bencher<'_, '_>, rooms: u64) {
    bench_rounds(bencher, Arc::new(MemoryStore::new()), rooms);
}

#[divan::bench(args = [1, 16, 256])]
fn on_sled(bencher: Bencher<'_, '_>, rooms: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = confluo_store_sled::open(SledConfig::new(folder.path())).unwrap();
    bench_rounds(bencher, Arc::new(store), rooms);
}
