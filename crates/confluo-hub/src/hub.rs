//! What the server holds: one hub for all documents.

use std::{
    borrow::Cow,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use confluo_protocol::{Access, CloseCode, DocumentName, SessionId, UserId};
use confluo_room::{Joining, LineageClaim, RoomInput};
use confluo_store::{DocumentStore, StoreError};
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    clock::Clock,
    committer::{Committer, count, recover_storage},
    config::HubConfig,
    gate::{Expulsion, ExpulsionFlag, GateHold, SessionGate},
    health::{Health, HealthState, StorageTrouble},
    mailbox::{Mail, Mailbox},
    metrics::{HubMetrics, Limit},
    outbox::{Ending, Outbox},
    pulse::{LiveSessions, beat},
    room_task::{self, RoomEnd},
    rooms::{DoorLimits, EnterError, Rooms},
    session::{Session, SessionEnd},
    slow_rooms::SlowRooms,
    socket::SessionSocket,
};

/// Everything that rooms and sessions share.
pub(crate) struct Shared {
    pub(crate) config: HubConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn DocumentStore>,
    pub(crate) committer: Committer,
    pub(crate) health: Arc<HealthState>,
    pub(crate) metrics: Arc<HubMetrics>,
    pub(crate) rooms: Rooms,
    pub(crate) slow_rooms: SlowRooms,
    pub(crate) sessions: LiveSessions,
    /// Seconds since the hub's start, as the pulse counts them.
    pub(crate) second: AtomicU32,
    last_session: AtomicU64,
    tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn second(&self) -> u32 {
        self.second.load(Ordering::Relaxed)
    }

    /// Whoever meets a store that is out of service says so, or nobody would open it again before the next commit. May
    /// touch the disk.
    pub(crate) fn note_store_error(&self, error: &StoreError) {
        if self.store.stats().unhealthy.is_some() {
            self.health.storage_failed(error);
        }
    }
}

/// Who wants to join what.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The document.
    pub document: DocumentName,
    /// What the session may do.
    pub access: Access,
    /// Whose it is, once there are users.
    pub user: Option<UserId>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// What it said about the lineage of its own copy.
    pub lineage: LineageClaim,
    /// Who may change its access, or end it. Without one it keeps its access, whatever token it sends.
    pub gate: Option<Arc<dyn SessionGate>>,
}

/// Rooms, sessions and the group committer. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    commit_thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
    /// The pulse and the store's recovery. Both hold the store.
    background: TaskTracker,
    stop_background: CancellationToken,
}

impl Hub {
    /// Starts the committer's thread and the pulse, on the current tokio runtime.
    pub fn start(config: HubConfig, store: Arc<dyn DocumentStore>) -> std::io::Result<Self> {
        let clock = Clock;
        let reopen_interval = config.reopen_interval;
        let metrics = Arc::new(HubMetrics::new());
        metrics.store_findings.set(count(&store.stats().findings));
        let health = Arc::new(HealthState::default());
        let (committer, thread) = Committer::start(
            Arc::clone(&store),
            config.commit_queue_records,
            config.flush_interval,
            clock,
            Arc::clone(&metrics),
            Arc::clone(&health),
        )?;
        let slow_rooms = SlowRooms::new(config.heavy_work, Arc::clone(&health), Arc::clone(&metrics));
        let shared = Arc::new(Shared {
            config,
            clock,
            store: Arc::clone(&store),
            committer,
            health: Arc::clone(&health),
            metrics,
            rooms: Rooms::default(),
            slow_rooms,
            sessions: LiveSessions::default(),
            second: AtomicU32::new(0),
            last_session: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        });
        // Both end with `drain`; rooms are tracked apart, because those end by themselves.
        let (background, stop_background) = (TaskTracker::new(), CancellationToken::new());
        let recovery = recover_storage(store, health, Arc::clone(&shared.metrics), reopen_interval);
        let beat = beat(Arc::clone(&shared));
        let stop = stop_background.clone();
        background.spawn(async move { stop.run_until_cancelled(beat).await });
        let stop = stop_background.clone();
        background.spawn(async move { stop.run_until_cancelled(recovery).await });
        background.close();
        Ok(Self { shared, commit_thread: Arc::new(Mutex::new(Some(thread))), background, stop_background })
    }

    /// Whether promises can be kept now.
    pub fn health(&self) -> Health {
        self.shared.health.get()
    }

    /// What keeps the store from making edits durable, also while the server shuts down.
    pub fn storage_trouble(&self) -> Option<StorageTrouble> {
        self.shared.health.storage_trouble()
    }

    /// What has been counted.
    pub fn metrics(&self) -> &HubMetrics {
        &self.shared.metrics
    }

    /// Resolves when [`Hub::drain`] has begun.
    pub async fn draining(&self) {
        self.shared.health.draining().await;
    }

    /// Runs one session until either side ends it. The peer is told why, if it was the server. The current span learns
    /// the session's number, if it has a field `session`.
    pub async fn serve<S: SessionSocket>(&self, request: JoinRequest, socket: S) {
        let id = SessionId(self.shared.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        tracing::Span::current().record("session", id.0);
        let outbox = Arc::new(Outbox::new(self.shared.config.outbound_bytes, self.shared.second()));
        let refusal = match self.shared.health.get() {
            Health::Ready => None,
            Health::Draining => Some((CloseCode::GoingAway, "the server is going away; come back")),
            Health::StorageUnavailable { .. } => {
                Some((CloseCode::StorageUnavailable, "edits cannot be made durable now; what you did is kept by you"))
            }
        };
        let entered = match refusal {
            Some(refusal) => Err(refusal),
            None => self.enter(&request),
        };
        match entered {
            Ok(mailbox) => self.run_session(id, request, socket, outbox, mailbox).await,
            Err((code, reason)) => {
                if let Some(gate) = &request.gate {
                    gate.ended(Some(&Expulsion { code, reason: reason.into() }));
                }
                Box::pin(self.refuse(socket, code, reason)).await;
            }
        }
    }

    /// Tells a peer that it may not enter: a browser cannot see a rejected upgrade, so it is accepted, then closed.
    pub async fn refuse<S: SessionSocket>(&self, socket: S, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        let outbox = Arc::new(Outbox::new(self.shared.config.outbound_bytes, self.shared.second()));
        let (mailbox, _) = Mailbox::new(1, 1);
        let session = Session::new(SessionId(0), Arc::clone(&self.shared), socket, outbox, mailbox);
        session.close(Ending { code, reason: reason.into(), is_expulsion: false }).await;
    }

    fn enter(&self, request: &JoinRequest) -> Result<Mailbox, (CloseCode, &'static str)> {
        let config = &self.shared.config;
        let limits = DoorLimits {
            max_sessions_per_document: config.max_sessions_per_document,
            max_open_documents: config.max_open_documents,
            mailbox_messages: config.mailbox_messages,
            mailbox_bytes: config.mailbox_bytes,
        };
        let entered = self.shared.rooms.enter(&request.document, limits).map_err(|error| {
            let (limit, reason) = match error {
                EnterError::TooManySessions => {
                    (Limit::SessionsPerDocument, "the document has as many sessions as it may; try later")
                }
                EnterError::TooManyDocuments => {
                    (Limit::DocumentsOpen, "as many documents are open as may be; try later")
                }
            };
            self.shared.metrics.limit_reached(limit).increment();
            (CloseCode::SlowDown, reason)
        })?;
        if let Some(receiver) = entered.to_open {
            self.open_room(request.document.clone(), receiver, entered.mailbox.expulsions.clone());
        }
        Ok(entered.mailbox)
    }

    fn open_room(&self, document: DocumentName, receiver: mpsc::Receiver<Mail>, expulsions: ExpulsionFlag) {
        let shared = Arc::clone(&self.shared);
        // On its own: the session that happens to be first is no part of it, and may be gone long before.
        let span = tracing::info_span!(parent: None, "room", document = document.as_str());
        let task = async move {
            shared.metrics.documents_open.increment();
            let room = room_task::run(Arc::clone(&shared), document.clone(), receiver, expulsions);
            let end = AssertUnwindSafe(room).catch_unwind().await;
            match end {
                Ok(RoomEnd::Closed) => tracing::debug!("the document is closed"),
                Ok(RoomEnd::Discarded) => shared.rooms.remove(&document),
                Err(_) => {
                    shared.metrics.panics_caught.add(1);
                    tracing::error!("the room panicked and was closed; this is a bug");
                    shared.rooms.remove(&document);
                }
            }
            shared.metrics.documents_open.decrement();
        };
        self.shared.tasks.spawn(task.instrument(span));
    }

    async fn run_session<S: SessionSocket>(
        &self,
        id: SessionId,
        request: JoinRequest,
        socket: S,
        outbox: Arc<Outbox>,
        mailbox: Mailbox,
    ) {
        let shared = &self.shared;
        let JoinRequest { document, access, user, address, lineage, gate } = request;
        let joining = Joining { session: id, access, user, address, lineage };
        let gate = gate.map(GateHold::new);
        let mut session = Session::new(id, Arc::clone(shared), socket, outbox, mailbox);
        session.access = access;
        session.gate = gate;
        shared.metrics.sessions_joined.add(1);
        shared.metrics.sessions.increment();
        let end = session.run(&document, joining).await;
        shared.sessions.remove(id);
        Box::pin(self.end_session(&document, session, end)).await;
    }

    /// Leaves the room, then tells the peer; but whoever is expelled, and be it meanwhile, is told at once, however busy its
    /// room is. It leaves in any case, or its room would wait for it for ever.
    async fn end_session<S: SessionSocket>(&self, document: &DocumentName, mut session: Session<S>, end: SessionEnd) {
        let (id, mailbox, outbox) = (session.id, session.mailbox.clone(), Arc::clone(&session.outbox));
        if let Some(gate) = session.gate.take()
            && let Some(by_server) = end.expulsion()
        {
            gate.note_end(by_server);
        }
        let (has_left, left) = oneshot::channel::<()>();
        let leave = async move {
            mailbox.leave(RoomInput::Left(id)).await;
            self.shared.rooms.leave(document, &mailbox);
            self.shared.metrics.sessions.decrement();
            drop(has_left);
        };
        let close = async move {
            tokio::select! {
                biased;
                _ = outbox.expelled() => {}
                _ = left => {}
            }
            match end {
                SessionEnd::ByPeer => self.shared.metrics.closed_by_peer().add(1),
                SessionEnd::ByServer(ending) => session.close(ending).await,
            }
        };
        let ((), closed) = tokio::join!(leave, AssertUnwindSafe(close).catch_unwind());
        if closed.is_err() {
            self.shared.metrics.panics_caught.increment();
            let (session, document) = (id.0, document.as_str());
            tracing::error!(
                session,
                document,
                "closing the session panicked and cut its connection off; this is a bug"
            );
        }
    }

    /// Ends every session with 1001, spread over `window`; waits until every room has written what it holds and the
    /// store is idle. The caller bounds the time.
    pub async fn drain(&self, window: Duration) {
        self.shared.health.start_draining();
        let sessions = self.shared.sessions.all();
        let pause = window.checked_div(sessions.len() as u32).unwrap_or_default();
        let started = self.shared.clock.now();
        for (place, outbox) in sessions.iter().enumerate() {
            tokio::time::sleep_until((started + pause * place as u32).into()).await;
            outbox.end(CloseCode::GoingAway, "the server is going away; come back".into());
        }
        // Those that were on their way in while the list was made.
        for outbox in self.shared.sessions.all() {
            outbox.end(CloseCode::GoingAway, "the server is going away; come back".into());
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.stop_background.cancel();
        self.background.wait().await;
    }

    /// How many documents are in memory.
    pub fn documents_open(&self) -> usize {
        self.shared.rooms.len()
    }

    /// After [`Hub::drain`], and when every clone but this one is gone: waits until the store is idle and let go of.
    pub fn join_committer(self) {
        let thread = self.commit_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(self.shared);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
