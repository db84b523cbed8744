//! Who is present: the latest state of every client id, whose it is, and what must be told to whom.
//!
//! Stock clients relay every change that they receive back to the server, so most of what arrives here is an echo. An
//! entry that is not newer is dropped before its JSON is looked at. PROTOCOL.md, rules AW1–AW9, AW11 and AW12.

mod source;
mod telling;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confluo_protocol::{
    AwarenessEntry, AwarenessReader, AwarenessWriter, ClientId, DecodeError, SessionId, varint::MAX_SAFE_INTEGER,
};

use self::telling::Told;
use crate::{
    session::Person,
    token_bucket::{Rate, TokenBucket},
};

/// How long the clock of a client that is gone is remembered, so that a return with an old clock is answered.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// How many of the departed are remembered at least, and how many more for each one present: who joins and leaves in
/// a loop, each time with new ids, must not fill the memory.
const MIN_REMEMBERED: usize = 1_024;
const REMEMBERED_PER_PRESENT: usize = 4;
/// The states of all together, in bytes of JSON, or of one session if it may have more: whoever comes is sent all of them.
const MAX_TOTAL_BYTES: usize = 4 << 20;
/// How often expiry is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(3);

/// A count of events in this room, to tell which of two came first.
type Moment = u64;

#[derive(Debug)]
struct Client {
    clock: u64,
    /// `None` when the client is gone.
    json: Option<Bytes>,
    owner: Option<Owner>,
    renewed_at: Instant,
    appeared: Moment,
    /// When this id was last broadcast; 0 for never.
    broadcast: Moment,
    is_pending: bool,
}

/// The session that an id belongs to (AW2).
#[derive(Debug)]
struct Owner {
    session: SessionId,
    person: Person,
    /// It has told all that it had when it came, so that what is new under its id comes from it alone (SY22).
    has_told_all: bool,
}

/// What a session knows and has claimed.
#[derive(Debug)]
pub(crate) struct Membership {
    session: SessionId,
    person: Person,
    /// The ids that speak through this session.
    ids: Vec<ClientId>,
    /// What it has left of [`AwarenessLimits::rate`].
    bucket: TokenBucket,
    has_spoken: bool,
    /// It has answered the server's first step 1, or had nothing to answer.
    has_told_all: bool,
    joined: Moment,
    /// When it was sent all states; `None` before.
    informed: Option<Moment>,
}

impl Client {
    fn belongs_to(&self, member: &Membership) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.session == member.session)
    }
}

impl Membership {
    pub(crate) fn is_informed(&self) -> bool {
        self.informed.is_some()
    }

    /// Whether the server has itself sent this client's state to the session.
    fn was_told(&self, client: &Client) -> bool {
        client.broadcast > self.joined
            || self.informed.is_some_and(|informed| client.json.is_some() && client.appeared < informed)
    }
}

/// Why an awareness message ends its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed(DecodeError),
    StateTooLarge,
    TooManyIds,
    TooFast,
}

/// Bounds of what one session may publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AwarenessLimits {
    /// Of all its states together.
    pub(crate) max_state_bytes: usize,
    pub(crate) max_ids_per_session: usize,
    /// Of accepted states, per session.
    pub(crate) rate: Rate,
    pub(crate) frame_interval: Duration,
    pub(crate) expiry: Duration,
}

pub(crate) struct AwarenessTable {
    limits: AwarenessLimits,
    clients: HashMap<ClientId, Client>,
    /// Of JSON in `clients`.
    total_bytes: usize,
    told: Told,
    pending: Vec<ClientId>,
    last_moment: Moment,
    quiet_until: Option<Instant>,
    next_sweep: Option<Instant>,
    /// Ids that may have lost their owner, or that its right, since somebody asked.
    released: Vec<ClientId>,
    /// States for which there was no room, since somebody asked.
    dropped: u64,
}

impl AwarenessTable {
    pub(crate) fn new(limits: AwarenessLimits) -> Self {
        Self {
            limits,
            clients: HashMap::new(),
            total_bytes: 0,
            told: Told::default(),
            pending: Vec::new(),
            last_moment: 0,
            quiet_until: None,
            next_sweep: None,
            released: Vec::new(),
            dropped: 0,
        }
    }

    /// A session has joined. It is told all states by [`AwarenessTable::introduce`], a little later: a stock client
    /// announces itself right after it opens, and what it says before it was told anything is no relay.
    pub(crate) fn join(&mut self, now: Instant, session: SessionId, person: Person) -> Membership {
        let joined = self.next_moment();
        Membership {
            session,
            person,
            ids: Vec::new(),
            bucket: TokenBucket::full(now),
            has_spoken: false,
            has_told_all: false,
            joined,
            informed: None,
        }
    }

    /// Takes what a session sent. Returns an entry to answer at once: a client that comes back with an old clock is
    /// told the newer one, upon which it announces itself again.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        member: &mut Membership,
        payload: &Bytes,
    ) -> Result<Option<Bytes>, Refusal> {
        let entries = AwarenessReader::new(payload).map_err(Refusal::Malformed)?;
        let is_introduction = !member.has_spoken && entries.entries_left() == 1;
        let mut answer = None;
        for entry in entries {
            let entry = entry.map_err(Refusal::Malformed)?;
            member.has_spoken = true;
            let Some(client) = self.clients.get(&entry.client_id) else {
                if !entry.is_null() {
                    self.accept(now, member, entry)?;
                }
                continue;
            };
            if client.belongs_to(member) {
                // A null at the clock that is known counts, as in y-protocols.
                if entry.clock > client.clock || (entry.clock == client.clock && entry.is_null()) {
                    self.accept(now, member, entry)?;
                }
                continue;
            }
            if entry.is_null() {
                continue;
            }
            let is_newer = entry.clock > client.clock;
            let may_claim = match &client.owner {
                // Only the client itself can be ahead of everything that was ever broadcast.
                None => is_newer,
                // Its old socket is half-open: an introduction takes the id over, unless it could be a relay.
                Some(holder) => {
                    let could_be_relay = !is_newer && (entry.clock < client.clock || member.was_told(client));
                    is_introduction && !could_be_relay && member.person.is_same(&holder.person)
                }
            };
            if may_claim {
                self.accept(now, member, entry)?;
            } else if is_introduction && client.json.is_none() {
                let mut writer = AwarenessWriter::default();
                writer.push(AwarenessEntry { clock: client.clock, json: b"null", ..entry });
                answer = Some(writer.finish());
            }
        }
        Ok(answer)
    }

    fn accept(&mut self, now: Instant, member: &mut Membership, entry: AwarenessEntry<'_>) -> Result<(), Refusal> {
        // When its session ends, the clock goes up by one, and must still be one that clients can read.
        if entry.clock >= MAX_SAFE_INTEGER {
            return Err(Refusal::Malformed(DecodeError::IntegerTooLarge));
        }
        if !self.has_room_for(&entry) {
            self.dropped += 1;
            return Ok(());
        }
        if !member.bucket.take(now, 1, self.limits.rate).is_zero() {
            return Err(Refusal::TooFast);
        }
        let others = member.ids.iter().filter(|id| **id != entry.client_id).filter_map(|id| self.state_of(*id, member));
        let bytes = others.map(Bytes::len).sum::<usize>() + entry.json.len();
        if bytes > self.limits.max_state_bytes && !entry.is_null() {
            return Err(Refusal::StateTooLarge);
        }
        if !member.ids.contains(&entry.client_id) {
            if member.ids.len() >= self.limits.max_ids_per_session {
                return Err(Refusal::TooManyIds);
            }
            member.ids.push(entry.client_id);
        }
        let json = if entry.is_null() {
            None
        } else {
            entry.check_json().map_err(Refusal::Malformed)?;
            Some(Bytes::copy_from_slice(entry.json))
        };
        let moment = self.next_moment();
        let client = self.clients.entry(entry.client_id).or_insert_with(|| Client {
            clock: 0,
            json: None,
            owner: None,
            renewed_at: now,
            appeared: moment,
            broadcast: 0,
            is_pending: false,
        });
        if client.json.is_none() {
            client.appeared = moment;
        }
        // An equal clock in a new session takes the id over without news: there is nothing to tell the others.
        let is_news = entry.clock > client.clock || client.json != json;
        let before = client.owner.take();
        if before.as_ref().is_some_and(|before| json.is_none() || before.session != member.session) {
            self.released.push(entry.client_id);
        }
        client.owner = json.is_some().then(|| Owner {
            session: member.session,
            person: member.person.clone(),
            // Who takes an id over keeps what it guards.
            has_told_all: member.has_told_all || before.is_some_and(|before| before.has_told_all),
        });
        client.clock = entry.clock;
        self.total_bytes += json.as_ref().map_or(0, Bytes::len);
        self.total_bytes -= std::mem::replace(&mut client.json, json).map_or(0, |json| json.len());
        client.renewed_at = now;
        if is_news {
            self.mark_pending(entry.client_id);
        }
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        Ok(())
    }

    /// Whether the states of all stay within their bound with this one in the place of that before (AW12).
    fn has_room_for(&self, entry: &AwarenessEntry<'_>) -> bool {
        let before = self.clients.get(&entry.client_id).and_then(|client| client.json.as_ref()).map_or(0, Bytes::len);
        let limit = MAX_TOTAL_BYTES.max(self.limits.max_state_bytes);
        entry.is_null() || entry.json.len() <= before || self.total_bytes - before + entry.json.len() <= limit
    }

    /// How many states there was no room for since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// What the member shows under this id.
    fn state_of(&self, id: ClientId, member: &Membership) -> Option<&Bytes> {
        let client = self.clients.get(&id)?;
        client.json.as_ref().filter(|_| client.belongs_to(member))
    }

    /// A session has ended: its ids are gone, with clock + 1 so that every client takes it as newer.
    pub(crate) fn leave(&mut self, now: Instant, member: &Membership) {
        for &id in &member.ids {
            if let Some(client) = self.clients.get_mut(&id)
                && client.belongs_to(member)
            {
                self.released.push(id);
                client.owner = None;
                self.total_bytes -= client.json.take().map_or(0, |json| json.len());
                client.clock += 1;
                client.renewed_at = now;
                self.mark_pending(id);
            }
        }
    }

    /// Removes states that were not renewed. Their clock stays, so that a client that was only asleep is newer at its
    /// next renewal.
    pub(crate) fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| now < at) {
            return;
        }
        let mut expired = Vec::new();
        self.clients.retain(|&id, client| {
            let age = now.saturating_duration_since(client.renewed_at);
            if age >= self.limits.expiry
                && let Some(json) = client.json.take()
            {
                self.total_bytes -= json.len();
                client.owner = None;
                client.renewed_at = now;
                self.released.push(id);
                expired.push(id);
            }
            client.json.is_some() || client.is_pending || age < FORGOTTEN_AFTER
        });
        for id in expired {
            self.mark_pending(id);
        }
        self.forget_oldest();
        self.next_sweep = (!self.clients.is_empty()).then(|| now + SWEEP_EVERY);
    }

    fn forget_oldest(&mut self) {
        let is_departed = |client: &Client| client.json.is_none() && !client.is_pending;
        let departed = self.clients.iter().filter(|(_, client)| is_departed(client));
        let mut departed: Vec<_> = departed.map(|(&id, client)| (client.renewed_at, id)).collect();
        let present = self.clients.len() - departed.len();
        let excess = departed.len().saturating_sub(MIN_REMEMBERED + REMEMBERED_PER_PRESENT * present);
        if excess > 0 {
            departed.sort_unstable();
            for (_, id) in &departed[..excess] {
                self.clients.remove(id);
            }
        }
    }

    /// When [`AwarenessTable::sweep`] or [`AwarenessTable::take_broadcast`] next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let broadcast = if self.pending.is_empty() { None } else { self.quiet_until };
        match (broadcast, self.next_sweep) {
            (Some(broadcast), Some(sweep)) => Some(broadcast.min(sweep)),
            (one, other) => one.or(other),
        }
    }

    fn mark_pending(&mut self, id: ClientId) {
        self.told.clear();
        if let Some(client) = self.clients.get_mut(&id)
            && !client.is_pending
        {
            client.is_pending = true;
            self.pending.push(id);
        }
    }

    fn next_moment(&mut self) -> Moment {
        self.last_moment += 1;
        self.last_moment
    }
}

#[cfg(test)]
mod tests;
