//! Who is expelled is out at once, and be it that it is on its way out already: it sees nothing more, and nothing more of it is
//! taken, however busy its room is.

use std::{sync::Arc, time::Duration};

use confluo_hub::{Hub, HubConfig};
use confluo_protocol::{AuthMessage, CloseCode, DocumentName, Message, StateVectorV1, SyncMessage};
use confluo_store::{DocumentStore, MemoryStore, faulty::FaultyStore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::{
    logged::ErrorLog,
    stalled::{Gate, Stalled, Step},
    wire::{Peer, authors_of, edit_of},
};

struct Scene {
    hub: Hub,
    store: Arc<FaultyStore<MemoryStore>>,
    document: DocumentName,
    tasks: TaskTracker,
    gate: Arc<Gate>,
    stalled: Arc<Stalled>,
    served: JoinHandle<()>,
}

impl Scene {
    /// The stalled one has joined, and will be shown what others write once its network lets it ask.
    async fn new(config: HubConfig) -> Self {
        let document = DocumentName::new("notes").unwrap();
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let hub = Hub::start(config, store.clone()).unwrap();
        let (tasks, gate, stalled) = (TaskTracker::new(), Arc::new(Gate::default()), Arc::new(Stalled::default()));
        let ask = Message::Sync(SyncMessage::Step1(StateVectorV1([0][..].into())));
        stalled.change(|state| state.incoming.push_back(ask.encode()));
        let served = stalled.enter(&hub, &document, &tasks, &gate);
        gate.joined.notified().await;
        stalled.tried.notified().await;
        Self { hub, store, document, tasks, gate, stalled, served }
    }

    /// The room takes no more mail while a commit waits for the disk.
    fn busy() -> HubConfig {
        HubConfig { mailbox_messages: 1, mailbox_bytes: 64, ..HubConfig::default() }
    }

    /// The stalled one has sent so much that it waits for its room, which waits for the disk.
    async fn with_a_busy_room() -> Self {
        let scene = Self::new(Self::busy()).await;
        scene.store.hold();
        scene.stalled.change(|state| state.incoming.extend((1..=50).map(|client| edit_of(client).encode())));
        scene.wait_until_held().await;
        scene.stalled.is_not_read_any_more().await;
        scene
    }

    async fn wait_until_held(&self) {
        let waiting = self.store.clone();
        tokio::task::spawn_blocking(move || waiting.wait_until_held(1)).await.unwrap();
    }

    /// Everybody but the stalled one has been shown the edits of clients 1 to `last`, which a writer has sent.
    async fn others_write(&self, last: u64) {
        let mut writer = Peer::join(&self.hub, &self.document, &self.tasks);
        for client in 1..=last {
            assert!(writer.send(&edit_of(client)).await);
            assert!(writer.wait_shown(client).await);
        }
    }

    async fn wait_until_sessions_are(&self, count: i64) {
        while self.hub.metrics().sessions.get() != count {
            tokio::task::yield_now().await;
        }
    }

    /// It was closed as expelled, and told no more than that.
    async fn assert_told_nothing_else(&self) {
        assert_eq!(self.stalled.closed().await, CloseCode::Unauthorised);
        self.stalled.look(|state| {
            assert_eq!(state.sent.len(), 1, "{:?}", state.sent);
            let told = Message::read_all(&state.sent[0]).unwrap();
            assert!(matches!(told.as_slice(), [Message::Auth(AuthMessage::PermissionDenied(_))]), "{told:?}");
        });
    }

    /// Of all that it sent only the commit that was under way is stored, when whatever waited in the room has had its turn.
    async fn assert_nothing_more_is_taken(self) {
        self.store.release();
        self.served.await.unwrap();
        self.hub.drain(Duration::ZERO).await;
        let stored = self.store.inner().load(&self.document).unwrap().unwrap();
        let authors: Vec<_> = stored.records.into_iter().map(|record| authors_of(record.update)).collect();
        assert_eq!(authors.len(), 1, "{authors:?}");
    }
}

#[tokio::test]
async fn au5_frames_that_the_network_has_not_taken_yet_are_not_sent_any_more() {
    let scene = Scene::new(HubConfig::default()).await;
    scene.others_write(20).await;
    // All of it waits for the stalled one, a part already in its hands. Now its network is there again, and it is expelled.
    scene.stalled.change(|state| state.flows = true);
    scene.gate.expel();
    scene.assert_told_nothing_else().await;
}

#[tokio::test]
async fn au5_what_the_room_releases_after_the_expulsion_is_not_sent() {
    let scene = Scene::new(Scene::busy()).await;
    scene.store.hold();
    let mut writer = Peer::join(&scene.hub, &scene.document, &scene.tasks);
    for client in 1..=50 {
        assert!(writer.send(&edit_of(client)).await);
    }
    scene.wait_until_held().await;
    // The room does not hear that it leaves, for it waits for the disk; and its network takes nothing yet.
    scene.gate.expel();
    scene.stalled.tried.notified().await;
    scene.store.release();
    assert!(writer.wait_shown(50).await);
    scene.stalled.change(|state| state.flows = true);
    scene.assert_told_nothing_else().await;
}

#[tokio::test]
async fn au5_who_is_expelled_while_it_is_told_of_a_fault_of_its_own_sees_nothing_more_and_waits_no_longer() {
    let config = HubConfig { refusal_delay: Duration::from_secs(3_600), ..HubConfig::default() };
    let scene = Scene::new(config).await;
    let mut writer = Peer::join(&scene.hub, &scene.document, &scene.tasks);
    assert!(writer.send(&edit_of(1)).await);
    assert!(writer.wait_shown(1).await);
    let truncated = [0, 2][..].into();
    scene.stalled.change(|state| state.incoming.push_back(truncated));
    scene.wait_until_sessions_are(1).await;
    scene.stalled.change(|state| state.flows = true);
    scene.gate.expel();
    scene.assert_told_nothing_else().await;
}

#[tokio::test]
async fn au2_who_sends_a_token_that_is_refused_is_sent_nothing_more_of_what_waits() {
    let config = HubConfig { refusal_delay: Duration::from_millis(1), ..HubConfig::default() };
    let scene = Scene::new(config).await;
    scene.others_write(20).await;
    let token = Message::Auth(AuthMessage::Token(b"nonsense"[..].into())).encode();
    scene.stalled.change(|state| state.incoming.push_back(token));
    scene.wait_until_sessions_are(0).await;
    scene.stalled.change(|state| state.flows = true);
    scene.assert_told_nothing_else().await;
}

#[tokio::test]
async fn au5_who_is_expelled_does_not_wait_for_a_room_that_is_busy() {
    let scene = Scene::with_a_busy_room().await;
    scene.stalled.change(|state| state.flows = true);
    scene.gate.expel();
    assert_eq!(scene.stalled.closed().await, CloseCode::Unauthorised);
    scene.assert_nothing_more_is_taken().await;
}

#[tokio::test]
async fn au5_who_is_expelled_while_it_waits_for_a_busy_room_to_let_it_in_is_told_at_once() {
    let scene = Scene::with_a_busy_room().await;
    let (gate, newcomer) = (Arc::new(Gate::default()), Arc::new(Stalled::default()));
    newcomer.change(|state| state.flows = true);
    let served = newcomer.enter(&scene.hub, &scene.document, &scene.tasks, &gate);
    gate.can_expel().await;
    gate.expel();
    assert_eq!(newcomer.closed().await, CloseCode::Unauthorised);
    scene.stalled.change(|state| state.flows = true);
    scene.gate.expel();
    scene.assert_nothing_more_is_taken().await;
    served.await.unwrap();
    assert_eq!(gate.told(), ["ended by the server"], "it never joined");
}

#[tokio::test]
async fn au5_of_who_is_expelled_after_its_network_was_lost_nothing_more_is_taken() {
    let scene = Scene::with_a_busy_room().await;
    scene.stalled.change(|state| state.is_lost = true);
    // Nobody reads and writes for it any more; what it had sent is being delivered.
    scene.stalled.tried.notified().await;
    scene.gate.expel();
    scene.assert_nothing_more_is_taken().await;
}

#[tokio::test]
async fn whoever_is_closed_leaves_though_closing_panics() {
    let log = ErrorLog::default();
    let _logging = log.install();
    let scene = Scene::with_a_busy_room().await;
    scene.stalled.change(|state| (state.flows, state.panics_at) = (true, Some(Step::Close)));
    scene.gate.expel();
    scene.stalled.closed().await;
    scene.store.release();
    scene.served.await.expect("the panic is caught");
    assert_eq!(scene.hub.metrics().sessions.get(), 0);
    assert_eq!(scene.hub.metrics().panics_caught.get(), 1);
    assert!(matches!(&log.lines()[..], [line] if line.contains("document=\"notes\"")), "{:?}", log.lines());
}
