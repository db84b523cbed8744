//! Who opens a document or merges into it waits for a place first, if that may take long, so that others find a processor.
//!
//! 1. What cannot take long, by how many bytes it is, is *light*, and never waits.
//! 2. What may is *heavy*. Nearly all of it is quick, so that it shares the processors, on as many threads as there may be.
//! 3. A document of which something did take long is *slow*, and takes its turn on a few of the processors.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use confluo_protocol::DocumentName;
use confluo_room::{Room, RoomInput};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::HeavyWork, health::HealthState, metrics::HubMetrics};

/// For how long a room counts as slow after a slow merge: beyond a pause between two of them.
const SLOW_FOR: Duration = Duration::from_secs(30);
/// How many slow documents are remembered: some 2 MB of the longest names.
const MAX_REMEMBERED: usize = 4_096;

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Not long.
    Light,
    /// Long, by its bytes.
    Heavy,
    /// Long, as it did before.
    Slow,
}

/// What was waited for will not come: the server shuts down, and whoever has no place yet makes room for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShuttingDown;

/// The places, and which documents were slow.
#[derive(Debug)]
pub(crate) struct SlowRooms {
    slow_step: Duration,
    turns: Arc<Semaphore>,
    heavy_places: Arc<Semaphore>,
    /// When each was slow last. The lock is taken when a document is opened and after a slow step, never for a message.
    remembered: Mutex<HashMap<DocumentName, Instant>>,
    health: Arc<HealthState>,
    metrics: Arc<HubMetrics>,
}

impl SlowRooms {
    pub(crate) fn new(limits: HeavyWork, health: Arc<HealthState>, metrics: Arc<HubMetrics>) -> Self {
        Self {
            slow_step: limits.slow_step,
            turns: Arc::new(Semaphore::new(limits.slow_turns)),
            heavy_places: Arc::new(Semaphore::new(limits.max_heavy)),
            remembered: Mutex::default(),
            health,
            metrics,
        }
    }

    /// Waits for a place, first come, first served; what is light needs none. It is given back by dropping it.
    pub(crate) async fn place(&self, weight: Weight) -> Result<Option<OwnedSemaphorePermit>, ShuttingDown> {
        let places = match weight {
            Weight::Light => return Ok(None),
            Weight::Heavy => &self.heavy_places,
            Weight::Slow => &self.turns,
        };
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(Some(place));
        }
        self.metrics.documents_waiting.increment();
        let place = tokio::select! {
            biased;
            () = self.health.draining() => Err(ShuttingDown),
            place = Arc::clone(places).acquire_owned() => place.map(Some).map_err(|_| ShuttingDown),
        };
        self.metrics.documents_waiting.decrement();
        place
    }

    /// Notes for how long a processor was busy opening a document, or merging into it. Whether that was long: then the document
    /// is remembered.
    pub(crate) fn note(&self, document: &DocumentName, busy: Duration, now: Instant) -> bool {
        let was_slow = busy >= self.slow_step;
        if was_slow {
            self.metrics.slow_steps.increment();
            let mut remembered = self.lock();
            remembered.insert(document.clone(), now);
            if remembered.len() > MAX_REMEMBERED {
                let longest_ago = remembered.iter().min_by_key(|(_, at)| **at).map(|(document, _)| document.clone());
                longest_ago.and_then(|document| remembered.remove(&document));
            }
        }
        was_slow
    }

    /// Whether something of the document took long, the last time that it was opened or since.
    pub(crate) fn remembers(&self, document: &DocumentName) -> bool {
        self.lock().contains_key(document)
    }

    /// Its opening was quick, whatever was slow before.
    pub(crate) fn forget(&self, document: &DocumentName) {
        self.lock().remove(document);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DocumentName, Instant>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is merged into one room is slow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slowness {
    /// Not as far as is known.
    Quick,
    /// Its document was slow when it was opened, and nothing was merged since.
    SinceOpening,
    /// Something was merged lately that was slow, or that was the first since a slow opening.
    Until(Instant),
}

impl Slowness {
    /// Notes a merge that has just ended.
    pub(crate) fn note_merge(&mut self, was_slow: bool, now: Instant) {
        if was_slow || matches!(self, Self::SinceOpening) {
            *self = Self::Until(now + SLOW_FOR);
        }
    }

    /// How long it may take to merge what the room will of these inputs, and of what waits in it.
    pub(crate) fn weigh(self, room: &Room, inputs: &[RoomInput], now: Instant) -> Weight {
        if !room.will_merge(inputs) {
            Weight::Light
        } else if self.is_slow(now) {
            Weight::Slow
        } else if room.merges_heavily(inputs) {
            Weight::Heavy
        } else {
            Weight::Light
        }
    }

    /// Whether the next merge may be slow as well.
    pub(crate) fn is_slow(self, now: Instant) -> bool {
        match self {
            Self::Quick => false,
            Self::SinceOpening => true,
            Self::Until(end) => now < end,
        }
    }
}

#[cfg(test)]
mod tests;
