//! What the document cannot take yet: who is asked for what is missing, and who is asked again, and when (SY11, SY22).

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use confluo_protocol::{
    Access, ClientId, SessionId, UserId,
    update::{Clocks, Early},
};

use crate::{
    awareness::AwarenessTable,
    batch::Gathered,
    effects::{Effects, Outgoing},
    room::Room,
    session::{EarlyContent, Session},
};

/// Who is to be asked again after a pause is looked for no more often than this.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

impl Room {
    /// Notes what an update left that is early, or that an answer left nothing.
    pub(crate) fn note_early(
        &mut self,
        now: Instant,
        id: SessionId,
        early: Option<Early>,
        is_answer: bool,
        effects: &mut Effects,
    ) {
        if early.is_none() && !is_answer {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        effects.counts.early += u64::from(early.is_some());
        let must_ask = session.note_early(now, early, is_answer);
        if let Some(early) = &session.early {
            self.early_sessions.insert(id);
            let earliest = [self.next_retry, early.retry_at()].into_iter().flatten().min();
            self.next_retry = earliest;
        } else {
            self.early_sessions.remove(&id);
        }
        if must_ask {
            self.ask(id, effects);
        }
    }

    /// Asks for what the document lacks. All who are asked between two changes share one frame.
    pub(crate) fn ask(&mut self, id: SessionId, effects: &mut Effects) {
        let frame = self.full_state.question(|| self.document.state_vector());
        effects.now.push(Outgoing::Question(id, frame));
    }

    /// yrs took some of the batch out again: it refers to what nobody has sent. To its senders it is early, and who has just
    /// answered is not asked for it at once, or would be without end.
    pub(crate) fn note_not_integrated(&mut self, now: Instant, gathered: &Gathered, effects: &mut Effects) {
        let clocks = self.document.clocks();
        let lost = gathered.ranges.iter().filter(|(_, range)| clocks.clock(range.client) < range.end);
        let senders: BTreeSet<_> = lost.map(|(id, _)| *id).collect();
        let answered: BTreeSet<_> = gathered.answerers().collect();
        for id in senders {
            let is_asked = self.sessions.get(&id).is_some_and(|session| session.is_asked);
            let is_answer = answered.contains(&id) && !is_asked;
            self.note_early(now, id, Some(Early::default()), is_answer, effects);
        }
    }

    /// A batch has moved the clocks of some clients: what waited for them may have come from someone else.
    pub(crate) fn ask_who_waited_for(&mut self, gathered: &Gathered, effects: &mut Effects) {
        if self.early_sessions.is_empty() {
            return;
        }
        let mut moved: Vec<_> = gathered.ranges.iter().map(|(_, range)| (range.client, 0)).collect();
        moved.sort_unstable();
        moved.dedup();
        for (client, clock) in &mut moved {
            *clock = self.document.clocks().clock(*client);
        }
        self.ask_again(effects, |_, _, early| early.may_fit(&moved));
    }

    /// Some clients may be held no more, and others may bring what is new of them.
    pub(crate) fn ask_who_was_held(&mut self, mut released: Vec<ClientId>, effects: &mut Effects) {
        if released.is_empty() || self.early_sessions.is_empty() {
            return;
        }
        released.sort_unstable();
        released.dedup();
        self.ask_again(effects, |room, session, early| {
            let user = session.user.as_ref();
            let is_held = |client| is_held(&room.awareness, &room.sessions, &room.authors, user, client);
            early.was_held(&released).any(|client| !is_held(client))
        });
    }

    /// Of some content nobody knows what it waits for: that is asked for again more and more rarely.
    pub(crate) fn ask_after_pauses(&mut self, now: Instant, effects: &mut Effects) {
        if self.next_retry.is_none_or(|at| now < at) {
            return;
        }
        self.ask_again(effects, |_, _, early| early.retry_at().is_some_and(|at| at <= now));
        let sessions = self.early_sessions.iter().filter_map(|id| self.sessions.get(id));
        let earliest = sessions.filter_map(|session| session.early.as_ref()?.retry_at()).min();
        self.next_retry = earliest.map(|at| at.max(now + RETRY_INTERVAL));
    }

    fn ask_again(&mut self, effects: &mut Effects, may_fit: impl Fn(&Self, &Session, &EarlyContent) -> bool) {
        let is_to_be_asked = |id: &&SessionId| {
            let session = self.sessions.get(*id).filter(|session| !session.is_asked);
            let early = session.and_then(|session| Some((session, session.early.as_ref()?)));
            early.is_some_and(|(session, early)| early.is_stuck() && may_fit(self, session, early))
        };
        let asked: Vec<_> = self.early_sessions.iter().filter(is_to_be_asked).copied().collect();
        for id in asked {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.note_asked_again();
                self.ask(id, effects);
            }
        }
    }
}

/// SY22: who is seen to write under a client id, if what is new under it can come from there alone.
pub(crate) fn holder<'a>(
    awareness: &'a AwarenessTable,
    sessions: &HashMap<SessionId, Session>,
    client: ClientId,
) -> Option<&'a UserId> {
    let (source, user) = awareness.source_of(client)?;
    sessions.get(&source).is_some_and(|source| source.access == Access::Write).then_some(user)
}

/// SY22: whether what is new of a client waits, if it comes from this user. So it does while somebody else is seen to write
/// under that id, unless the document had its first struct from this one.
pub(crate) fn is_held(
    awareness: &AwarenessTable,
    sessions: &HashMap<SessionId, Session>,
    authors: &HashMap<ClientId, UserId>,
    sender: Option<&UserId>,
    client: ClientId,
) -> bool {
    let Some(sender) = sender else { return false };
    let is_another = holder(awareness, sessions, client).is_some_and(|user| user != sender);
    is_another && authors.get(&client) != Some(sender)
}
