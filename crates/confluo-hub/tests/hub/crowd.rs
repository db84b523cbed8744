//! Many who come, edit and go by chance, and what each was promised; and the end, after which nothing may be left.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use confluo_hub::{Health, Hub, HubConfig, SnapshotPolicy, metrics::Gauge};
use confluo_protocol::{ClientId, DocumentName};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::wire::{Peer, edit_of};

const WORKERS: u64 = 8;
const ROUNDS: u64 = 60;
/// Many, so that one is often empty, and closed.
const DOCUMENTS: usize = 8;

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), future).await;
    done.unwrap_or_else(|_| panic!("not in time: {what}"))
}

pub(crate) fn documents() -> [DocumentName; DOCUMENTS] {
    std::array::from_fn(|place| DocumentName::new(&format!("notes {place}")).unwrap())
}

/// Rooms that close as soon as they are empty, with a snapshot each time; nobody is made to wait.
pub(crate) fn hasty() -> HubConfig {
    let snapshots = SnapshotPolicy { records: 5, records_at_close: 2, ..HubConfig::default().snapshots };
    HubConfig {
        linger: Duration::ZERO,
        refusal_delay: Duration::ZERO,
        reopen_interval: Duration::from_millis(1),
        snapshots,
        ..HubConfig::default()
    }
}

/// The same numbers each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % bound
    }
}

/// How often each document was deleted, counted before and after.
#[derive(Default)]
pub(crate) struct Deletions {
    pub(crate) begun: [AtomicU64; DOCUMENTS],
    pub(crate) finished: [AtomicU64; DOCUMENTS],
}

/// What became of the crowd's edits, document by document.
#[derive(Default, Clone)]
pub(crate) struct Edits {
    /// Handed to the server.
    pub(crate) sent: [BTreeSet<ClientId>; DOCUMENTS],
    /// The save status came back; and how often the document had been deleted when the edit was sent.
    pub(crate) acknowledged: [Vec<(ClientId, u64)>; DOCUMENTS],
    /// Of anyone's edits, those that the server showed.
    pub(crate) shown: [BTreeSet<ClientId>; DOCUMENTS],
}

/// Lets the crowd come and go; returns when everybody is out.
pub(crate) async fn come_and_go(hub: &Hub, deletions: &Deletions) -> Edits {
    let tasks = TaskTracker::new();
    let workers = (0..WORKERS).map(|worker| work(hub, &tasks, deletions, worker));
    let all = soon("everybody was served", join_all(workers)).await;
    tasks.close();
    soon("every session ends", tasks.wait()).await;
    all.into_iter().fold(Edits::default(), |mut edits, more| {
        for place in 0..DOCUMENTS {
            edits.sent[place].extend(&more.sent[place]);
            edits.acknowledged[place].extend(&more.acknowledged[place]);
            edits.shown[place].extend(&more.shown[place]);
        }
        edits
    })
}

/// Each time as another client; leaves at once, or with its edit under way, or when that is on disk.
async fn work(hub: &Hub, tasks: &TaskTracker, deletions: &Deletions, worker: u64) -> Edits {
    let documents = documents();
    let mut edits = Edits::default();
    let mut random = Random::new(worker);
    for round in 0..ROUNDS {
        while hub.health() != Health::Ready {
            tokio::task::yield_now().await;
        }
        let place = random.below(DOCUMENTS as u64) as usize;
        let client = 1 + worker * ROUNDS + round;
        let mut peer = Peer::join(hub, &documents[place], tasks);
        let leaves = random.below(4);
        if leaves > 0 {
            let deleted = deletions.finished[place].load(Ordering::SeqCst);
            if peer.send(&edit_of(client)).await {
                edits.sent[place].insert(client);
            }
            if leaves > 2 && peer.wait_on_disk().await {
                edits.acknowledged[place].push((client, deleted));
            }
        }
        edits.shown[place].append(&mut peer.shown);
        let served = peer.leave();
        // Sometimes it comes back before its old session has ended.
        if random.below(2) == 0 {
            served.await.unwrap();
        }
    }
    edits
}

/// Ends the hub, and sees that nothing is left of what it held. Call it from no task: all that live are the hub's.
pub(crate) async fn end(hub: Hub) {
    soon("every room closes", hub.drain(Duration::ZERO)).await;
    let metrics = hub.metrics();
    assert_eq!(metrics.panics_caught.get(), 0);
    assert_eq!(hub.documents_open(), 0);
    let left = [&metrics.sessions, &metrics.rooms, &metrics.documents_open].map(Gauge::get);
    assert_eq!(left, [0, 0, 0], "sessions, rooms and documents");
    // What waited for a task hears of its end a moment before the runtime has taken it off its list.
    let no_task = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("no task is left", no_task).await;
    soon("the committer ends", tokio::task::spawn_blocking(move || hub.join_committer())).await.unwrap();
}
