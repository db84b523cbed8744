//! One beat a second for all sessions: fillers, pings and the end of those who gave no sign of life.
//!
//! No session has a timer of its own; an idle one is looked at once a second, which costs a few loads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use confluo_protocol::{CloseCode, Frame, SessionId};

use crate::{hub::Shared, outbox::Outbox};

/// Every session of the process.
#[derive(Default)]
pub(crate) struct LiveSessions {
    outboxes: Mutex<HashMap<SessionId, Arc<Outbox>>>,
}

impl LiveSessions {
    pub(crate) fn insert(&self, session: SessionId, outbox: Arc<Outbox>) {
        self.lock().insert(session, outbox);
    }

    pub(crate) fn remove(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Outbox>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Outbox>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beats until `Hub::drain` ends it.
pub(crate) async fn beat(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    // After a machine slept, beats that were missed are not made up for: they would blame clients for a silence that was
    // the server's own.
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // An awareness message with no entries: stock clients drop after 30 s without a message, and pings don't count.
    let filler = Frame::awareness(&[0]);
    loop {
        interval.tick().await;
        let second = shared.second.fetch_add(1, Ordering::Relaxed) + 1;
        let limits = BeatLimits {
            filler: shared.config.filler_interval.as_secs() as u32,
            ping: (shared.config.ping_interval.as_secs() as u32).max(1),
            silence: shared.config.silence_timeout.as_secs() as u32,
        };
        for outbox in shared.sessions.lock().values() {
            look_at(outbox, second, limits, &filler);
        }
    }
}

#[derive(Clone, Copy)]
struct BeatLimits {
    filler: u32,
    ping: u32,
    silence: u32,
}

fn look_at(outbox: &Outbox, second: u32, limits: BeatLimits, filler: &Frame) {
    let quiet_out = second.saturating_sub(outbox.pulse.sent.load(Ordering::Relaxed));
    let quiet_in = second.saturating_sub(outbox.pulse.heard.load(Ordering::Relaxed));
    if quiet_in >= limits.silence {
        outbox.end(CloseCode::NoSignOfLife, "nothing was heard for too long".into());
        return;
    }
    let filler_is_due = quiet_out >= limits.filler;
    if filler_is_due {
        // Not again before the next interval, even if the peer does not read.
        outbox.pulse.sent.store(second, Ordering::Relaxed);
    }
    // With the filler if it is about time, so that an idle session is woken once for both.
    let ping_is_due =
        quiet_in > 0 && (quiet_in.is_multiple_of(limits.ping) || (filler_is_due && quiet_in >= limits.ping / 2));
    if ping_is_due {
        outbox.pulse.ping_is_due.store(true, Ordering::Relaxed);
    }
    if filler_is_due {
        outbox.try_push(filler);
    } else if ping_is_due {
        outbox.wake();
    }
}
