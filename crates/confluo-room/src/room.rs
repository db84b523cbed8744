//! The engine: takes what happened, says what must be done.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use bytes::Bytes;
use confluo_protocol::{
    ClientId, CloseCode, Frame, LineageId, Message, Seq, SessionId, SyncMessage, UpdateV1, UserId,
    update::NestedTooDeep,
};

use crate::{
    awareness::{AwarenessLimits, AwarenessTable},
    batch::Content,
    creation::Creation,
    document::Document,
    early::holder,
    effects::{Effects, Joining, LineageClaim, Outgoing, RoomConfig, RoomInput},
    full_state::FullStateCache,
    presence::INTRODUCTION_TIME,
    session::{Lag, Person, Session},
    stored::{RoomSnapshot, SinceSnapshot, StoredState},
};

/// A commit that is not on disk yet.
pub(crate) struct InFlight {
    pub(crate) seq: Seq,
    /// What may leave when it is.
    pub(crate) held: Vec<Outgoing>,
}

/// The live gathering round one document. No IO, no clock, no randomness.
pub struct Room {
    pub(crate) config: RoomConfig,
    pub(crate) document: Document,
    pub(crate) lineage: LineageId,
    /// The seq of the last batch that was applied.
    pub(crate) head: Seq,
    pub(crate) sessions: HashMap<SessionId, Session>,
    pub(crate) awareness: AwarenessTable,
    /// Those who were not told the awareness states yet, and when they will be at the latest.
    pub(crate) newcomers: VecDeque<(Instant, SessionId)>,
    /// Those who want to know the lineage, once it is on disk.
    pub(crate) lineage_askers: BTreeSet<SessionId>,
    /// Content that arrived while a commit is in flight: the next batch.
    pub(crate) waiting: VecDeque<(SessionId, Content)>,
    /// Of what it holds alone.
    pub(crate) waiting_bytes: usize,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) full_state: FullStateCache,
    pub(crate) creation: Creation,
    /// For the batch released last and the one in flight: where each client stood before it.
    pub(crate) starts: [Vec<(ClientId, u32)>; 2],
    /// This many waiting updates are applied one by one: their batch broke the document.
    pub(crate) suspects: usize,
    pub(crate) authors: HashMap<ClientId, UserId>,
    pub(crate) since_snapshot: SinceSnapshot,
    pub(crate) is_damaged: bool,
    /// Sessions with early content.
    pub(crate) early_sessions: BTreeSet<SessionId>,
    /// When one of them is to be asked again, whatever happens.
    pub(crate) next_retry: Option<Instant>,
    /// The full state's size when it was last encoded, and what has been added since: an upper bound.
    pub(crate) measured_bytes: usize,
    pub(crate) added_bytes: usize,
}

impl Room {
    /// Opens a room on what the store knows. Returns the places in `stored.updates` that could not be applied; while
    /// there are any, no snapshot is made. A document that nests too deep to be worked on is refused.
    pub fn open(config: RoomConfig, stored: StoredState) -> Result<(Self, Vec<usize>), NestedTooDeep> {
        let awareness = AwarenessTable::new(AwarenessLimits {
            max_state_bytes: config.max_awareness_bytes,
            max_ids_per_session: config.max_client_ids_per_session,
            rate: config.awareness_rate,
            frame_interval: config.awareness_interval,
            expiry: config.awareness_expiry,
        });
        let mut room = Self {
            config,
            document: Document::empty(),
            lineage: stored.lineage,
            head: stored.head,
            sessions: HashMap::new(),
            awareness,
            newcomers: VecDeque::new(),
            lineage_askers: BTreeSet::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: None,
            full_state: FullStateCache::default(),
            creation: Creation::default(),
            starts: Default::default(),
            suspects: 0,
            authors: HashMap::new(),
            since_snapshot: SinceSnapshot::default(),
            is_damaged: false,
            early_sessions: BTreeSet::new(),
            next_retry: None,
            measured_bytes: 0,
            added_bytes: 0,
        };
        let refused = room.rebuild(stored)?;
        Ok((room, refused))
    }

    /// Replaces the document in memory, which was lost ([`Effects::needs_rebuild`]), by what is on disk. The batch that
    /// broke it is tried again one update at a time, at the next [`Room::handle`].
    pub fn rebuild(&mut self, stored: StoredState) -> Result<Vec<usize>, NestedTooDeep> {
        let (document, refused) = Document::load(&stored.updates)?;
        self.document = document;
        self.head = stored.head;
        self.full_state.clear();
        self.authors = stored.authors.into_iter().collect();
        self.since_snapshot = stored.since_snapshot;
        self.is_damaged = stored.is_damaged || !refused.is_empty() || self.document.lost_content_at_load();
        self.measured_bytes = 0;
        self.added_bytes = stored.updates.iter().map(|update| update.0.len()).sum();
        Ok(refused)
    }

    /// Takes all that has happened and says what must be done about it.
    pub fn handle(&mut self, now: Instant, inputs: impl IntoIterator<Item = RoomInput>) -> Effects {
        let mut effects = Effects::default();
        let mut known_before = None;
        self.trim_places();
        for input in inputs {
            match input {
                RoomInput::Joined(joining) => self.join(now, joining, &mut effects),
                RoomInput::Left(session) => self.leave(now, session, &mut effects),
                RoomInput::Expelled(session) => {
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.is_closing = true;
                        self.awareness.leave(now, &session.member);
                    }
                }
                RoomInput::Received(session, message) => self.receive(now, session, message, &mut effects),
                RoomInput::AccessChanged(session, access) => {
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.access = access;
                        self.awareness.note_release(&session.member);
                        if !self.config.may_publish(access) {
                            self.awareness.leave(now, &session.member);
                        }
                    }
                }
                RoomInput::Overflowed(id) => {
                    if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.lag.is_none()) {
                        // The content that it missed was released last, and more may be in flight: back to before both.
                        let lag = known_before.get_or_insert_with(|| {
                            Lag::of(self.document.client_count(), || self.document.clocks_at(&self.starts.concat()))
                        });
                        session.lag = Some(lag.clone());
                    }
                }
                RoomInput::CaughtUp(session) => self.waiting.push_back((session, Content::CaughtUp)),
                RoomInput::CreationAnswered(session, is_allowed) => {
                    self.take_creation_answer(session, is_allowed, &mut effects);
                }
                RoomInput::Committed(through) => self.release(through, &mut effects),
                RoomInput::Tick => {}
            }
        }
        // More than once only while a culprit is searched: an update that changes nothing leaves no commit behind it.
        while self.in_flight.is_none()
            && !self.waiting.is_empty()
            && !self.document.is_broken()
            && !self.must_ask_to_create(&mut effects)
        {
            self.process_waiting(now, &mut effects);
        }
        // However it was lost, and be it between two calls.
        effects.needs_rebuild |= self.document.is_broken() && self.in_flight.is_none();
        self.inform_newcomers(now, &mut effects);
        self.awareness.sweep(now);
        if !self.document.is_broken() {
            let released = self.awareness.take_released();
            self.ask_who_was_held(released, &mut effects);
            self.ask_after_pauses(now, &mut effects);
        }
        if let Some(entries) = self.awareness.take_broadcast(now) {
            effects.now.push(Outgoing::Presence(Frame::awareness(&entries)));
        }
        effects
    }

    fn join(&mut self, now: Instant, joining: Joining, effects: &mut Effects) {
        let on_disk = self.in_flight.as_ref().map_or(self.head, |in_flight| Seq(in_flight.seq.0 - 1));
        let is_stored = on_disk > Seq(0);
        if let LineageClaim::Has(lineage) = joining.lineage
            && lineage != self.lineage
        {
            let reason = "this copy belongs to a document that was reset; export it, then start from a fresh copy";
            effects.close.push((joining.session, CloseCode::DocumentReset, reason.into()));
            return;
        }
        if joining.lineage != LineageClaim::Unaware {
            if is_stored {
                effects.now.push(self.lineage_frame(joining.session));
            } else {
                self.lineage_askers.insert(joining.session);
            }
        }
        self.ask(joining.session, effects);
        let person = Person { user: joining.user.clone(), address: joining.address };
        let member = self.awareness.join(now, joining.session, person);
        let session = Session::new(joining.access, joining.user, member);
        self.sessions.insert(joining.session, session);
        self.newcomers.push_back((now + INTRODUCTION_TIME, joining.session));
    }

    pub(crate) fn lineage_frame(&self, session: SessionId) -> Outgoing {
        Outgoing::Direct(session, Frame::new(&Message::Lineage(Bytes::from(self.lineage.to_string()))))
    }

    fn leave(&mut self, now: Instant, id: SessionId, effects: &mut Effects) {
        if let Some(session) = self.sessions.get(&id) {
            self.awareness.leave(now, &session.member);
            self.lineage_askers.remove(&id);
            // What it sent before it left is still taken, in its turn.
            self.waiting.push_back((id, Content::Left));
        } else {
            effects.departed.push(id);
        }
    }

    fn receive(&mut self, now: Instant, id: SessionId, message: Message, effects: &mut Effects) {
        let Some(session) = self.sessions.get(&id).filter(|session| !session.is_closing) else { return };
        let access = session.access;
        let content = match message {
            Message::Sync(SyncMessage::Step1(vector)) => Content::Step1(vector),
            Message::Sync(SyncMessage::Step2(update)) => Content::Update { update, is_answer: true, access },
            Message::Sync(SyncMessage::Update(update)) => Content::Update { update, is_answer: false, access },
            Message::SaveStatus(bytes) => Content::SaveStatus(bytes),
            Message::Awareness(payload) => return self.receive_awareness(now, id, &payload, effects),
            Message::QueryAwareness => return self.answer_query(id, effects),
            // Tokens are the session's own matter; the rest is for clients, or unknown.
            _ => return,
        };
        self.waiting_bytes += content.len();
        self.waiting.push_back((id, content));
    }

    pub(crate) fn close(&mut self, id: SessionId, code: CloseCode, reason: Cow<'static, str>, effects: &mut Effects) {
        if let Some(session) = self.sessions.get_mut(&id)
            && !std::mem::replace(&mut session.is_closing, true)
        {
            effects.close.push((id, code, reason));
        }
    }

    /// When [`Room::handle`] wants to be called with [`RoomInput::Tick`], if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let newcomer = self.newcomers.front().map(|&(at, _)| at);
        // Nobody is asked for the sake of a document that is lost.
        let retry = self.next_retry.filter(|_| !self.document.is_broken());
        [newcomer, retry, self.awareness.next_deadline()].into_iter().flatten().min()
    }

    /// What waits for the commit in flight, in bytes of memory.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes + self.waiting.len() * size_of::<(SessionId, Content)>()
    }

    /// Whether content waits for the commit in flight.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The last seq that was applied; the last that is on disk when no commit is in flight.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// The document's lineage.
    pub fn lineage(&self) -> LineageId {
        self.lineage
    }

    /// The user from whom alone, and from who brought its first struct, what is new under a client id is taken at present
    /// (SY22). `None` when it is taken from everybody.
    pub fn holder(&self, client: ClientId) -> Option<&UserId> {
        holder(&self.awareness, &self.sessions, client)
    }

    /// How many sessions are here.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// What has been stored since the last snapshot; nothing when no snapshot may be made.
    pub fn since_snapshot(&self) -> SinceSnapshot {
        if self.is_damaged { SinceSnapshot::default() } else { self.since_snapshot }
    }

    /// Whether the document in memory is the one on disk, and all of that could be loaded.
    pub fn can_snapshot(&self) -> bool {
        self.in_flight.is_none() && !self.is_damaged && !self.document.is_broken()
    }

    /// The document as it is on disk. `None` while a commit is in flight, and when a part of it could not be loaded.
    pub fn take_snapshot(&mut self) -> Option<RoomSnapshot> {
        if !self.can_snapshot() {
            return None;
        }
        let state = match self.full_state.state_at(self.head) {
            Some(state) => state,
            None => UpdateV1(self.document.encode_state().ok()?.into()),
        };
        self.measured_bytes = state.0.len();
        self.added_bytes = 0;
        self.since_snapshot = SinceSnapshot::default();
        let authors = self.authors.iter().map(|(&client, user)| (client, user.clone())).collect();
        Some(RoomSnapshot { through: self.head, state, authors })
    }

    /// Gives back memory that only a busy room needs; to be called every minute or so.
    pub fn age(&mut self) {
        self.full_state.age();
        self.awareness.age();
    }
}

#[cfg(test)]
mod tests;
