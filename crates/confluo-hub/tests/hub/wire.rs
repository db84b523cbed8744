//! A client that is no more than its edits.

use std::collections::BTreeSet;

use bytes::Bytes;
use confluo_hub::Hub;
use confluo_protocol::{
    AwarenessEntry, AwarenessReader, AwarenessWriter, ClientId, DocumentName, LineageId, Message, Seq, StateVectorV1,
    SyncMessage, UpdateV1, Writer,
    update::{UpdateLimits, check_update},
};
use confluo_store::{Append, DocumentStore, Record, UnixMillis};
use confluo_testkit::socket::{ClientEnd, enter};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// More than any test leaves unread.
const CAPACITY: usize = 4_096;

/// The client's end. It has asked for the document, and notes whose edits it is shown.
pub(crate) struct Peer {
    end: ClientEnd,
    /// Whose edits it has been shown.
    pub(crate) shown: BTreeSet<ClientId>,
}

impl Peer {
    pub(crate) fn join(hub: &Hub, document: &DocumentName, tasks: &TaskTracker) -> Self {
        let nothing = StateVectorV1(Bytes::from_static(&[0]));
        let ask = Message::Sync(SyncMessage::Step1(nothing)).encode();
        let end = enter(hub, document, tasks, CAPACITY, vec![ask]);
        Self { end, shown: BTreeSet::new() }
    }

    /// False when the session has ended.
    pub(crate) async fn send(&self, message: &Message) -> bool {
        self.end.to.send(message.encode()).await.is_ok()
    }

    /// The next frame, as it lies in memory; `None` when the session has ended.
    pub(crate) async fn receive(&mut self) -> Option<(Bytes, Message)> {
        let frame = self.end.from.recv().await?;
        let message = Message::read_all(&frame).expect("the server's frames are well-formed").remove(0);
        if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = &message {
            self.shown.extend(authors_of(update.clone()));
        }
        Some((frame, message))
    }

    /// Reads until it is shown an edit of `client`; false when the session ends before.
    pub(crate) async fn wait_shown(&mut self, client: ClientId) -> bool {
        while !self.shown.contains(&client) {
            if self.receive().await.is_none() {
                return false;
            }
        }
        true
    }

    /// Reads until it is told that `client` is there; false when the session ends before.
    pub(crate) async fn wait_present(&mut self, client: ClientId) -> bool {
        while let Some((_, message)) = self.receive().await {
            let Message::Awareness(payload) = message else { continue };
            let mut entries = AwarenessReader::new(&payload).expect("the server's states are well-formed");
            if entries.any(|entry| entry.is_ok_and(|entry| entry.client_id == client)) {
                return true;
            }
        }
        false
    }

    /// Asks, and waits until it is told, that everything so far is on disk; false when the session ends before.
    pub(crate) async fn wait_on_disk(&mut self) -> bool {
        let question = Message::SaveStatus(b"?"[..].into());
        if !self.send(&question).await {
            return false;
        }
        while let Some((_, message)) = self.receive().await {
            if message == question {
                return true;
            }
        }
        false
    }

    /// Goes, and returns when its session has ended; everything that it sent is read first.
    pub(crate) fn leave(self) -> JoinHandle<()> {
        self.end.served
    }
}

/// Whose edits an update holds.
pub(crate) fn authors_of(update: UpdateV1) -> Vec<ClientId> {
    let checked = check_update(update, &UpdateLimits::default()).expect("what the server has is well-formed");
    checked.clock_ranges().iter().map(|range| range.client).collect()
}

/// A client is there.
pub(crate) fn presence_of(client: ClientId) -> Message {
    let mut writer = AwarenessWriter::default();
    writer.push(AwarenessEntry { client_id: client, clock: 1, json: b"{}" });
    Message::Awareness(writer.finish())
}

/// The one edit of a client that no other knows: an entry in a map under its own id.
pub(crate) fn edit_of(client: ClientId) -> Message {
    // True.
    edit_with(client, &[120])
}

/// The same, of more bytes than can be merged for certain in a moment.
pub(crate) fn large_edit_of(client: ClientId) -> Message {
    let mut text = Writer::default();
    text.write_raw(&[119]).write_var_bytes(&[b'x'; 9_000]);
    edit_with(client, &text.finish())
}

/// This edit is all that is stored of a document.
pub(crate) fn store(store: &impl DocumentStore, document: &DocumentName, edit: Message) {
    let Message::Sync(SyncMessage::Update(update)) = edit else { panic!("an edit is an update") };
    let record = Record { seq: Seq(1), at: UnixMillis(0), authors: Vec::new(), update };
    let append = Append { document: document.clone(), lineage: LineageId([1; 16]), record };
    store.append(&[append]).expect("it is stored");
}

/// The same to yrs, which does not look at what follows an update. The check refuses it, and so knows of no item in it.
pub(crate) fn unread_by_the_check(edit: Message) -> Message {
    let Message::Sync(SyncMessage::Update(update)) = edit else { panic!("an edit is an update") };
    Message::Sync(SyncMessage::Update(UpdateV1([&update.0[..], &[0]].concat().into())))
}

/// What yrs refuses to merge: a letter inside the edit of `parent`, which is no type. It passes every check where that edit
/// is [`unread_by_the_check`].
pub(crate) fn breaking_edit_of(client: ClientId, parent: ClientId) -> Message {
    let mut update = Writer::default();
    for number in [1, 1, client, 0] {
        update.write_var_uint(number);
    }
    update.write_raw(&[0x04, 0]).write_var_uint(parent).write_raw(&[0, 1, b'x', 0]);
    Message::Sync(SyncMessage::Update(UpdateV1(update.finish())))
}

fn edit_with(client: ClientId, value: &[u8]) -> Message {
    let mut update = Writer::default();
    for number in [1, 1, client, 0] {
        update.write_var_uint(number);
    }
    // A value under a key of the root `r`; one value, and no deletes.
    update.write_raw(&[0x28, 1, 1, b'r']).write_var_bytes(client.to_string().as_bytes()).write_raw(&[1]);
    update.write_raw(value).write_raw(&[0]);
    Message::Sync(SyncMessage::Update(UpdateV1(update.finish())))
}
