//! Documents of which something takes long wait for each other, and no other document for them.
//!
//! Nothing takes long here: a step that takes no time at all is called slow where a test wants slow documents.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    time::Duration,
};

use confluo_hub::{HeavyWork, Hub, HubConfig};
use confluo_protocol::{ClientId, CloseCode, DocumentName, Message};
use confluo_store::{MemoryStore, faulty::FaultyStore};
use tokio::runtime::{self, Handle};
use tokio_util::task::TaskTracker;

use crate::{
    crowd::{hasty, soon},
    stalled::{Gate, Stalled},
    watched::authors_in,
    wire::{Peer, breaking_edit_of, edit_of, large_edit_of, presence_of, store, unread_by_the_check},
};

/// Who wrote what is stored when a test begins.
const BEFORE: ClientId = 1;

/// Whatever is merged, and every opening of a document that is large enough, was slow; and there is one turn.
const ALL_ARE_SLOW: HeavyWork = HeavyWork { slow_step: Duration::ZERO, slow_turns: 1, max_heavy: 100 };
/// Nothing was slow, and one document at a time may take long.
const ONE_MAY_BE: HeavyWork = HeavyWork { slow_step: Duration::MAX, slow_turns: 1, max_heavy: 1 };

struct Scene {
    hub: Hub,
    store: Arc<FaultyStore<MemoryStore>>,
    tasks: TaskTracker,
}

impl Scene {
    fn new(heavy_work: HeavyWork) -> Self {
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let hub = Hub::start(HubConfig { heavy_work, ..hasty() }, store.clone()).unwrap();
        Self { hub, store, tasks: TaskTracker::new() }
    }

    fn join(&self, document: &DocumentName) -> Peer {
        Peer::join(&self.hub, document, &self.tasks)
    }

    /// In a room that has merged nothing.
    async fn enter(&self, document: &DocumentName) -> Peer {
        let mut peer = self.join(document);
        assert!(peer.wait_on_disk().await);
        peer
    }

    /// In a room that has merged something.
    async fn enter_and_write(&self, document: &DocumentName) -> Peer {
        let mut peer = self.join(document);
        assert!(peer.send(&edit_of(BEFORE)).await && peer.wait_on_disk().await);
        peer
    }

    /// It is stored, and was never opened.
    fn has(&self, document: &DocumentName, edit: Message) {
        store(self.store.inner(), document, edit);
    }

    /// It is stored, was slow to open, and is closed again.
    async fn has_slow(&self, document: &DocumentName) {
        self.has(document, large_edit_of(BEFORE));
        let open = self.hub.documents_open();
        self.enter(document).await.leave().await.unwrap();
        while self.hub.documents_open() > open {
            tokio::task::yield_now().await;
        }
    }

    /// A slow document that has the turn, for it is being opened, until the store is released.
    async fn take_turn(&self) -> Peer {
        let [document] = names(["has the turn"]);
        self.has_slow(&document).await;
        self.store.hold_loads_of(&document);
        let peer = self.join(&document);
        let waiting = self.store.clone();
        soon("it is opened", tokio::task::spawn_blocking(move || waiting.wait_until_held(1))).await.unwrap();
        peer
    }

    async fn taken_are(&self, updates: u64) {
        let taken = async {
            while self.hub.metrics().updates_received.get() != updates {
                tokio::task::yield_now().await;
            }
        };
        soon("so many updates are taken", taken).await;
    }

    async fn waiting_are(&self, count: i64) {
        let there = async {
            while self.hub.metrics().documents_waiting.get() != count {
                tokio::task::yield_now().await;
            }
        };
        soon("so many documents wait", there).await;
    }

    fn stored(&self, document: &DocumentName) -> BTreeSet<ClientId> {
        authors_in(self.store.inner(), document)
    }
}

/// So that a test that fails ends: nothing that blocks outlives it.
impl Drop for Scene {
    fn drop(&mut self) {
        self.store.release();
    }
}

fn names<const N: usize>(names: [&str; N]) -> [DocumentName; N] {
    names.map(|name| DocumentName::new(name).unwrap())
}

/// A runtime whose one thread for what blocks a test can take away.
fn on_one_blocking_thread(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(test);
}

/// From here on, nothing that blocks is done until the sender is dropped.
fn take_blocking_thread() -> mpsc::Sender<()> {
    let (taken, end) = mpsc::channel();
    drop(Handle::current().spawn_blocking(move || end.recv()));
    taken
}

#[test]
fn two_slow_documents_do_not_merge_at_the_same_time_and_one_that_was_quick_does() {
    on_one_blocking_thread(async {
        let scene = Scene::new(ALL_ARE_SLOW);
        let [one, another, quick] = names(["one", "another", "quick"]);
        let mut one = scene.enter_and_write(&one).await;
        let mut another = scene.enter_and_write(&another).await;
        let mut quick = scene.enter(&quick).await;
        // Whichever has the turn merges, and does not come to an end.
        let merging = take_blocking_thread();
        assert!(one.send(&edit_of(2)).await && another.send(&edit_of(2)).await);
        scene.waiting_are(1).await;
        assert!(quick.send(&edit_of(3)).await && soon("at once", quick.wait_shown(3)).await);
        assert_eq!(scene.hub.metrics().updates_received.get(), 3, "the two before, and the quick one");
        assert_eq!(scene.hub.metrics().documents_waiting.get(), 1);
        drop(merging);
        assert!(soon("merged", one.wait_shown(2)).await && soon("merged", another.wait_shown(2)).await);
        assert_eq!(scene.hub.metrics().documents_waiting.get(), 0);
    });
}

#[test]
fn sy5_while_its_commit_is_on_its_way_a_slow_room_waits_for_no_turn_and_shows_it_before_it_waits_for_the_next() {
    on_one_blocking_thread(async {
        let scene = Scene::new(ALL_ARE_SLOW);
        let [notes, one, another] = names(["notes", "one", "another"]);
        let mut notes = scene.enter_and_write(&notes).await;
        let one = scene.enter_and_write(&one).await;
        let another = scene.enter_and_write(&another).await;
        scene.store.hold();
        assert!(notes.send(&edit_of(2)).await);
        scene.taken_are(4).await;
        // One of these has the turn, and the other waits for it.
        let merging = take_blocking_thread();
        assert!(one.send(&edit_of(2)).await && another.send(&edit_of(2)).await);
        scene.waiting_are(1).await;
        // The next edit waits for the commit, and holds up nothing that does not.
        assert!(notes.send(&edit_of(3)).await && notes.send(&presence_of(3)).await);
        assert!(soon("at once", notes.wait_present(3)).await);
        assert_eq!(scene.hub.metrics().documents_waiting.get(), 1);
        assert!(!notes.shown.contains(&2));
        scene.store.release();
        assert!(soon("when it is on disk", notes.wait_shown(2)).await);
        scene.waiting_are(2).await;
        assert!(!notes.shown.contains(&3));
        drop(merging);
        assert!(soon("merged", notes.wait_shown(3)).await);
    });
}

#[test]
fn what_may_take_long_waits_beyond_the_bound_and_what_may_not_does_not() {
    on_one_blocking_thread(async {
        let scene = Scene::new(ONE_MAY_BE);
        let [one, another, light] = names(["one", "another", "light"]);
        let mut one = scene.enter(&one).await;
        let mut another = scene.enter(&another).await;
        let mut light = scene.enter(&light).await;
        let merging = take_blocking_thread();
        assert!(one.send(&large_edit_of(2)).await && another.send(&large_edit_of(2)).await);
        scene.waiting_are(1).await;
        assert!(light.send(&edit_of(3)).await && soon("at once", light.wait_shown(3)).await);
        assert_eq!(scene.hub.metrics().updates_received.get(), 1, "the light one");
        drop(merging);
        assert!(soon("merged", one.wait_shown(2)).await && soon("merged", another.wait_shown(2)).await);
        assert_eq!(scene.hub.metrics().slow_steps.get(), 0);
    });
}

#[tokio::test]
async fn a_document_that_was_slow_to_open_is_opened_in_turn_and_others_at_once() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [slow, large, small] = names(["slow", "large", "small"]);
    scene.has_slow(&slow).await;
    scene.has(&large, large_edit_of(BEFORE));
    scene.has(&small, edit_of(BEFORE));
    let has_turn = scene.take_turn().await;
    let loaded = scene.hub.metrics().documents_loaded.get();
    let slow = scene.join(&slow);
    scene.waiting_are(1).await;
    for other in [large, small] {
        assert!(soon("it was not slow before", scene.join(&other).wait_shown(BEFORE)).await);
    }
    assert_eq!(scene.hub.metrics().documents_loaded.get(), loaded + 2, "the others");
    assert_eq!(scene.hub.metrics().documents_waiting.get(), 1);
    scene.store.release();
    for mut peer in [has_turn, slow] {
        assert!(soon("its turn", peer.wait_shown(BEFORE)).await);
    }
}

#[tokio::test]
async fn a_document_that_was_slow_to_open_merges_in_turn_from_then_on() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [slow, quick] = names(["slow", "quick"]);
    scene.has(&slow, large_edit_of(BEFORE));
    scene.has(&quick, edit_of(BEFORE));
    let mut has_turn = scene.take_turn().await;
    let mut slow = scene.enter(&slow).await;
    let mut quick = scene.enter(&quick).await;
    assert!(slow.send(&edit_of(2)).await);
    scene.waiting_are(1).await;
    assert!(quick.send(&edit_of(3)).await && soon("at once", quick.wait_shown(3)).await);
    assert!(!slow.shown.contains(&2));
    scene.store.release();
    assert!(soon("its turn", slow.wait_shown(2)).await && soon("its turn", has_turn.wait_shown(BEFORE)).await);
}

#[tokio::test]
async fn a_document_that_breaks_is_read_again_and_how_long_that_takes_is_noted() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [document] = names(["broken"]);
    scene.has(&document, unread_by_the_check(large_edit_of(BEFORE)));
    let mut other = scene.enter(&document).await;
    let mut breaker = scene.enter(&document).await;
    let slow_steps = scene.hub.metrics().slow_steps.get();
    assert!(breaker.send(&breaking_edit_of(2, BEFORE)).await);
    while soon("it is refused", breaker.receive()).await.is_some() {}
    assert!(other.send(&edit_of(3)).await && soon("others go on", other.wait_shown(3)).await);
    let noted = scene.hub.metrics().slow_steps.get() - slow_steps;
    assert_eq!(noted, 3, "the merge that broke it, the reading, and the merge of the other");
    assert_eq!(other.shown, BTreeSet::from([BEFORE, 3]));
}

#[tokio::test]
async fn au5_of_who_is_expelled_while_its_room_waits_for_a_turn_nothing_is_taken() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [notes] = names(["notes"]);
    let mut other = scene.enter_and_write(&notes).await;
    let (gate, expelled) = (Arc::new(Gate::default()), Arc::new(Stalled::default()));
    expelled.change(|state| state.flows = true);
    let served = expelled.enter(&scene.hub, &notes, &scene.tasks, &gate);
    soon("it joins", gate.joined.notified()).await;
    let _has_turn = scene.take_turn().await;
    // The room takes the first, and waits; the others wait in its mailbox.
    for client in 2..=5 {
        expelled.change(|state| state.incoming.push_back(edit_of(client).encode()));
        while expelled.look(|state| !state.incoming.is_empty()) {
            tokio::task::yield_now().await;
        }
        scene.waiting_are(1).await;
    }
    assert!(other.send(&edit_of(6)).await);
    gate.expel();
    assert_eq!(expelled.closed().await, CloseCode::Unauthorised);
    scene.store.release();
    assert!(soon("its turn", other.wait_shown(6)).await);
    soon("it has left", served).await.unwrap();
    assert_eq!(other.shown, BTreeSet::from([BEFORE, 6]));
    assert_eq!(gate.told(), ["joined", "ended by the server"], "it never wrote");
    soon("all is written", scene.hub.drain(Duration::ZERO)).await;
    assert_eq!(scene.stored(&notes), BTreeSet::from([BEFORE, 6]));
}

#[tokio::test]
async fn au5_who_is_expelled_while_its_document_waits_to_be_opened_is_told_at_once_and_nothing_of_it_is_taken() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [slow] = names(["slow"]);
    scene.has_slow(&slow).await;
    let _has_turn = scene.take_turn().await;
    let (gate, expelled) = (Arc::new(Gate::default()), Arc::new(Stalled::default()));
    expelled.change(|state| {
        state.flows = true;
        state.incoming.push_back(edit_of(2).encode());
    });
    let served = expelled.enter(&scene.hub, &slow, &scene.tasks, &gate);
    scene.waiting_are(1).await;
    while expelled.look(|state| !state.incoming.is_empty()) {
        tokio::task::yield_now().await;
    }
    gate.expel();
    assert_eq!(expelled.closed().await, CloseCode::Unauthorised);
    scene.store.release();
    assert!(soon("its turn", scene.join(&slow).wait_shown(BEFORE)).await);
    soon("it has left", served).await.unwrap();
    soon("all is written", scene.hub.drain(Duration::ZERO)).await;
    assert_eq!(scene.stored(&slow), BTreeSet::from([BEFORE]));
}

#[tokio::test]
async fn cl3_a_server_that_shuts_down_waits_for_no_turn() {
    let scene = Scene::new(ALL_ARE_SLOW);
    let [opening, merging] = names(["opening", "merging"]);
    scene.has_slow(&opening).await;
    let merges = scene.enter_and_write(&merging).await;
    let _has_turn = scene.take_turn().await;
    let (gate, opens) = (Arc::new(Gate::default()), Arc::new(Stalled::default()));
    opens.change(|state| state.flows = true);
    opens.enter(&scene.hub, &opening, &scene.tasks, &gate);
    assert!(merges.send(&edit_of(2)).await);
    scene.waiting_are(2).await;
    let draining = TaskTracker::new();
    let hub = scene.hub.clone();
    let drained = draining.spawn(async move { hub.drain(Duration::ZERO).await });
    // Who has the turn goes on.
    scene.waiting_are(0).await;
    assert_eq!(opens.closed().await, CloseCode::GoingAway);
    soon("it is told", merges.leave()).await.unwrap();
    assert!(!drained.is_finished());
    scene.store.release();
    soon("every room closes", drained).await.unwrap();
    assert_eq!(scene.stored(&merging), BTreeSet::from([BEFORE]), "what was not merged was not acknowledged");
}
