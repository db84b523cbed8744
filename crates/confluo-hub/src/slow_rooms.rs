//! Rooms that were slow to merge what came: a few merge at a time, so that they leave the processor to all others.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A merge that takes longer holds up others.
const SLOW_STEP: Duration = Duration::from_millis(500);
/// For how long a room counts as slow after such a merge: beyond a pause between two of them.
const SLOW_FOR: Duration = Duration::from_secs(30);

/// Turns of those that were slow.
#[derive(Debug)]
pub(crate) struct SlowRooms {
    turns: Arc<Semaphore>,
}

impl SlowRooms {
    /// Half of the processors is theirs.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { turns: Arc::new(Semaphore::new((processors / 2).max(1))) }
    }

    /// Waits for a turn. `None` if there are none any more.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

/// Whether one room was slow.
#[derive(Debug, Default)]
pub(crate) struct Slowness {
    until: Option<Instant>,
}

impl Slowness {
    /// Notes a merge.
    pub(crate) fn note(&mut self, began: Instant, ended: Instant) {
        if ended.saturating_duration_since(began) > SLOW_STEP {
            self.until = Some(ended + SLOW_FOR);
        }
    }

    /// Whether the next merge may be slow as well.
    pub(crate) fn is_slow(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now);
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_room_is_slow_for_a_while_after_each_slow_step() {
        let start = Clock.now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut slowness = Slowness::default();
        slowness.note(at(0.0), at(0.49));
        assert!(!slowness.is_slow(at(0.5)));
        slowness.note(at(1.0), at(2.0));
        slowness.note(at(2.0), at(2.01));
        assert!(slowness.is_slow(at(31.9)), "a quick step does not make it quick");
        assert!(!slowness.is_slow(at(32.1)));
    }

    #[tokio::test]
    async fn no_more_than_half_of_the_processors_work_for_slow_rooms() {
        let rooms = SlowRooms::new();
        let processors = std::thread::available_parallelism().unwrap().get();
        let mut turns = Vec::new();
        for _ in 0..(processors / 2).max(1) {
            turns.push(rooms.turn().await.unwrap());
        }
        assert!(Arc::clone(&rooms.turns).try_acquire_owned().is_err());
        turns.pop();
        assert!(Arc::clone(&rooms.turns).try_acquire_owned().is_ok(), "a turn that ended is the next one's");
    }
}
