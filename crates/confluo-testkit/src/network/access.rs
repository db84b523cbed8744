//! Who may do what, and how that changes while people write.

use confluo_protocol::Access;

use super::Network;

impl Network {
    /// Holds every record against what was permitted when it was taken. Costs a document of its own.
    pub fn watch_access(&mut self) {
        self.server.watches_access = true;
    }

    /// A client's grant is reduced or widened, at once on its live sessions.
    pub(super) fn change_access(&mut self, client: usize) {
        let Some(grant) = &mut self.grants[client] else { return };
        *grant = if *grant == Access::Write { Access::Read } else { Access::Write };
        for &session in &self.sessions[client] {
            self.server.change_access(self.now, session, *grant);
        }
    }

    /// A client's token expires. It comes back with another, when it comes back.
    pub(super) fn expire(&mut self, client: usize) {
        for session in std::mem::take(&mut self.sessions[client]) {
            self.server.end(self.now, session, false);
        }
    }

    /// A client is thrown out and kept out, or let in again.
    pub(super) fn revoke_or_pardon(&mut self, client: usize) {
        if self.grants[client].is_none() {
            self.grants[client] = Some(Access::Write);
            return;
        }
        self.grants[client] = None;
        for session in std::mem::take(&mut self.sessions[client]) {
            self.server.end(self.now, session, true);
        }
    }

    /// Nobody who may read lacks anything, whatever else is in their own copies; nobody who may not has got in.
    pub fn assert_readers_are_up_to_date(&self) {
        for (client, grant) in self.clients.iter().zip(&self.grants) {
            assert_eq!(client.session().is_some(), grant.is_some(), "AU3: client {} is in, or kept out", client.id());
            if grant.is_some() {
                self.server.durable.assert_known_to(client.id(), &client.state_vector());
            }
        }
    }

    /// Everyone may write from now on, and comes back with it.
    pub fn pardon_everyone(&mut self) {
        for client in 0..self.clients.len() {
            self.grants[client] = Some(Access::Write);
            self.disconnect(client);
        }
    }

    /// What each client may do at present; `None` while it is revoked.
    pub fn grants(&self) -> &[Option<Access>] {
        &self.grants
    }
}
