//! Users, and one among them who writes under the client ids of others while they are there (SY22).

use confluo_protocol::{Message, SessionId, SyncMessage, UpdateV1, UserId};
use confluo_room::Joining;
use rand::{Rng, seq::IndexedRandom};
use yrs::{ClientID, Doc, Options, Text, Transact};

use super::{Network, VirtualClient, joining};
use crate::content::{apply, state_of};

impl Network {
    /// Every client is some user's; from the fourth on they are further devices of the first.
    #[must_use]
    pub fn with_users(mut self) -> Self {
        self.users =
            (0..self.clients.len()).map(|client| Some(UserId(format!("user {}", client % 3).into()))).collect();
        self
    }

    /// Somebody writes ahead under the id of a client whose claim counts. Nothing of it is taken: what is, would show in the
    /// end as edits that the client has lost.
    pub(super) fn forge(&mut self) {
        // Behind a flush it would be taken, or not, at another time.
        while self.server.is_flushing() {
            self.server.flush(self.now);
        }
        let mut ids: Vec<_> = self.clients.iter().map(VirtualClient::id).collect();
        ids.retain(|&id| self.server.room().holder(id).is_some());
        let Some(&id) = ids.choose(&mut self.rng) else { return };
        let session = self.forgers_session();
        let options = Options { client_id: ClientID::new(id), ..Options::default() };
        let doc = Doc::with_options(options);
        self.server.stored_updates().iter().for_each(|update| apply(&doc, update));
        let text = doc.get_or_insert_text("text");
        let forged = {
            let mut transaction = doc.transact_mut();
            text.insert(&mut transaction, 0, "forged");
            UpdateV1(transaction.encode_update_v1().into())
        };
        let message = if self.rng.random() { SyncMessage::Update(forged) } else { SyncMessage::Step2(state_of(&doc)) };
        self.server.receive(self.now, session, [Message::Sync(message)]);
        self.forgeries += 1;
        assert!(!self.server.is_flushing(), "SY22: something was taken that was written under the id of client {id}");
    }

    /// The session of who forges, which may have ended with the room.
    fn forgers_session(&mut self) -> SessionId {
        if let Some(session) = self.forger
            && self.server.take_outgoing(self.now, session).is_some()
        {
            return session;
        }
        self.last_session += 1;
        let session = SessionId(self.last_session);
        self.server.join(self.now, Joining { user: Some(UserId("mallory".into())), ..joining(session) });
        self.server.count_as_not_permitted(session);
        *self.forger.insert(session)
    }
}
