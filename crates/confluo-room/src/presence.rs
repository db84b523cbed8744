//! Who is here, between the room and its table: what a session publishes, and when it is told of the others (AW6, AW10).

use std::time::{Duration, Instant};

use bytes::Bytes;
use confluo_protocol::{Frame, SessionId};

use crate::{
    effects::{Effects, Outgoing},
    room::Room,
};

/// A stock client announces itself right after it opens; what it says before it was told anything is no relay of ours.
pub(crate) const INTRODUCTION_TIME: Duration = Duration::from_millis(100);

impl Room {
    pub(crate) fn receive_awareness(&mut self, now: Instant, id: SessionId, payload: &Bytes, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let was_informed = session.member.is_informed();
        let is_heard = self.config.may_publish(session.access);
        let answer = if is_heard { self.awareness.receive(now, &mut session.member, payload) } else { Ok(None) };
        effects.counts.awareness_dropped += self.awareness.take_dropped();
        match answer {
            Ok(None) => {}
            Ok(Some(answer)) => effects.now.push(Outgoing::Direct(id, Frame::awareness(&answer))),
            Err(refusal) => {
                let (code, reason) = self.config.explain(refusal, &mut effects.counts);
                self.close(id, code, reason.into(), effects);
            }
        }
        if !was_informed {
            // With all others who say their first word now.
            self.newcomers.push_front((now, id));
        }
    }

    /// Even that nobody is here is an answer: whoever asks may not ask again before.
    pub(crate) fn answer_query(&mut self, id: SessionId, effects: &mut Effects) {
        if let Some(session) = self.sessions.get_mut(&id) {
            let frame = self.awareness.introduce(&mut session.member);
            effects.now.push(Outgoing::States(id, frame));
        }
    }

    /// Tells all states to those who have said something, or have been here for a moment.
    pub(crate) fn inform_newcomers(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(&(at, id)) = self.newcomers.front()
            && at <= now
        {
            self.newcomers.pop_front();
            let session = self.sessions.get_mut(&id).filter(|session| !session.member.is_informed());
            let Some(session) = session else { continue };
            let frame = self.awareness.introduce(&mut session.member);
            if self.awareness.shows_somebody() {
                effects.now.push(Outgoing::Introduction(id, frame));
            }
        }
    }
}
