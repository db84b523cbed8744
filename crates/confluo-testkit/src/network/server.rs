//! One room and its disk. A flush ends when the network says so; a crash keeps only what was flushed.

use std::{collections::HashMap, sync::Arc, time::Instant};

use confluo_protocol::{
    Access, CloseCode, DocumentName, Message, SessionId, SyncMessage, UpdateV1,
    update::{UpdateLimits, check_update},
};
use confluo_room::{Counts, Effects, Joining, NewRecord, Outgoing, Room, RoomConfig, RoomInput};
use confluo_store::DocumentStore;

use super::{
    connection::{Connection, read_frame},
    disk::{Disk, Written, open},
    durable::Durable,
};
use crate::content::Content;

/// The server's side of a [`super::Network`], and what drives a room in a test by itself.
pub struct VirtualServer {
    room: Room,
    config: RoomConfig,
    disk: Disk,
    pub(super) durable: Durable,
    flushing: Option<NewRecord>,
    connections: HashMap<SessionId, Connection>,
    /// How many frames may wait for a session.
    pub max_queued_frames: usize,
    /// Every close, in order.
    pub closed: Vec<(SessionId, CloseCode, String)>,
    /// How many step 1 messages were sent to each session.
    pub asked: HashMap<SessionId, usize>,
    /// What the engine counted, summed up.
    pub counts: Counts,
    /// Who may create the document, if the room asks.
    pub may_create: Vec<SessionId>,
    /// Who was about to create it, in order.
    pub asked_to_create: Vec<SessionId>,
    /// Whose first write was taken, in order.
    pub first_writes: Vec<SessionId>,
    /// How often the document in memory was lost.
    pub rebuilds: usize,
    /// How many flushes were on disk when the room heard that they had failed, or died.
    pub unheard_writes: usize,
    /// How many save statuses told each session of refused writes.
    pub told_of_refusals: HashMap<SessionId, usize>,
    /// What each session may do, also after it has left: late mail still arrives.
    access: HashMap<SessionId, Access>,
    /// Whether every record is held against what was permitted: honest clients only, whose updates yrs takes alone.
    pub(crate) watches_access: bool,
    /// Updates of who might write when they came, which the room has not taken yet.
    untaken: Vec<(SessionId, UpdateV1)>,
    /// Everything that the room took from somebody who might write it.
    permitted: Durable,
}

impl VirtualServer {
    /// A room on a disk in memory that holds these updates.
    pub fn new(config: RoomConfig, disk: Vec<UpdateV1>) -> Self {
        Self::on_disk(config, Disk::in_memory(disk))
    }

    /// A room of an empty document in a store.
    pub(crate) fn in_store(config: RoomConfig, store: Arc<dyn DocumentStore>, document: DocumentName) -> Self {
        Self::on_disk(config, Disk::in_store(store, document))
    }

    fn on_disk(config: RoomConfig, disk: Disk) -> Self {
        let (mut durable, mut permitted) = (Durable::default(), Durable::default());
        for update in disk.updates() {
            durable.add(update);
            permitted.add(update);
        }
        Self {
            room: open(&config, disk.read()),
            config,
            disk,
            durable,
            flushing: None,
            connections: HashMap::new(),
            max_queued_frames: usize::MAX,
            closed: Vec::new(),
            asked: HashMap::new(),
            counts: Counts::default(),
            may_create: Vec::new(),
            asked_to_create: Vec::new(),
            first_writes: Vec::new(),
            rebuilds: 0,
            unheard_writes: 0,
            told_of_refusals: HashMap::new(),
            access: HashMap::new(),
            watches_access: false,
            untaken: Vec::new(),
            permitted,
        }
    }

    /// The engine itself.
    pub fn room(&mut self) -> &mut Room {
        &mut self.room
    }

    /// A session opens.
    pub fn join(&mut self, now: Instant, joining: Joining) {
        self.access.insert(joining.session, joining.access);
        self.connections.insert(joining.session, Connection::default());
        self.handle(now, vec![RoomInput::Joined(joining)]);
    }

    /// A session ends.
    pub fn leave(&mut self, now: Instant, session: SessionId) {
        self.connections.remove(&session);
        self.handle(now, vec![RoomInput::Left(session)]);
    }

    /// The server ends a session: what waits for it still goes out, or, if it was revoked, does not.
    pub(crate) fn end(&mut self, now: Instant, session: SessionId, is_revoked: bool) {
        let was_open = self.connections.contains_key(&session);
        if is_revoked {
            // Nothing more of it may be taken, what waits for the disk included.
            self.access.remove(&session);
            self.untaken.retain(|(sender, _)| *sender != session);
            self.connections.remove(&session);
        } else if let Some(connection) = self.connections.get_mut(&session) {
            connection.is_ending = true;
        }
        let expelled = is_revoked.then_some(RoomInput::Expelled(session));
        let left = was_open.then_some(RoomInput::Left(session));
        self.handle(now, expelled.into_iter().chain(left).collect());
    }

    /// A grant was reduced or widened; it binds the next message, and none before it.
    pub(crate) fn change_access(&mut self, now: Instant, session: SessionId, access: Access) {
        self.access.insert(session, access);
        self.handle(now, vec![RoomInput::AccessChanged(session, access)]);
    }

    /// Nothing that this session brings may be in a record, though the room lets it write.
    pub(crate) fn count_as_not_permitted(&mut self, session: SessionId) {
        self.access.remove(&session);
    }

    /// Messages arrive, all in one batch. Nothing is read from a session that the server has ended.
    pub fn receive(&mut self, now: Instant, session: SessionId, messages: impl IntoIterator<Item = Message>) {
        if self.connections.get(&session).is_none_or(|connection| connection.is_ending) {
            return;
        }
        self.handle(now, messages.into_iter().map(|message| RoomInput::Received(session, message)).collect());
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.handle(now, vec![RoomInput::Tick]);
    }

    /// The flush that is under way ends well.
    pub fn flush(&mut self, now: Instant) {
        if let Some(record) = self.flushing.take() {
            let seq = record.seq;
            self.write(&record);
            self.handle(now, vec![RoomInput::Committed(seq)]);
            if self.disk.wants_snapshot()
                && let Some(snapshot) = self.room.take_snapshot()
            {
                self.disk.compact(snapshot);
                self.disk.read_again();
            }
        }
    }

    fn write(&mut self, record: &NewRecord) {
        self.durable.add(&record.update);
        self.disk.append(record);
    }

    /// The flush that is under way fails, whatever it wrote: the room, which may be ahead of the disk, is discarded, and
    /// everyone must come back.
    pub fn fail_flush(&mut self, written: Written) {
        if self.flushing.is_some() {
            self.crash(written);
        }
    }

    /// Whether a commit is in flight.
    pub fn is_flushing(&self) -> bool {
        self.flushing.is_some()
    }

    /// The process dies, in the middle of a flush perhaps.
    pub fn crash(&mut self, written: Written) {
        if let Some(record) = self.flushing.take()
            && written == Written::All
        {
            self.write(&record);
            self.unheard_writes += 1;
        }
        self.connections.clear();
        self.untaken.clear();
        self.room = open(&self.config, self.disk.read_again());
    }

    /// Whether a session has something to read, or must hear that it was closed.
    pub fn has_outgoing(&self, session: SessionId) -> bool {
        self.connections.get(&session).is_none_or(|connection| !connection.outgoing.is_empty() || connection.is_behind)
    }

    /// What waits for a session; `None` if the server has closed it. Asserts for each frame that all of it is on disk.
    pub fn take_outgoing(&mut self, now: Instant, session: SessionId) -> Option<Vec<Message>> {
        let frames = self.take_frames(now, session)?;
        Some(frames.into_iter().map(|(message, _)| message).collect())
    }

    /// As [`VirtualServer::take_outgoing`]; and whether it is a save status that tells of refused writes.
    pub(crate) fn take_frames(&mut self, now: Instant, session: SessionId) -> Option<Vec<(Message, bool)>> {
        let connection = self.connections.get_mut(&session)?;
        if connection.is_ending && connection.outgoing.is_empty() {
            self.connections.remove(&session);
            return None;
        }
        let frames: Vec<_> = connection.outgoing.drain(..).collect();
        let was_behind = std::mem::take(&mut connection.is_behind);
        let mut messages = Vec::with_capacity(frames.len());
        for frame in frames {
            let (message, tells_of_refusals) = read_frame(&frame);
            if tells_of_refusals {
                *self.told_of_refusals.entry(session).or_default() += 1;
            }
            match &message {
                Message::Sync(SyncMessage::Step1(_)) => *self.asked.entry(session).or_default() += 1,
                Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) => {
                    self.durable.assert_covers(
                        &check_update(update.clone(), &UpdateLimits::default())
                            .expect("the server's updates pass the check"),
                    );
                }
                _ => {}
            }
            messages.push((message, tells_of_refusals));
        }
        if was_behind {
            self.handle(now, vec![RoomInput::CaughtUp(session)]);
        }
        Some(messages)
    }

    /// The updates that were flushed, oldest first.
    pub fn disk(&self) -> &[UpdateV1] {
        self.disk.updates()
    }

    /// What a room is opened with: a snapshot if there is one, and the updates since.
    pub fn stored_updates(&self) -> Vec<UpdateV1> {
        self.disk.read_again().updates
    }

    /// What a crash would leave behind.
    pub fn content_on_disk(&self) -> Content {
        Content::of_updates(&self.disk.read().updates)
    }

    /// What the room would tell a newcomer, once the commit in flight is on disk.
    pub fn content_in_memory(&mut self, now: Instant) -> Content {
        if let Some(snapshot) = self.room.take_snapshot() {
            return Content::of_updates(&[snapshot.state]);
        }
        self.flush(now);
        self.room.take_snapshot().map_or_else(|| self.content_on_disk(), |it| Content::of_updates(&[it.state]))
    }

    /// Hands inputs to the engine and does what it says, until it says no more.
    pub fn handle(&mut self, now: Instant, mut inputs: Vec<RoomInput>) {
        loop {
            self.note_updates(&inputs);
            let effects = self.room.handle(now, inputs.drain(..));
            let needs_rebuild = effects.needs_rebuild;
            self.note_permitted(&effects);
            let creator = effects.asks_to_create;
            self.first_writes.extend(&effects.first_writes);
            let overflowed = self.perform(effects);
            inputs = overflowed.into_iter().map(RoomInput::Overflowed).collect();
            if let Some(creator) = creator {
                self.asked_to_create.push(creator);
                inputs.push(RoomInput::CreationAnswered(creator, self.may_create.contains(&creator)));
            }
            if needs_rebuild {
                self.rebuilds += 1;
                assert!(self.flushing.is_none(), "what is lost in memory is whole on disk");
                self.room.rebuild(self.disk.read_again()).expect("what was stored opens");
            } else if inputs.is_empty() {
                return;
            }
        }
    }

    fn note_updates(&mut self, inputs: &[RoomInput]) {
        if !self.watches_access {
            return;
        }
        for input in inputs {
            if let RoomInput::Received(id, Message::Sync(SyncMessage::Step2(it) | SyncMessage::Update(it))) = input
                && self.access.get(id) == Some(&Access::Write)
            {
                self.untaken.push((*id, it.clone()));
            }
        }
    }

    /// Everything has been taken when the room has none waiting.
    fn note_permitted(&mut self, effects: &Effects) {
        if !self.watches_access {
            return;
        }
        if !self.room.has_waiting() {
            for (_, update) in self.untaken.drain(..) {
                self.permitted.add_perhaps_early(&update);
            }
        }
        if let Some(record) = &effects.commit {
            let stored = check_update(record.update.clone(), &UpdateLimits::default());
            self.permitted.assert_permits(&stored.expect("what is stored passes the check"));
        }
    }

    fn perform(&mut self, effects: Effects) -> Vec<SessionId> {
        let mut overflowed = Vec::new();
        self.counts += effects.counts;
        for (session, code, reason) in effects.close {
            self.connections.remove(&session);
            self.closed.push((session, code, reason.into_owned()));
        }
        for outgoing in effects.now {
            match outgoing {
                Outgoing::Direct(session, frame)
                | Outgoing::Question(session, frame)
                | Outgoing::States(session, frame) => {
                    if let Some(connection) = self.connections.get_mut(&session) {
                        connection.outgoing.push_back(frame);
                    }
                }
                Outgoing::Introduction(session, frame) => {
                    if let Some(connection) = self.connections.get_mut(&session) {
                        connection.push_presence(frame, self.max_queued_frames);
                    }
                }
                Outgoing::CatchUp(session, frames) => {
                    if let Some(connection) = self.connections.get_mut(&session) {
                        connection.is_subscribed = true;
                        connection.outgoing.extend(frames);
                    }
                }
                Outgoing::Content(frame) => {
                    for (&session, connection) in
                        self.connections.iter_mut().filter(|(_, it)| it.is_subscribed && !it.is_ending)
                    {
                        if connection.outgoing.len() < self.max_queued_frames {
                            connection.outgoing.push_back(frame.clone());
                        } else {
                            connection.is_subscribed = false;
                            connection.is_behind = true;
                            overflowed.push(session);
                        }
                    }
                }
                Outgoing::Presence(frame) => {
                    for connection in self.connections.values_mut() {
                        connection.push_presence(frame.clone(), self.max_queued_frames);
                    }
                }
            }
        }
        if let Some(record) = effects.commit {
            assert!(self.flushing.is_none(), "one commit in flight");
            self.flushing = Some(record);
        }
        overflowed
    }
}
