//! One batch: everything that waited becomes one transaction, one record, one broadcast.

use std::time::Instant;

use bytes::Bytes;
use confluo_protocol::{
    Access, AuthMessage, ClientId, CloseCode, Frame, Message, Seq, SessionId, StateVectorV1, UpdateV1, UserId,
    message::encode_save_status_with_refusals,
    update::{Admission, ClockRange, Clocks, UpdateLimits, check_update},
};

use crate::{
    document::Broken,
    early::is_held,
    effects::{Effects, NewRecord, Outgoing},
    room::{InFlight, Room},
    session::Session,
};

/// What a session sent, as far as it concerns the document.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Step1(StateVectorV1),
    Update {
        update: UpdateV1,
        /// It came as a step 2.
        is_answer: bool,
        /// What its session might do when it came.
        access: Access,
    },
    SaveStatus(Bytes),
    CaughtUp,
    Left,
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Step1(vector) => vector.0.len(),
            Self::Update { update, .. } => update.0.len(),
            Self::SaveStatus(bytes) => bytes.len(),
            Self::CaughtUp | Self::Left => 0,
        }
    }
}

/// Whose update is looked at, as it was when that began.
struct Sender {
    id: SessionId,
    access: Access,
    user: Option<UserId>,
}

/// What has been gathered from a batch before it is applied.
#[derive(Default)]
pub(crate) struct Gathered {
    updates: Vec<UpdateV1>,
    updates_bytes: usize,
    /// One of `updates` begins with what is known.
    repeats: bool,
    /// Of each of `updates`, its place in `taken`.
    places: Vec<usize>,
    /// Whose ranges `updates` hold, to see afterwards whether they were integrated.
    pub(crate) ranges: Vec<(SessionId, ClockRange)>,
    /// What may leave when the batch is on disk.
    held: Vec<Outgoing>,
    /// Kept until it is known that the batch did not break the document.
    pub(crate) taken: Vec<(SessionId, Content)>,
    authors: Vec<(ClientId, UserId)>,
    left: Vec<SessionId>,
}

impl Gathered {
    /// Who answered a step 1 of the server's in this batch.
    pub(crate) fn answerers(&self) -> impl Iterator<Item = SessionId> + '_ {
        let is_answer = |content: &Content| matches!(content, Content::Update { is_answer: true, .. });
        self.taken.iter().filter(move |(_, content)| is_answer(content)).map(|(id, _)| *id)
    }
}

impl Room {
    /// Applies what waits: all of it, or one update while a culprit is searched.
    pub(crate) fn process_waiting(&mut self, now: Instant, effects: &mut Effects) {
        let mut gathered = Gathered { taken: Vec::with_capacity(self.waiting.len()), ..Gathered::default() };
        while let Some((id, content)) = self.waiting.pop_front() {
            self.waiting_bytes -= content.len();
            let is_suspect = matches!(content, Content::Update { .. }) && self.suspects > 0;
            self.take(now, id, content, &mut gathered, effects);
            if self.document.is_broken() {
                // The rest was meant for the document that is lost: all that was taken waits for it to be loaded.
                return self.wait_for_rebuild(gathered, effects);
            }
            if is_suspect {
                self.suspects -= 1;
                break;
            }
        }
        self.apply(now, gathered, effects);
    }

    fn take(&mut self, now: Instant, id: SessionId, content: Content, gathered: &mut Gathered, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match content {
            Content::Left => gathered.left.push(id),
            _ if session.is_closing => {}
            // The document is as it is on disk until the batch is applied, so these need not wait for it.
            Content::Step1(vector) => self.answer_step1(id, &vector, effects),
            Content::CaughtUp => self.resync(id, effects),
            Content::SaveStatus(bytes) => gathered.taken.push((id, Content::SaveStatus(bytes))),
            Content::Update { update, is_answer, access } => {
                // What was not asked for is an update like others, whatever it is called.
                let is_answer = is_answer && session.is_asked;
                gathered.taken.push((id, Content::Update { update: update.clone(), is_answer, access }));
                if is_answer {
                    self.awareness.note_told_all(&mut session.member);
                }
                let sender = Sender { id, access, user: session.user.clone() };
                self.take_update(now, &sender, update, is_answer, gathered, effects);
            }
        }
    }

    fn take_update(
        &mut self,
        now: Instant,
        sender: &Sender,
        update: UpdateV1,
        is_answer: bool,
        gathered: &mut Gathered,
        effects: &mut Effects,
    ) {
        let id = sender.id;
        let bytes = update.0.len();
        let checked = match check_update(update, &UpdateLimits::default()) {
            Ok(checked) => checked,
            Err(error) => return self.refuse_update(id, CloseCode::Malformed, error.to_string(), effects),
        };
        let has_structs =
            checked.clock_ranges().iter().any(|range| range.end > self.document.clocks().clock(range.client));
        if sender.access != Access::Write {
            let deletes = checked.delete_ranges();
            let has_news = match (has_structs || deletes.is_empty(), is_answer) {
                (true, _) => Ok(has_structs),
                (false, false) => Ok(true),
                // Every answer carries the whole delete set, news or not.
                (false, true) => self.has_deleted(deletes).map(|known| !known),
            };
            let Ok(has_news) = has_news else {
                let reason = "the document could not be read; try again";
                return self.close(id, CloseCode::InternalError, reason.into(), effects);
            };
            if has_news {
                self.refuse_reader(id, effects);
            }
            return self.note_early(now, id, None, is_answer, effects);
        }
        // What only deletes, and copies of what is known, need no room.
        let has_room = !has_structs || self.has_room_for(gathered.updates_bytes + bytes);
        if self.document.is_broken() {
            let reason = "the document could not be measured; try again";
            return self.close(id, CloseCode::InternalError, reason.into(), effects);
        }
        if !has_room {
            effects.counts.document_full += 1;
            let limit = self.config.max_document_bytes;
            let reason = format!("the document would exceed its limit of {limit} bytes; delete something first");
            return self.refuse_update(id, CloseCode::TooLarge, reason, effects);
        }
        let user = sender.user.as_ref();
        let is_held = |client| is_held(&self.awareness, &self.sessions, &self.authors, user, client);
        let Admission { admitted, repeats, structs, early, .. } = match self.document.admit(&checked, is_held) {
            Ok(admission) => admission,
            Err(refused) => return self.refuse_update(id, refused.close_code(), refused.to_string(), effects),
        };
        if let Some(admitted) = admitted {
            effects.counts.updates += 1;
            if self.sessions.get_mut(&id).is_some_and(Session::begins_to_write) {
                effects.first_writes.push(id);
            }
            gathered.updates_bytes += admitted.0.len();
            gathered.repeats |= repeats;
            gathered.updates.push(admitted);
            gathered.places.push(gathered.taken.len() - 1);
            for range in structs {
                if range.start == 0
                    && let Some(user) = user
                {
                    gathered.authors.push((range.client, user.clone()));
                }
                gathered.ranges.push((id, range));
            }
        }
        self.note_early(now, id, early, is_answer, effects);
    }

    /// The update cannot be taken, and its sender must not go on as if it had been.
    fn refuse_update(&mut self, id: SessionId, code: CloseCode, reason: String, effects: &mut Effects) {
        effects.counts.refused += 1;
        self.close(id, code, reason.into(), effects);
    }

    /// AU6: a reader's update is not taken; it is told so and stays.
    fn refuse_reader(&mut self, id: SessionId, effects: &mut Effects) {
        effects.counts.refused += 1;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !std::mem::replace(&mut session.has_refusals, true) {
            let reason = Bytes::from_static(b"read-only: your change was not taken");
            let message = Message::Auth(AuthMessage::PermissionDenied(reason));
            effects.now.push(Outgoing::Direct(id, Frame::new(&message)));
        }
    }

    fn apply(&mut self, now: Instant, mut gathered: Gathered, effects: &mut Effects) {
        let mut committed = None;
        if !gathered.updates.is_empty() {
            match self.document.apply(&gathered.updates, gathered.repeats) {
                Ok(applied) => {
                    self.full_state.age_question(applied.update.as_ref().map_or(0, |update| update.0.len()));
                    if applied.was_pruned {
                        self.full_state.forget_question();
                        self.note_not_integrated(now, &gathered, effects);
                    }
                    committed = applied.update;
                }
                Err(Broken) => return self.search_culprit(gathered, effects),
            }
        }
        for (id, content) in &gathered.taken {
            if let (Content::SaveStatus(bytes), Some(session)) = (content, self.sessions.get_mut(id)) {
                session.keep_save_status(bytes);
            }
        }
        self.ask_who_waited_for(&gathered, effects);
        self.answer_save_statuses(&mut gathered);
        for id in std::mem::take(&mut gathered.left) {
            self.sessions.remove(&id);
            self.early_sessions.remove(&id);
            effects.departed.push(id);
        }
        let Some(update) = committed else {
            // Nothing changed, and nothing is in flight: all that was said is on disk already.
            effects.now.append(&mut gathered.held);
            return;
        };
        let (frame, update) = Frame::update(&update.0);
        self.head = self.head.next();
        self.added_bytes += update.0.len();
        self.since_snapshot.records += 1;
        self.since_snapshot.bytes += update.0.len() as u64;
        self.full_state.push(&frame);
        let starts = gathered.ranges.iter().map(|(_, range)| (range.client, range.start)).collect();
        self.starts = [std::mem::take(&mut self.starts[1]), starts];
        gathered.authors.retain(|(client, _)| !self.authors.contains_key(client));
        self.authors.extend(gathered.authors.iter().cloned());
        // Content first: the echo of an edit comes before the save status that speaks of it.
        gathered.held.insert(0, Outgoing::Content(frame));
        self.in_flight = Some(InFlight { seq: self.head, held: gathered.held });
        effects.commit = Some(NewRecord { seq: self.head, authors: gathered.authors, update });
    }

    /// Everything that was applied when it was read, and everything early from its session, is in this batch.
    fn answer_save_statuses(&mut self, gathered: &mut Gathered) {
        for (id, content) in &gathered.taken {
            if !matches!(content, Content::SaveStatus(_) | Content::Update { is_answer: true, .. }) {
                continue;
            }
            let Some(session) = self.sessions.get_mut(id) else { continue };
            if session.early.is_some() {
                continue;
            }
            while let Some(bytes) = session.waiting_save_statuses.pop_front() {
                let frame = if std::mem::take(&mut session.has_refusals) {
                    Frame::from_payload(&encode_save_status_with_refusals(&bytes))
                } else {
                    Frame::new(&Message::SaveStatus(bytes))
                };
                gathered.held.push(Outgoing::Direct(*id, frame));
            }
        }
    }

    /// The batch broke the document, which is lost in memory: after it was loaded again, its updates are applied one
    /// by one, and one that breaks it alone is refused.
    fn search_culprit(&mut self, gathered: Gathered, effects: &mut Effects) {
        let mut gathered = gathered;
        if let [culprit] = gathered.places[..] {
            let (id, _) = gathered.taken.remove(culprit);
            let reason = "an update passed the check and could not be applied; it was not taken";
            self.refuse_update(id, CloseCode::Malformed, reason.to_owned(), effects);
        }
        let updates = gathered.taken.iter().filter(|(_, content)| matches!(content, Content::Update { .. }));
        self.suspects += updates.count();
        self.wait_for_rebuild(gathered, effects);
    }

    /// Puts back what was taken of a batch, to be taken again once the document has been loaded.
    fn wait_for_rebuild(&mut self, gathered: Gathered, effects: &mut Effects) {
        effects.counts.broken += 1;
        effects.needs_rebuild = true;
        self.full_state.clear();
        let taken = gathered.taken;
        let left = gathered.left.into_iter().map(|id| (id, Content::Left));
        for (id, content) in taken.into_iter().chain(left).rev() {
            if let (Content::Update { is_answer: true, .. }, Some(session)) = (&content, self.sessions.get_mut(&id)) {
                session.is_asked = true;
            }
            self.waiting_bytes += content.len();
            self.waiting.push_front((id, content));
        }
    }

    /// The same as [`Room::handle`] with [`RoomInput::Committed`], but what waited for the commit goes on waiting, until there
    /// is something else to handle.
    pub fn release_only(&mut self, through: Seq) -> Effects {
        let mut effects = Effects::default();
        self.release(through, &mut effects);
        effects
    }

    /// The commit in flight is on disk: what it held may leave.
    pub(crate) fn release(&mut self, through: Seq, effects: &mut Effects) {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.seq <= through) else { return };
        effects.now.extend(in_flight.held);
        for id in std::mem::take(&mut self.lineage_askers) {
            effects.now.push(self.lineage_frame(id));
        }
    }
}
