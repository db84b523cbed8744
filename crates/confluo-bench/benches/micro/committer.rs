//! The committer, as clients see it: in each of so many rooms one keystroke, until every echo has come. What a store in memory
//! takes is the hub's own cost; what sled takes more is the disk's.

use std::sync::Arc;

use confluo_hub::{Hub, HubConfig, Rate, SessionRates};
use confluo_protocol::{DocumentName, Message, SyncMessage, encode_state_vector};
use confluo_store::{DocumentStore, MemoryStore};
use confluo_store_sled::SledConfig;
use confluo_testkit::socket::{ClientEnd, enter};
use divan::{Bencher, counter::ItemsCount};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use crate::typist::Typist;

/// More than is ever on the way.
const CAPACITY: usize = 64;

/// Somebody who types in a document of his own.
struct Writer {
    typist: Typist,
    end: ClientEnd,
}

impl Writer {
    fn join(hub: &Hub, number: u64, tasks: &TaskTracker) -> Self {
        let document = DocumentName::new(&format!("notes {number}")).unwrap();
        let step_1 = Message::Sync(SyncMessage::Step1(encode_state_vector(&[])));
        let end = enter(hub, &document, tasks, CAPACITY, vec![step_1.encode()]);
        Self { typist: Typist::new(number + 1), end }
    }

    async fn type_one(&mut self) {
        self.end.to.send(self.typist.frame()).await.unwrap();
    }

    /// Reads until content comes: its own keystroke, now on disk.
    async fn hear_echo(&mut self) {
        loop {
            let frame = self.end.from.recv().await.expect("the session goes on");
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
