//! One room's task: the only owner of its engine. Loads the document, feeds the engine, carries out its effects.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use confluo_protocol::{CloseCode, DocumentName, LineageId, Seq, SessionId};
use confluo_room::{Effects, NewRecord, Outgoing, Room, RoomInput};
use confluo_store::{Append, Record};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::{
    committer::{CommitFailed, flushed},
    discard::{Discard, FAULT, STORAGE_UNAVAILABLE},
    gate::{ExpulsionFlag, GateHold},
    hub::Shared,
    mailbox::Mail,
    members::Members,
    metrics::Limit,
    opening::{Opened, load, read, record_set_aside, refuse},
    outbox::Outbox,
    slow_rooms::{Slowness, Weight},
    snapshots::Snapshots,
};

/// How many messages are taken out of the mailbox at once.
const BATCH_MESSAGES: usize = 512;
/// How often a room gives back memory that only a busy room needs.
const AGE_EVERY: Duration = Duration::from_secs(30);

/// Why the task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomEnd {
    /// Everything is on disk, and the document may be opened again.
    Closed,
    /// The room was discarded: its sessions were told, and the next to join opens the document from disk.
    Discarded,
}

/// Opens the document and runs its room until nobody is left.
pub(crate) async fn run(
    shared: Arc<Shared>,
    document: DocumentName,
    mut mailbox: mpsc::Receiver<Mail>,
    expulsions: ExpulsionFlag,
) -> RoomEnd {
    // Boxed, as all that a room seldom does: an idle one keeps the size of its largest step.
    let Opened { room, slowness } = match Box::pin(load(&shared, &document)).await {
        Ok(opened) => opened,
        Err(refusal) => {
            refuse_all(&mut mailbox, refusal.code, refusal.reason).await;
            return RoomEnd::Discarded;
        }
    };
    let snapshots = Snapshots::new(Arc::clone(&shared), document.clone());
    let now = shared.clock.now();
    let members = Members::new(Arc::clone(&shared.metrics));
    let task = Box::new(RoomTask {
        shared,
        document,
        room: Some(Box::new(room)),
        members,
        writers: HashMap::new(),
        expulsions,
        permits: Vec::new(),
        in_flight: None,
        snapshots,
        slowness,
        empty_since: None,
        next_age: now + AGE_EVERY,
        last_commit: now,
    });
    task.run(mailbox).await
}

/// Everyone who is on the way in is told to come back: a room that failed refuses, and never creates.
async fn refuse_all(mailbox: &mut mpsc::Receiver<Mail>, code: CloseCode, reason: &str) {
    mailbox.close();
    while let Some(mail) = mailbox.recv().await {
        if let Mail::Join(_, entrance, _) = mail {
            entrance.refuse(code, reason);
        }
    }
}

struct RoomTask {
    shared: Arc<Shared>,
    document: DocumentName,
    /// Away only while it works on a blocking thread.
    room: Option<Box<Room>>,
    members: Members,
    /// Every member, and those who left until the engine has taken what they sent.
    writers: HashMap<SessionId, Writer>,
    expulsions: ExpulsionFlag,
    /// Large messages' claims on the mailbox, kept until the engine has applied them.
    permits: Vec<OwnedSemaphorePermit>,
    in_flight: Option<(Seq, oneshot::Receiver<Result<(), CommitFailed>>)>,
    snapshots: Snapshots,
    slowness: Slowness,
    empty_since: Option<Instant>,
    next_age: Instant,
    last_commit: Instant,
}

/// A session of which something may be taken.
struct Writer {
    outbox: Arc<Outbox>,
    gate: Option<Arc<GateHold>>,
}

impl RoomTask {
    async fn run(mut self: Box<Self>, mut mailbox: mpsc::Receiver<Mail>) -> RoomEnd {
        let mut mails = Vec::new();
        let mut inputs = Vec::new();
        let end = loop {
            let outcome = self.step(&mut mailbox, &mut mails, &mut inputs).await;
            match outcome {
                Ok(false) => {}
                Ok(true) => break RoomEnd::Closed,
                Err(Discard { code, reason }) => {
                    self.members.end_all(code, reason);
                    refuse_all(&mut mailbox, code, reason).await;
                    self.snapshots.finish().await;
                    break RoomEnd::Discarded;
                }
            }
        };
        if let Some(room) = self.room.take_if(|room| room.is_heavy_to_free()) {
            let _ = Box::pin(tokio::task::spawn_blocking(move || drop(room))).await;
        }
        end
    }

    /// Waits for something to happen and sees it through. True when the room has been closed.
    async fn step(
        &mut self,
        mailbox: &mut mpsc::Receiver<Mail>,
        mails: &mut Vec<Mail>,
        inputs: &mut Vec<RoomInput>,
    ) -> Result<bool, Discard> {
        let (may_receive, deadline, lingers) = {
            let room = self.room.as_deref().ok_or(FAULT)?;
            // While a commit is in flight its end is what to wait for: a deadline in the past would spin.
            let idle_since = self.empty_since.filter(|_| self.in_flight.is_none());
            let idle_deadline = idle_since.map(|since| since + self.linger());
            let deadlines = [room.next_deadline(), idle_deadline, self.idle_snapshot_at(room), Some(self.next_age)];
            let deadline = deadlines.into_iter().flatten().min();
            let lingers = idle_since.is_some() && !self.shared.health.is_draining();
            (room.waiting_bytes() < self.shared.config.mailbox_bytes, deadline.unwrap_or(self.next_age), lingers)
        };
        tokio::select! {
            biased;
            committed = flushed(&mut self.in_flight) => match committed {
                Ok(seq) => inputs.push(RoomInput::Committed(seq)),
                Err(CommitFailed) => return Err(STORAGE_UNAVAILABLE),
            },
            _ = mailbox.recv_many(mails, BATCH_MESSAGES), if may_receive => self.open_mail(mails, inputs),
            () = self.shared.health.draining(), if lingers => inputs.push(RoomInput::Tick),
            () = tokio::time::sleep_until(deadline.into()) => inputs.push(RoomInput::Tick),
        }
        self.handle(inputs).await?;
        let now = self.shared.clock.now();
        if now >= self.next_age {
            self.next_age = now + AGE_EVERY;
            self.room.as_deref_mut().ok_or(FAULT)?.age();
        }
        let room = self.room.as_deref().ok_or(FAULT)?;
        if self.snapshots.is_due(room) || self.idle_snapshot_at(room).is_some_and(|at| now >= at) {
            Box::pin(self.snapshot()).await?;
        }
        if self.members.is_empty() { Box::pin(self.close_if_left(mailbox, now)).await } else { Ok(false) }
    }

    fn open_mail(&mut self, mails: &mut Vec<Mail>, inputs: &mut Vec<RoomInput>) {
        for mail in mails.drain(..) {
            match mail {
                Mail::Join(joining, entrance, gate) => {
                    let Some(outbox) = entrance.open() else { continue };
                    self.empty_since = None;
                    // Its flag may have been raised when the room did not know it yet.
                    if outbox.expulsion().is_some() {
                        self.expulsions.raise();
                    }
                    self.writers.insert(joining.session, Writer { outbox: Arc::clone(&outbox), gate });
                    self.members.add(joining.session, outbox);
                    inputs.push(RoomInput::Joined(joining));
                }
                Mail::Input(input, permit) => {
                    self.permits.extend(permit);
                    if let RoomInput::Left(session) = input {
                        self.members.remove(session);
                    }
                    inputs.push(input);
                }
            }
        }
    }

    /// Feeds the engine until it has nothing more to say.
    async fn handle(&mut self, inputs: &mut Vec<RoomInput>) -> Result<(), Discard> {
        let mut overflowed: Vec<SessionId> = Vec::new();
        loop {
            let effects = self.call_engine(inputs).await?;
            let needs_rebuild = effects.needs_rebuild;
            if let Some(session) = effects.asks_to_create {
                inputs.push(RoomInput::CreationAnswered(session, self.may_create(session)));
            }
            for session in &effects.first_writes {
                if let Some(gate) = self.gate(*session) {
                    gate.wrote();
                }
            }
            for session in &effects.departed {
                self.writers.remove(session);
            }
            if let Some(record) = self.perform(effects, &mut overflowed) {
                Box::pin(self.commit(record)).await;
            }
            if needs_rebuild {
                Box::pin(self.rebuild()).await?;
                continue;
            }
            if overflowed.is_empty() && inputs.is_empty() {
                break;
            }
            self.shared.metrics.queue_overflows.add(overflowed.len() as u64);
            inputs.extend(overflowed.drain(..).map(RoomInput::Overflowed));
        }
        if self.room.as_deref().is_some_and(|room| !room.has_waiting()) {
            self.permits.clear();
        }
        Ok(())
    }

    async fn call_engine(&mut self, inputs: &mut Vec<RoomInput>) -> Result<Effects, Discard> {
        let clock = self.shared.clock;
        let room = self.room.as_deref_mut().ok_or(FAULT)?;
        let weight = self.slowness.weigh(room, inputs, clock.now());
        if weight != Weight::Light
            && let [RoomInput::Committed(through)] = inputs[..]
        {
            // What is on disk is shown before the room waits to merge more, which it does at the tick.
            inputs[0] = RoomInput::Tick;
            return Ok(room.release_only(through));
        }
        let place = match weight {
            Weight::Light => None,
            Weight::Heavy | Weight::Slow => Box::pin(self.shared.slow_rooms.place(weight)).await?,
        };
        // After the wait: of who was expelled meanwhile nothing is taken.
        if self.expulsions.take() {
            let expelled = self.writers.iter().filter(|(_, writer)| writer.outbox.expulsion().is_some());
            inputs.extend(expelled.map(|(session, _)| RoomInput::Expelled(*session)));
        }
        let now = clock.now();
        let room = self.room.as_deref_mut().ok_or(FAULT)?;
        let merges = room.will_merge(inputs);
        let handle = move |room: &mut Room, inputs: &mut Vec<RoomInput>| {
            // Of merges alone: to ask costs a system call.
            let before = merges.then(|| clock.thread_busy());
            let effects = room.handle(now, inputs.drain(..));
            (effects, before.map(|before| clock.thread_busy().saturating_sub(before)))
        };
        let (effects, busy) = if place.is_some() || room.is_heavy(inputs) {
            let mut inputs = std::mem::take(inputs);
            self.off_thread(move |room| handle(room, &mut inputs)).await?
        } else {
            handle(room, inputs)
        };
        if let Some(busy) = busy {
            let now = clock.now();
            let was_slow = self.shared.slow_rooms.note(&self.document, busy, now);
            self.slowness.note_merge(was_slow, now);
        }
        Ok(effects)
    }

    fn gate(&self, session: SessionId) -> Option<&GateHold> {
        self.writers.get(&session)?.gate.as_deref()
    }

    fn may_create(&self, session: SessionId) -> bool {
        let may_create = self.gate(session).is_none_or(|gate| gate.may_create());
        if !may_create {
            self.shared.metrics.limit_reached(Limit::DocumentsCreated).increment();
        }
        may_create
    }

    /// Lets the engine do what takes long, without holding up other tasks.
    async fn off_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Room) -> T + Send + 'static,
    ) -> Result<T, Discard> {
        let mut room = self.room.take().ok_or(FAULT)?;
        let work = tokio::task::spawn_blocking(move || {
            let result = work(&mut room);
            (room, result)
        });
        let (room, result) = work.await.map_err(|_| FAULT)?;
        self.room = Some(room);
        Ok(result)
    }

    /// Carries out what can be done at once, and returns what must be made durable.
    fn perform(&mut self, effects: Effects, overflowed: &mut Vec<SessionId>) -> Option<NewRecord> {
        let metrics = Arc::clone(&self.shared.metrics);
        for (session, code, reason) in effects.close {
            self.members.end(session, code, reason);
        }
        let mut deliveries = 0;
        for outgoing in effects.now {
            match outgoing {
                Outgoing::Direct(session, frame) => self.members.push(session, frame),
                Outgoing::Question(session, frame) => self.members.question(session, frame),
                Outgoing::Introduction(session, frame) => self.members.introduce(session, &frame),
                Outgoing::States(session, frame) => self.members.answer(session, frame),
                Outgoing::CatchUp(session, frames) => self.members.catch_up(session, frames),
                Outgoing::Content(frame) => deliveries += self.members.push_content(&frame, overflowed),
                Outgoing::Presence(frame) => deliveries += self.members.push_presence(&frame),
            }
        }
        if deliveries > 0 {
            metrics.deliveries.add(deliveries);
        }
        if effects.counts.updates > 0 {
            metrics.updates_received.add(effects.counts.updates);
            metrics.batch_updates.observe(effects.counts.updates);
        }
        metrics.count(effects.counts);
        effects.commit
    }

    async fn commit(&mut self, record: NewRecord) {
        let Some(lineage) = self.room.as_deref().map(Room::lineage) else { return };
        let NewRecord { seq, authors, update } = record;
        let record = Record { seq, at: self.shared.clock.wall().into(), authors, update };
        let append = Append { document: self.document.clone(), lineage, record };
        self.last_commit = self.shared.clock.now();
        self.in_flight = Some((seq, self.shared.committer.commit(append).await));
    }

    async fn rebuild(&mut self) -> Result<(), Discard> {
        tracing::error!("the document broke in memory and is loaded again from disk");
        let mut room = self.room.take().ok_or(FAULT)?;
        let lineage: LineageId = room.lineage();
        let slow_rooms = &self.shared.slow_rooms;
        let was_slow = self.slowness.is_slow(self.shared.clock.now()) || slow_rooms.remembers(&self.document);
        let rebuild = move |stored| {
            let set_aside = room.rebuild(stored);
            (room, set_aside)
        };
        let read = read(&self.shared, &self.document, lineage, was_slow, rebuild).await;
        let ((room, set_aside), is_slow) = read.map_err(|unread| unread.refuse(&self.shared, &self.document))?;
        self.room = Some(room);
        if is_slow {
            self.slowness = Slowness::SinceOpening;
        }
        let set_aside = set_aside.map_err(|error| refuse(&self.shared, &self.document, &error))?;
        record_set_aside(&self.shared, &set_aside);
        Ok(())
    }

    async fn snapshot(&mut self) -> Result<(), Discard> {
        if let Some(snapshot) = self.off_thread(Room::take_snapshot).await? {
            self.snapshots.start(snapshot);
        }
        Ok(())
    }

    /// When a document that nobody changes any more is worth a snapshot.
    fn idle_snapshot_at(&self, room: &Room) -> Option<Instant> {
        self.snapshots.is_worth_it(room).then(|| self.last_commit + self.shared.config.snapshots.idle)
    }

    fn linger(&self) -> Duration {
        if self.shared.health.is_draining() { Duration::ZERO } else { self.shared.config.linger }
    }

    /// Nobody is there. After the linger, and with everything on disk, the document is closed, unless somebody is on the way in.
    async fn close_if_left(&mut self, mailbox: &mpsc::Receiver<Mail>, now: Instant) -> Result<bool, Discard> {
        let since = *self.empty_since.get_or_insert(now);
        if now < since + self.linger() || self.in_flight.is_some() || !mailbox.is_empty() {
            return Ok(false);
        }
        self.snapshots.finish().await;
        if self.snapshots.is_worth_it(self.room.as_deref().ok_or(FAULT)?) {
            self.snapshot().await?;
            self.snapshots.finish().await;
        }
        Ok(self.shared.rooms.close_if_empty(&self.document, mailbox))
    }
}
