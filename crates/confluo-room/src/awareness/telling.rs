//! What sessions are told of who is present.

use std::time::Instant;

use bytes::Bytes;
use confluo_protocol::{AwarenessEntry, AwarenessWriter, ClientId, Frame};

use super::{AwarenessTable, Client, Membership};

/// What was last told, for all who are to be told the same before something changes.
#[derive(Debug, Default)]
pub(super) struct Told {
    states: Option<Frame>,
    everything: Option<Frame>,
}

impl Told {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl AwarenessTable {
    /// The changes since the last call, for everyone, if the room has been quiet long enough to say them.
    pub(crate) fn take_broadcast(&mut self, now: Instant) -> Option<Bytes> {
        if self.pending.is_empty() || self.quiet_until.is_some_and(|until| now < until) {
            return None;
        }
        self.quiet_until = Some(now + self.limits.frame_interval);
        let moment = self.next_moment();
        let mut writer = AwarenessWriter::default();
        for id in self.pending.drain(..) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.is_pending = false;
                client.broadcast = moment;
                writer.push(entry_of(id, client));
            }
        }
        Some(writer.finish())
    }

    /// All states, for a session that has none yet, or asks for them.
    pub(crate) fn introduce(&mut self, member: &mut Membership) -> Frame {
        member.informed = Some(self.next_moment());
        let clients = &self.clients;
        self.told.states.get_or_insert_with(|| encode(clients.iter().filter(|(_, it)| it.json.is_some()))).clone()
    }

    /// All states and who has gone, for a session that missed some broadcasts.
    pub(crate) fn everything(&mut self) -> Frame {
        let clients = &self.clients;
        self.told.everything.get_or_insert_with(|| encode(clients.iter())).clone()
    }

    /// Whether anybody shows a state.
    pub(crate) fn shows_somebody(&self) -> bool {
        self.total_bytes > 0
    }

    /// Whether anybody shows a state, or did lately.
    pub(crate) fn knows_somebody(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Gives back memory that only those need who come one after the other.
    pub(crate) fn age(&mut self) {
        self.told.clear();
    }
}

fn encode<'a>(clients: impl Iterator<Item = (&'a ClientId, &'a Client)>) -> Frame {
    let mut writer = AwarenessWriter::default();
    clients.for_each(|(&id, client)| writer.push(entry_of(id, client)));
    Frame::awareness(&writer.finish())
}

fn entry_of(client_id: ClientId, client: &Client) -> AwarenessEntry<'_> {
    AwarenessEntry { client_id, clock: client.clock, json: client.json.as_deref().unwrap_or(b"null") }
}
