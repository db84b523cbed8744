//! The protocol of one copy of a document, without IO: frames in, frames out.

use bytes::Bytes;
use confluo_protocol::{
    Access, AuthMessage, LineageId, Message, Reader, StateVectorV1, SyncMessage, UpdateV1, update::with_stack_for,
};
use tokio::sync::oneshot;
use yrs::{
    Doc, ReadTxn, StateVector, Transact, TransactionMut, Update, WriteTxn as _, updates::decoder::Decode as _,
    updates::encoder::Encode as _,
};

use crate::{ClientError, error::ConnectionError, presence::Presence, saves::Saves};

/// An update in V1 that changes nothing: no structs, no deletions.
const EMPTY_UPDATE: [u8; 2] = [0, 0];

/// The document with everything that the protocol keeps beside it.
pub(crate) struct Replica {
    pub(crate) doc: Doc,
    pub(crate) presence: Presence,
    saves: Saves,
    peer: Peer,
}

/// What is known of the server on the present connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Peer {
    online: bool,
    /// The server's step 1 was answered: it has, or is about to receive, all that this copy has. Edits made before
    /// are part of that answer; edits made after are sent as they come.
    has_all: bool,
    /// A gap was seen and asked about; asked again only after it has closed.
    asked_about_gap: bool,
}

/// What a frame brought.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// To be sent, in order.
    pub(crate) replies: Vec<Bytes>,
    pub(crate) synced: bool,
    pub(crate) document_changed: bool,
    pub(crate) lineage: Option<LineageId>,
    pub(crate) access: Option<Access>,
    pub(crate) denied: Option<String>,
}

impl Replica {
    pub(crate) fn new(doc: Doc) -> Self {
        let presence = Presence::new(doc.client_id().get());
        Self { doc, presence, saves: Saves::default(), peer: Peer::default() }
    }

    /// A connection has opened; these are its first frames.
    pub(crate) fn connected(&mut self) -> Vec<Bytes> {
        self.peer = Peer { online: true, ..Peer::default() };
        std::iter::once(self.step_1()).chain(self.presence.reconnect()).collect()
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.peer = Peer::default();
        self.presence.forget_others();
    }

    /// The client has stopped: nobody waits any more.
    pub(crate) fn stopped(&mut self, error: &ClientError) {
        self.disconnected();
        self.saves.fail(error);
    }

    /// Changes the document; the frame tells the server, if it is there to be told.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut TransactionMut<'_>)) -> Option<Bytes> {
        let mut txn = self.doc.transact_mut();
        change(&mut txn);
        forget_subdocuments(&mut txn);
        txn.commit();
        let update = txn.encode_update_v1();
        (self.peer.has_all && update != EMPTY_UPDATE)
            .then(|| Message::Sync(SyncMessage::Update(UpdateV1(update.into()))).encode())
    }

    /// Wakes the caller when everything edited so far is on the server's disk.
    pub(crate) fn wait_on_disk(&mut self, caller: oneshot::Sender<Result<(), ClientError>>) -> Option<Bytes> {
        self.saves.wait(caller);
        if self.peer.has_all { self.saves.request_last() } else { None }
    }

    pub(crate) fn set_awareness(&mut self, json: Option<String>) -> Option<Bytes> {
        let frame = self.presence.set_own(json);
        self.peer.online.then_some(frame)
    }

    /// Reads a frame: every message in it, whatever the server packs together.
    pub(crate) fn receive(&mut self, frame: &Bytes) -> Result<Heard, ConnectionError> {
        let mut heard = Heard::default();
        let mut reader = Reader::new(frame);
        while !reader.is_empty() {
            match Message::read(&mut reader).map_err(ConnectionError::Malformed)? {
                Message::Sync(SyncMessage::Step1(vector)) => self.answer_step_1(&vector, &mut heard)?,
                Message::Sync(SyncMessage::Step2(update)) => {
                    self.apply(&update, &mut heard)?;
                    heard.synced = true;
                }
                Message::Sync(SyncMessage::Update(update)) => self.apply(&update, &mut heard)?,
                Message::Awareness(entries) => {
                    heard.replies.extend(self.presence.apply(&entries).map_err(ConnectionError::Malformed)?);
                }
                Message::SaveStatus(bytes) => {
                    // A trailing 1 says that writes were refused since the last answer; it belongs to this message.
                    let refused = !reader.is_empty() && reader.read_var_uint() == Ok(1);
                    self.saves.answered(&bytes, refused);
                }
                Message::Lineage(id) => {
                    heard.lineage = std::str::from_utf8(&id).ok().and_then(LineageId::parse).or(heard.lineage);
                }
                Message::Auth(AuthMessage::Accepted(access)) => heard.access = Some(access),
                Message::Auth(AuthMessage::PermissionDenied(reason)) => {
                    heard.denied = Some(String::from_utf8_lossy(&reason).into_owned());
                }
                Message::QueryAwareness => heard.replies.extend(self.presence.renew()),
                // A server's messages from the future, and those that only clients send.
                _ => {}
            }
        }
        Ok(heard)
    }

    fn answer_step_1(&mut self, vector: &StateVectorV1, heard: &mut Heard) -> Result<(), ConnectionError> {
        let vector =
            StateVector::decode_v1(&vector.0).map_err(|error| ConnectionError::BadUpdate(error.to_string()))?;
        let diff = self.doc.transact().encode_diff_v1(&vector);
        heard.replies.push(Message::Sync(SyncMessage::Step2(UpdateV1(diff.into()))).encode());
        if !std::mem::replace(&mut self.peer.has_all, true) {
            heard.replies.extend(self.saves.request_last());
        }
        Ok(())
    }

    fn apply(&mut self, update: &UpdateV1, heard: &mut Heard) -> Result<(), ConnectionError> {
        if update.0.as_ref() == EMPTY_UPDATE {
            return Ok(());
        }
        let bad = |error: &dyn std::error::Error| ConnectionError::BadUpdate(error.to_string());
        let merged = with_stack_for(std::slice::from_ref(update), || {
            let update = Update::decode_v1(&update.0).map_err(|error| bad(&error))?;
            let mut txn = self.doc.transact_mut();
            txn.apply_update(update).map_err(|error| bad(&error))?;
            forget_subdocuments(&mut txn);
            Ok::<_, ConnectionError>(txn.has_missing_updates())
        });
        let gap = merged.map_err(|error| bad(&error))??;
        heard.document_changed = true;
        if gap && !self.peer.asked_about_gap {
            heard.replies.push(self.step_1());
        }
        self.peer.asked_about_gap = gap;
        Ok(())
    }

    fn step_1(&self) -> Bytes {
        let vector = self.doc.transact().state_vector().encode_v1();
        Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into()))).encode()
    }
}

/// Subdocuments are kept and passed on, never opened: what yrs does with those that a transaction has deleted, it does when
/// that ends, with items that are freed by then. So it is made to forget of them before.
fn forget_subdocuments(txn: &mut TransactionMut<'_>) {
    drop(std::mem::take(txn.subdocs_mut()));
}

#[cfg(test)]
mod tests;
