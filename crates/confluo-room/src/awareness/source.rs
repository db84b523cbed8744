//! From whom what is new under a client id can come (SY22).

use confluo_protocol::{ClientId, SessionId, UserId};

use super::{AwarenessTable, Membership};

impl AwarenessTable {
    /// A session has answered the server's step 1, or had nothing to answer.
    pub(crate) fn note_told_all(&mut self, member: &mut Membership) {
        if std::mem::replace(&mut member.has_told_all, true) {
            return;
        }
        for id in &member.ids {
            if let Some(client) = self.clients.get_mut(id)
                && let Some(owner) = client.owner.as_mut().filter(|owner| owner.session == member.session)
            {
                owner.has_told_all = true;
            }
        }
    }

    /// The session, and its user, from which what is new under a client id can come (SY22).
    pub(crate) fn source_of(&self, id: ClientId) -> Option<(SessionId, &UserId)> {
        let owner = self.clients.get(&id)?.owner.as_ref().filter(|owner| owner.has_told_all)?;
        Some((owner.session, owner.person.user.as_ref()?))
    }

    /// A session that owns ids may do less than before.
    pub(crate) fn note_release(&mut self, member: &Membership) {
        self.released.extend(&member.ids);
    }

    /// The ids that may have lost their owner since the last call.
    pub(crate) fn take_released(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.released)
    }
}
