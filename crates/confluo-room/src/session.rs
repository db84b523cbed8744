//! What the engine remembers of one session.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confluo_protocol::{Access, ClientId, UserId, update::Early};

use crate::awareness::Membership;

/// How many save statuses wait for early content; a later one implies the earlier, so the oldest goes first.
const MAX_WAITING_SAVE_STATUSES: usize = 64;
/// How many clients' clocks are remembered of what a session knew: 16 bytes each, half of its queue.
const MAX_LAG_CLIENTS: usize = 32 << 10;
/// How many clients' clocks are remembered that early content waits for.
const MAX_AWAITED_CLOCKS: usize = 1024;
/// The first and the longest pause before content that refers to something unknown is asked for again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// Who may take over a client id from a half-open socket: the same user or, without users, the same address.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: Option<UserId>,
    pub(crate) address: Option<IpAddr>,
}

impl Person {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.user, &other.user) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.address.is_some() && self.address == other.address,
            _ => false,
        }
    }
}

/// What was taken of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Something,
}

/// What a session knew when its queue overflowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lag {
    /// At least this much.
    Since(Arc<[(ClientId, u32)]>),
    /// Of more clients than are remembered: it is sent everything.
    Unknown,
}

impl Lag {
    /// Of a session that knew these clocks, of so many clients.
    pub(crate) fn of(clients: usize, clocks: impl FnOnce() -> Vec<(ClientId, u32)>) -> Self {
        if clients > MAX_LAG_CLIENTS { Self::Unknown } else { Self::Since(Arc::from(clocks())) }
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) access: Access,
    pub(crate) user: Option<UserId>,
    pub(crate) member: Membership,
    /// A step 1 of ours is unanswered. The one that opens the session counts.
    pub(crate) is_asked: bool,
    pub(crate) early: Option<EarlyContent>,
    /// Before it is asked again for what refers to something unknown.
    pause: Duration,
    written: Written,
    /// Writes were refused since the last save status.
    pub(crate) has_refusals: bool,
    pub(crate) waiting_save_statuses: VecDeque<Bytes>,
    /// Its queue has overflowed, and what it missed is not sent yet.
    pub(crate) lag: Option<Lag>,
    /// It is being closed; what it still sends is not taken.
    pub(crate) is_closing: bool,
}

/// Content of a session that the document cannot take yet.
#[derive(Debug)]
pub(crate) struct EarlyContent {
    pub(crate) content: Early,
    /// The client was asked and its answer left the same: it lacks something itself.
    is_stuck: bool,
    retry_at: Instant,
}

impl Session {
    pub(crate) fn new(access: Access, user: Option<UserId>, member: Membership) -> Self {
        Self {
            access,
            user,
            member,
            is_asked: true,
            early: None,
            pause: FIRST_PAUSE,
            written: Written::Nothing,
            has_refusals: false,
            waiting_save_statuses: VecDeque::new(),
            lag: None,
            is_closing: false,
        }
    }

    /// Notes that something of it was taken; true the first time.
    pub(crate) fn begins_to_write(&mut self) -> bool {
        std::mem::replace(&mut self.written, Written::Something) == Written::Nothing
    }

    /// Notes what remained of an update. Returns whether the client must be asked for what is missing.
    pub(crate) fn note_early(&mut self, now: Instant, remainder: Option<Early>, is_answer: bool) -> bool {
        let remainder = remainder.map(bounded);
        if is_answer {
            self.is_asked = false;
            // An answer holds all that the client has, so what it leaves is all that is early.
            let retry_at = now + self.pause;
            self.early = remainder.map(|content| EarlyContent { content, is_stuck: true, retry_at });
            return false;
        }
        let Some(content) = remainder else { return false };
        if let Some(early) = self.early.as_mut().filter(|early| early.is_stuck) {
            early.wait_for_more(content, now + self.pause);
            return false;
        }
        self.pause = FIRST_PAUSE;
        self.early = Some(EarlyContent { content, is_stuck: false, retry_at: now });
        !std::mem::replace(&mut self.is_asked, true)
    }

    /// Notes that it is asked for what is stuck.
    pub(crate) fn note_asked_again(&mut self) {
        if let Some(early) = &mut self.early {
            early.is_stuck = false;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.is_asked = true;
    }

    pub(crate) fn keep_save_status(&mut self, bytes: &[u8]) {
        if self.waiting_save_statuses.len() == MAX_WAITING_SAVE_STATUSES {
            self.waiting_save_statuses.pop_front();
        }
        // A copy: the bytes are part of a frame, which would stay in memory with all else that it holds.
        self.waiting_save_statuses.push_back(Bytes::copy_from_slice(bytes));
    }
}

impl EarlyContent {
    /// The client has nothing to say to it before something changes.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Its client has sent more that cannot be taken, and is asked for neither before something changes.
    fn wait_for_more(&mut self, more: Early, retry_at: Instant) {
        let mut both = std::mem::take(&mut self.content);
        let was_known = !both.waits_for.is_empty();
        if was_known && !more.waits_for.is_empty() {
            both.waits_for.extend(more.waits_for);
            both.waits_for.sort_unstable();
            // Of each client the lower clock: at that one, something may fit.
            both.waits_for.dedup_by_key(|(client, _)| *client);
        } else {
            both.waits_for.clear();
        }
        both.held.extend(more.held);
        both.held.sort_unstable();
        both.held.dedup();
        self.content = bounded(both);
        if was_known && self.content.waits_for.is_empty() {
            self.retry_at = retry_at;
        }
    }

    /// When it is worth asking again, if nobody knows what it waits for.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        (self.is_stuck && self.content.waits_for.is_empty()).then_some(self.retry_at)
    }

    /// Whether some of it may fit, now that these clients' clocks have moved to these, ascending.
    pub(crate) fn may_fit(&self, moved: &[(ClientId, u32)]) -> bool {
        let waits_for = &self.content.waits_for[..];
        // Either may be a thousand times as long as the other.
        if moved.len() < waits_for.len() {
            moved.iter().any(|&(client, clock)| clock_of(waits_for, client).is_some_and(|needed| clock >= needed))
        } else {
            waits_for.iter().any(|&(client, needed)| clock_of(moved, client).is_some_and(|clock| clock >= needed))
        }
    }

    /// Of these clients, ascending, those of which some of it was held.
    pub(crate) fn was_held<'a>(&'a self, released: &'a [ClientId]) -> impl Iterator<Item = ClientId> + 'a {
        let held = &self.content.held[..];
        let (few, many) = if released.len() < held.len() { (released, held) } else { (held, released) };
        few.iter().copied().filter(move |client| many.binary_search(client).is_ok())
    }
}

fn clock_of(clocks: &[(ClientId, u32)], client: ClientId) -> Option<u32> {
    clocks.binary_search_by_key(&client, |(client, _)| *client).ok().map(|at| clocks[at].1)
}

/// Of content that waits for too much, it counts as unknown what it waits for.
fn bounded(mut early: Early) -> Early {
    if early.waits_for.len() > MAX_AWAITED_CLOCKS {
        early.waits_for.clear();
    }
    // What is held waits for a clock, too.
    early.held.truncate(MAX_AWAITED_CLOCKS);
    early.held.sort_unstable();
    early.held.shrink_to_fit();
    early.waits_for.shrink_to_fit();
    early
}
