//! How often something may happen for one key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use confluo_hub::{Rate, TokenBucket};

/// How many keys are remembered at most: a few megabytes. Beyond it those go first that have least to make good, so
/// whoever is many addresses gains at most a fresh burst for some of them.
const MOST_KEYS: usize = 1 << 16;
/// Fewer are not worth looking through.
const FEW_KEYS: usize = 1 << 10;

/// A token bucket by key. A full one is as good as none, and is forgotten.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    buckets: HashMap<K, TokenBucket>,
    /// With so many the full ones are looked for: always twice what was left, so that it costs little by the key.
    sweep_at: usize,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, state: Mutex::new(State { buckets: HashMap::new(), sweep_at: FEW_KEYS }) }
    }

    /// Takes one for `key` if it will be there within `patience`: how long until then.
    pub(super) fn try_take(&self, key: K, now: Instant, patience: Duration) -> Option<Duration> {
        let mut state = self.lock();
        if state.buckets.len() >= state.sweep_at {
            state.sweep(now);
        }
        state.buckets.entry(key).or_insert_with(|| TokenBucket::full(now)).try_take(now, self.rate, patience)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> State<K> {
    fn sweep(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| bucket.full_at() > now);
        if self.buckets.len() > MOST_KEYS / 2 {
            let mut ends: Vec<_> = self.buckets.values().map(TokenBucket::full_at).collect();
            let surplus = ends.len() - MOST_KEYS / 2;
            let (_, &mut cut, _) = ends.select_nth_unstable(surplus - 1);
            let mut surplus = surplus;
            self.buckets.retain(|_, bucket| {
                let goes = surplus > 0 && bucket.full_at() <= cut;
                surplus -= usize::from(goes);
                !goes
            });
        }
        self.sweep_at = (self.buckets.len() * 2).max(FEW_KEYS);
    }
}

#[cfg(test)]
mod tests {
    use confluo_hub::Clock;

    use super::*;

    const RATE: Rate = Rate::per_second(1, 2);

    #[test]
    fn ad8_what_is_full_again_is_forgotten() {
        let (buckets, start) = (Buckets::new(RATE), Clock.now());
        for key in 0..10_000_u64 {
            let now = start + Duration::from_millis(key * 10);
            buckets.try_take(key, now, Duration::ZERO).unwrap();
        }
        // A hundred come in a second, which is how long one needs to be full again.
        assert!(buckets.lock().buckets.len() <= 2 * FEW_KEYS);
    }

    #[test]
    fn ad8_an_attacker_of_many_addresses_fills_no_memory_and_is_not_forgotten_for_others() {
        let (buckets, now) = (Buckets::new(RATE), Clock.now());
        let greedy = u64::MAX;
        while buckets.try_take(greedy, now, Duration::ZERO).is_some() {}
        for key in 0..200_000_u64 {
            buckets.try_take(key, now, Duration::ZERO).unwrap();
        }
        assert!(buckets.lock().buckets.len() <= MOST_KEYS + 1);
        assert_eq!(buckets.try_take(greedy, now, Duration::ZERO), None, "who took most is remembered");
    }
}
