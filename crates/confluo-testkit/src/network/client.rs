//! A client that behaves as the stock ones do, on a document of its own.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use confluo_protocol::{
    AwarenessEntry, AwarenessReader, AwarenessWriter, Message, SessionId, StateVectorV1, SyncMessage, UpdateV1,
};
use rand::Rng;
use yrs::{
    ClientID, Doc, GetString, IdSet, Map, Options, ReadTxn, StateVector, Text, Transact,
    updates::{decoder::Decode, encoder::Encode},
};

use crate::content::{Content, forget_subdocuments};

/// What the server says is on disk, as far as this client is concerned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Promise {
    /// The client's own next clock.
    pub(crate) clock: u32,
    pub(crate) deleted: IdSet,
}

/// One replica, online or offline.
pub struct VirtualClient {
    id: u64,
    doc: Doc,
    session: Option<SessionId>,
    outgoing: VecDeque<Message>,
    /// Sent by the server and under way.
    pub(crate) incoming: VecDeque<(Message, bool)>,
    /// Nothing passes, either way, and nobody has noticed.
    pub(crate) is_cut_off: bool,
    /// It has answered the server's step 1, so all that it has was sent.
    has_answered: bool,
    /// A save status of this connection told of refused writes: no later one says that all is on disk.
    was_refused: bool,
    last_update: Option<UpdateV1>,
    /// What each save status that is under way stands for.
    promises: VecDeque<(u8, Promise)>,
    last_status: u8,
    /// What it has heard of others: client id, clock, whether it is there.
    pub presence: BTreeMap<u64, (u64, bool)>,
    awareness_clock: u64,
}

impl VirtualClient {
    pub(crate) fn new(id: u64) -> Self {
        // A clean-up of formatting would be an edit that nobody asked for.
        let options = Options { client_id: ClientID::new(id), cleanup_formatting: false, ..Options::default() };
        let doc = Doc::with_options(options);
        doc.get_or_insert_text("text");
        doc.get_or_insert_map("map");
        Self {
            id,
            doc,
            session: None,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            is_cut_off: false,
            has_answered: false,
            was_refused: false,
            last_update: None,
            promises: VecDeque::new(),
            last_status: 0,
            presence: BTreeMap::new(),
            awareness_clock: 0,
        }
    }

    /// Its Yjs client id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The session that it is in, if it is online.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// What its document holds.
    pub fn content(&self) -> Content {
        Content::of(&self.doc)
    }

    /// The next clock of each client, as it knows them.
    pub(crate) fn state_vector(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    /// Its text.
    pub fn text(&self) -> String {
        let text = self.doc.get_or_insert_text("text");
        text.get_string(&self.doc.transact())
    }

    pub(crate) fn connect(&mut self, session: SessionId) {
        self.session = Some(session);
        let vector = self.doc.transact().state_vector().encode_v1();
        self.outgoing.push_back(Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into()))));
        self.awareness_clock += 1;
        self.announce();
    }

    pub(crate) fn disconnect(&mut self) -> Option<SessionId> {
        self.outgoing.clear();
        self.incoming.clear();
        self.promises.clear();
        self.is_cut_off = false;
        self.has_answered = false;
        self.was_refused = false;
        // What it heard of the others is forgotten with the connection, as a reloaded page forgets it.
        self.presence.clear();
        self.session.take()
    }

    /// Publishes its state again, with a newer clock.
    pub fn announce(&mut self) {
        let mut writer = AwarenessWriter::default();
        writer.push(AwarenessEntry { client_id: self.id, clock: self.awareness_clock, json: b"{}" });
        self.send(Message::Awareness(writer.finish()));
        self.awareness_clock += 1;
    }

    /// Queues a message, if it is online.
    pub fn send(&mut self, message: Message) {
        if self.session.is_some() {
            self.outgoing.push_back(message);
        }
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The first messages that it sent and that are still under way, at most `count`.
    pub(crate) fn take_outgoing(&mut self, count: usize) -> Vec<Message> {
        self.outgoing.drain(..count.min(self.outgoing.len())).collect()
    }

    /// Sends its last update once more, as a second tab does that heard of it.
    pub fn repeat(&mut self) {
        if let Some(update) = self.last_update.clone() {
            self.send(Message::Sync(SyncMessage::Update(update)));
        }
    }

    /// Asks to be told when all that it has is on disk.
    pub fn ask_for_save_status(&mut self) {
        if self.has_answered {
            self.last_status = self.last_status.wrapping_add(1);
            let transaction = self.doc.transact();
            let clock = transaction.state_vector().get(&ClientID::new(self.id));
            let deleted = transaction.snapshot().delete_set;
            drop(transaction);
            self.promises.push_back((self.last_status, Promise { clock, deleted }));
            self.send(Message::SaveStatus(Bytes::copy_from_slice(&[self.last_status])));
        }
    }

    /// A random edit: typing, deleting, a map entry.
    pub fn edit(&mut self, rng: &mut impl Rng) {
        let text = self.doc.get_or_insert_text("text");
        let map = self.doc.get_or_insert_map("map");
        let update = {
            let mut transaction = self.doc.transact_mut();
            let length = text.len(&transaction);
            match rng.random_range(0..10) {
                0..6 => {
                    let word = ["a", "bc", "déf", "😀", "line\n"][rng.random_range(0..5)];
                    let at = boundary(&text.get_string(&transaction), rng.random_range(0..=length));
                    text.insert(&mut transaction, at, word);
                }
                6..8 if length > 0 => {
                    let content = text.get_string(&transaction);
                    let from = boundary(&content, rng.random_range(0..length));
                    let to = boundary(&content, (from + rng.random_range(1..8)).min(length)).max(from);
                    text.remove_range(&mut transaction, from, to - from);
                }
                _ => {
                    let key = ["x", "y", "z"][rng.random_range(0..3)];
                    map.insert(&mut transaction, key, rng.random_range(0..1000_i32));
                }
            }
            transaction.commit();
            transaction.has_changes().then(|| transaction.encode_update_v1())
        };
        if let Some(update) = update {
            let update = UpdateV1(update.into());
            self.last_update = Some(update.clone());
            self.send(Message::Sync(SyncMessage::Update(update)));
        }
    }

    /// Takes a message. Returns what it says is on disk, if it is a save status; `tells_of_refusals` if that has the
    /// trailing 1 of SS4.
    pub(crate) fn receive(&mut self, message: Message, tells_of_refusals: bool) -> Option<Promise> {
        self.was_refused |= tells_of_refusals;
        match message {
            Message::Sync(SyncMessage::Step1(vector)) => {
                let known = StateVector::decode_v1(&vector.0).expect("the server's state vector decodes");
                let update = self.doc.transact().encode_state_as_update_v1(&known);
                self.send(Message::Sync(SyncMessage::Step2(UpdateV1(update.into()))));
                self.has_answered = true;
            }
            Message::SaveStatus(bytes) => {
                let (number, promise) = self.promises.pop_front().expect("SS2: a status that was sent");
                // Of many that wait the oldest may be left out.
                if bytes[..] != [number] {
                    return self.receive(Message::SaveStatus(bytes), tells_of_refusals);
                }
                return Some(promise).filter(|_| !self.was_refused);
            }
            Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) => {
                let update = yrs::Update::decode_v1(&update.0).expect("the server's update decodes");
                let mut transaction = self.doc.transact_mut();
                transaction.apply_update(update).expect("the server's update applies");
                assert!(!transaction.has_missing_updates(), "the server sent what this client cannot integrate");
                forget_subdocuments(&mut transaction);
            }
            Message::Awareness(payload) => self.receive_awareness(&payload),
            _ => {}
        }
        None
    }

    /// Takes what is newer, and relays it, as stock clients do.
    fn receive_awareness(&mut self, payload: &Bytes) {
        let mut relay = AwarenessWriter::default();
        for entry in AwarenessReader::new(payload).expect("the server's awareness decodes") {
            let entry = entry.expect("the server's awareness decodes");
            if entry.client_id == self.id {
                if entry.is_null() && entry.clock >= self.awareness_clock {
                    self.awareness_clock = entry.clock + 1;
                    self.announce();
                }
                continue;
            }
            let known = self.presence.get(&entry.client_id).copied();
            let is_news = known.is_none_or(|(clock, is_here)| {
                entry.clock > clock || (entry.clock == clock && entry.is_null() && is_here)
            });
            if is_news {
                self.presence.insert(entry.client_id, (entry.clock, !entry.is_null()));
                relay.push(entry);
            }
        }
        if !relay.is_empty() {
            self.send(Message::Awareness(relay.finish()));
        }
    }

    /// Whether it sees this client as present.
    pub fn sees(&self, client: u64) -> bool {
        self.presence.get(&client).is_some_and(|(_, is_here)| *is_here)
    }
}

/// The nearest byte offset at or below `at` that does not split a character.
fn boundary(text: &str, at: u32) -> u32 {
    let mut at = at as usize;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at as u32
}
