//! Before a document comes into being: whether whoever writes to it first may create one.

use confluo_protocol::{Access, CloseCode, Seq, SessionId};

use crate::{batch::Content, effects::Effects, full_state::NOTHING, room::Room};

/// Whether the document may be created. Opening it creates nothing; the first thing written does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Creation {
    #[default]
    NotAsked,
    /// The outside was asked about this session, and what waits goes on waiting.
    Asked(SessionId),
    /// By whoever was asked about. Who writes next needs no leave, even if what was written then came to nothing.
    Allowed,
}

impl Room {
    /// Whether what waits must go on waiting, because it is not known yet whether it may create the document.
    pub(crate) fn must_ask_to_create(&mut self, effects: &mut Effects) -> bool {
        if !self.config.asks_before_creating || self.head > Seq(0) {
            return false;
        }
        match self.creation {
            Creation::Allowed => false,
            Creation::Asked(_) => true,
            Creation::NotAsked => {
                let creator = self.waiting.iter().find(|(id, content)| self.would_create(*id, content));
                let Some(&(creator, _)) = creator else { return false };
                self.creation = Creation::Asked(creator);
                effects.asks_to_create = Some(creator);
                true
            }
        }
    }

    /// A stock client sends its opening step 2 also when it has nothing.
    fn would_create(&self, id: SessionId, content: &Content) -> bool {
        let Content::Update { update, access: Access::Write, .. } = content else { return false };
        &*update.0 != NOTHING && self.sessions.get(&id).is_some_and(|session| !session.is_closing)
    }

    pub(crate) fn take_creation_answer(&mut self, id: SessionId, is_allowed: bool, effects: &mut Effects) {
        if self.creation != Creation::Asked(id) {
            return;
        }
        if is_allowed {
            self.creation = Creation::Allowed;
        } else {
            self.creation = Creation::NotAsked;
            let reason = "too many documents were created; come back later, or write to one that exists";
            self.close(id, CloseCode::SlowDown, reason.into(), effects);
        }
    }
}
