//! One session as tokens see it.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use confluo_auth::{Identity, UnixTime};
use confluo_hub::{Clock, Expulsion, SessionControl, SessionGate, TokenBucket};
use confluo_protocol::{Access, CloseCode, DocumentName};

use super::door::{Door, forbidden, granted};

/// A session that somebody with a token has, from the door to its end.
#[derive(Debug)]
pub struct Visit {
    door: Arc<Door>,
    document: DocumentName,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    identity: Identity,
    /// What is left of the tokens that it may send.
    tokens: TokenBucket,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// It is on its way from the door to its room, and cannot be reached yet.
    Entering,
    Live(SessionControl),
    /// It must go, as soon as it can be reached.
    Expelled(Expulsion),
}

/// Keeps a visit on the list.
#[derive(Debug)]
pub struct VisitGuard {
    visit: Arc<Visit>,
    id: u64,
}

/// Every session that has a token.
#[derive(Debug, Default)]
pub(super) struct Visits {
    list: Mutex<VisitList>,
}

#[derive(Debug, Default)]
struct VisitList {
    live: HashMap<u64, Arc<Visit>>,
    last_id: u64,
}

impl Visit {
    pub(super) fn begin(door: &Arc<Door>, identity: Identity, document: DocumentName) -> VisitGuard {
        let tokens = TokenBucket::full(Clock.now());
        let state = Mutex::new(State { identity, tokens, stage: Stage::Entering });
        let visit = Arc::new(Self { door: Arc::clone(door), document, state });
        let mut list = door.visits.lock();
        list.last_id += 1;
        let id = list.last_id;
        list.live.insert(id, Arc::clone(&visit));
        VisitGuard { visit, id }
    }

    /// The name in its token.
    pub(super) fn display_name(&self) -> Option<Arc<str>> {
        self.lock().identity.display_name.clone()
    }

    /// Ends it with 4501 at `exp` and the grace.
    pub(super) fn end_if_expired(&self, now: UnixTime) {
        let mut state = self.lock();
        let ends_at = state.identity.session_ends_at(self.door.expiry_grace());
        // A renewal comes before this look or after it: who was told that it is accepted is not ended by the token before.
        if ends_at.is_some_and(|ends_at| now >= ends_at) {
            let reason = "the token has expired; come back with a fresh one".into();
            state.expel(Expulsion { code: CloseCode::TokenExpired, reason });
        }
    }

    /// Ends it with 4401 if it was revoked; says whether.
    pub(super) fn end_if_revoked(&self) -> bool {
        let mut state = self.lock();
        // A renewal comes before this look or after it. The book is the later of the two locks everywhere.
        let refusal = self.door.check_revoked(&state.identity).err();
        refusal.map(|refusal| state.expel(refusal)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expel(&mut self, expulsion: Expulsion) {
        match &self.stage {
            Stage::Live(control) => control.expel(expulsion),
            Stage::Entering => self.stage = Stage::Expelled(expulsion),
            Stage::Expelled(_) => {}
        }
    }
}

impl SessionGate for Visit {
    fn entering(&self, control: SessionControl) {
        let mut state = self.lock();
        if let Stage::Expelled(expulsion) = &state.stage {
            control.expel(expulsion.clone());
        } else {
            state.stage = Stage::Live(control);
        }
    }

    fn renew(&self, token: &Bytes) -> Result<Access, Expulsion> {
        if self.lock().tokens.try_take(Clock.now(), self.door.token_rate(), Duration::ZERO).is_none() {
            let reason = "too many tokens a minute; come back with a fresh one, and more slowly";
            return Err(Expulsion { code: CloseCode::SlowDown, reason: reason.into() });
        }
        let identity = self.door.identify_at_once(token)?;
        let mut state = self.lock();
        if identity.user != state.identity.user {
            return Err(forbidden("a session cannot change its user; connect anew"));
        }
        let access = granted(&identity, &self.document)?;
        state.identity = identity.clone();
        drop(state);
        self.door.check_revoked(&identity)?;
        Ok(access)
    }
}

impl Deref for VisitGuard {
    type Target = Visit;

    fn deref(&self) -> &Visit {
        &self.visit
    }
}

impl Drop for VisitGuard {
    fn drop(&mut self) {
        self.visit.door.visits.lock().live.remove(&self.id);
    }
}

impl Visits {
    pub(super) fn all(&self) -> Vec<Arc<Visit>> {
        self.lock().live.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VisitList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
