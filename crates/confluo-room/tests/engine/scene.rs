//! A room with a few sessions, played by hand: what they send is written out, and what they get is looked at.

use std::time::{Duration, Instant};

use bytes::Bytes;
use confluo_protocol::{
    AuthMessage, AwarenessEntry, AwarenessReader, AwarenessWriter, CloseCode, Message, SessionId, StateVectorV1,
    SyncMessage, UpdateV1, Writer, encode_state_vector,
};
use confluo_room::{Joining, RoomConfig, RoomInput};
use confluo_testkit::{
    content::{Content, apply, new_document, state_of},
    network::{VirtualServer, joining, start_of_time},
};
use yrs::{ClientID, Doc, GetString, Map, Options, ReadTxn, Text, Transact, updates::encoder::Encode};

pub(crate) struct Scene {
    pub(crate) server: VirtualServer,
    pub(crate) now: Instant,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(RoomConfig::default())
    }

    pub(crate) fn with(config: RoomConfig) -> Self {
        Self { server: VirtualServer::new(config, Vec::new()), now: start_of_time() }
    }

    /// Sessions 1 to `count` are here, know that the document is empty, and have answered the server's step 1.
    pub(crate) fn with_sessions(count: u64) -> Self {
        let mut scene = Self::new();
        for session in 1..=count {
            scene.enter(joining(SessionId(session)));
        }
        scene
    }

    pub(crate) fn join(&mut self, joining: Joining) {
        self.server.join(self.now, joining);
    }

    /// Joins, syncs as a client that has nothing, and reads what it is told.
    pub(crate) fn enter(&mut self, joining: Joining) -> Vec<Message> {
        let session = joining.session.0;
        self.join(joining);
        self.send(session, [step1(&[]), step2(&empty_update())]);
        self.settle();
        self.inbox(session)
    }

    pub(crate) fn send(&mut self, session: u64, messages: impl IntoIterator<Item = Message>) {
        self.server.receive(self.now, SessionId(session), messages);
    }

    /// Several sessions send within one batch.
    pub(crate) fn send_together(&mut self, messages: impl IntoIterator<Item = (u64, Message)>) {
        let inputs = messages.into_iter().map(|(session, message)| RoomInput::Received(SessionId(session), message));
        self.server.handle(self.now, inputs.collect());
    }

    /// Everything is flushed.
    pub(crate) fn settle(&mut self) {
        while self.server.is_flushing() {
            self.server.flush(self.now);
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.server.tick(self.now);
    }

    /// What came since the last look; nothing once the session is closed.
    pub(crate) fn inbox(&mut self, session: u64) -> Vec<Message> {
        self.server.take_outgoing(self.now, SessionId(session)).unwrap_or_default()
    }

    pub(crate) fn inboxes(&mut self, sessions: std::ops::RangeInclusive<u64>) -> Vec<Vec<Message>> {
        sessions.map(|session| self.inbox(session)).collect()
    }

    /// The one close so far, and that it was this session's.
    pub(crate) fn assert_closed(&self, session: u64, code: CloseCode, reason_has: &str) {
        let [(closed, with, reason)] = self.server.closed.as_slice() else {
            panic!("one close, not {:?}", self.server.closed)
        };
        assert_eq!((*closed, *with), (SessionId(session), code), "{reason}");
        assert!(reason.contains(reason_has), "{reason:?} names {reason_has:?}");
        assert!(reason.len() <= 123, "CL2: {reason:?}");
    }

    pub(crate) fn assert_nobody_closed(&self) {
        assert!(self.server.closed.is_empty(), "{:?}", self.server.closed);
    }
}

/// A person who edits a document of their own.
pub(crate) struct Author {
    pub(crate) doc: Doc,
}

impl Author {
    pub(crate) fn new(client: u64) -> Self {
        let options = Options { client_id: ClientID::new(client), ..Options::default() };
        Self { doc: Doc::with_options(options) }
    }

    pub(crate) fn id(&self) -> u64 {
        self.doc.client_id().get()
    }

    /// Types at the end, and returns the update.
    pub(crate) fn types(&self, words: &str) -> UpdateV1 {
        let text = self.doc.get_or_insert_text("text");
        let mut transaction = self.doc.transact_mut();
        let at = text.len(&transaction);
        text.insert(&mut transaction, at, words);
        UpdateV1(transaction.encode_update_v1().into())
    }

    /// Types at a place, and returns the update.
    pub(crate) fn types_at(&self, at: u32, words: &str) -> UpdateV1 {
        let text = self.doc.get_or_insert_text("text");
        let mut transaction = self.doc.transact_mut();
        text.insert(&mut transaction, at, words);
        UpdateV1(transaction.encode_update_v1().into())
    }

    /// Deletes the first bytes, and returns the update.
    pub(crate) fn deletes(&self, bytes: u32) -> UpdateV1 {
        let text = self.doc.get_or_insert_text("text");
        let mut transaction = self.doc.transact_mut();
        text.remove_range(&mut transaction, 0, bytes);
        UpdateV1(transaction.encode_update_v1().into())
    }

    /// Sets an entry of a map, and returns the update.
    pub(crate) fn sets(&self, key: &str, value: i32) -> UpdateV1 {
        let map = self.doc.get_or_insert_map("map");
        let mut transaction = self.doc.transact_mut();
        map.insert(&mut transaction, key, value);
        UpdateV1(transaction.encode_update_v1().into())
    }

    /// Takes content out of what came.
    pub(crate) fn reads(&self, messages: &[Message]) {
        for message in messages {
            if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = message {
                apply(&self.doc, update);
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        let text = self.doc.get_or_insert_text("text");
        text.get_string(&self.doc.transact())
    }

    pub(crate) fn content(&self) -> Content {
        Content::of(&self.doc)
    }

    pub(crate) fn step1(&self) -> Message {
        let vector = self.doc.transact().state_vector().encode_v1();
        Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into())))
    }

    pub(crate) fn state(&self) -> UpdateV1 {
        state_of(&self.doc)
    }
}

pub(crate) fn step1(clocks: &[(u64, u32)]) -> Message {
    Message::Sync(SyncMessage::Step1(encode_state_vector(clocks)))
}

pub(crate) fn step2(update: &UpdateV1) -> Message {
    Message::Sync(SyncMessage::Step2(update.clone()))
}

pub(crate) fn update(update: &UpdateV1) -> Message {
    Message::Sync(SyncMessage::Update(update.clone()))
}

pub(crate) fn raw_update(bytes: &[u8]) -> Message {
    update(&UpdateV1(Bytes::copy_from_slice(bytes)))
}

/// So many letters of `client` from `clock` on, left of an item that nobody has.
pub(crate) fn early_text(client: u64, clock: u64, letters: usize) -> UpdateV1 {
    let mut writer = Writer::default();
    writer.write_raw(&[1, 1]).write_var_uint(client).write_var_uint(clock);
    writer.write_raw(&[0x44, 99, 0]).write_var_bytes(&vec![b'x'; letters]).write_raw(&[0]);
    UpdateV1(writer.finish())
}

pub(crate) fn empty_update() -> UpdateV1 {
    state_of(&new_document())
}

pub(crate) fn save_status(number: u8) -> Message {
    Message::SaveStatus(Bytes::copy_from_slice(&[number]))
}

pub(crate) fn awareness(entries: &[(u64, u64, &str)]) -> Message {
    let mut writer = AwarenessWriter::default();
    for &(client_id, clock, json) in entries {
        writer.push(AwarenessEntry { client_id, clock, json: json.as_bytes() });
    }
    Message::Awareness(writer.finish())
}

/// The entries of all awareness messages among these, in order.
pub(crate) fn presence(messages: &[Message]) -> Vec<(u64, u64, String)> {
    let mut entries = Vec::new();
    for message in messages {
        if let Message::Awareness(payload) = message {
            for entry in AwarenessReader::new(payload).expect("the server's awareness decodes") {
                let entry = entry.expect("the server's awareness decodes");
                entries.push((entry.client_id, entry.clock, String::from_utf8_lossy(entry.json).into_owned()));
            }
        }
    }
    entries.sort();
    entries
}

pub(crate) fn is_content(message: &Message) -> bool {
    matches!(message, Message::Sync(SyncMessage::Step2(_) | SyncMessage::Update(_)))
}

pub(crate) fn is_step1(message: &Message) -> bool {
    matches!(message, Message::Sync(SyncMessage::Step1(_)))
}

pub(crate) fn is_denial(message: &Message) -> bool {
    matches!(message, Message::Auth(AuthMessage::PermissionDenied(_)))
}
