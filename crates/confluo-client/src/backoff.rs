//! How long to wait before the next attempt: exponential, with full jitter.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Draws each wait evenly from zero to a bound that doubles from `first` to `longest`. Full jitter spreads thousands of
/// clients that lost their server at the same moment over the whole interval, where a fixed wait brings them all back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
    random: SmallRng,
}

impl Backoff {
    /// Bounds of `first`, 2 × `first`, … up to `longest`; the same `seed` draws the same waits.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, attempt: 0, random: SmallRng::seed_from_u64(seed) }
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.first.saturating_mul(2_u32.saturating_pow(self.attempt)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(self.random.random_range(0.0..=1.0))
    }

    /// Starts again at the first bound: called when a connection has synced, not when it has merely opened, so that a
    /// server which accepts and then closes is not hammered.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many waits were drawn since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }
}

impl Default for Backoff {
    /// One second doubling to 30 s, seeded by the operating system.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(30), rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl4_bounds_double_up_to_the_longest_and_waits_fill_them() {
        let bounds = [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs);
        let mut widest = [Duration::ZERO; 7];
        for seed in 0..500 {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), seed);
            for (bound, widest) in bounds.iter().zip(&mut widest) {
                let wait = backoff.next_wait();
                assert!(wait <= *bound);
                *widest = wait.max(*widest);
            }
        }
        for (bound, widest) in bounds.iter().zip(widest) {
            assert!(widest > bound.mul_f64(0.9), "{widest:?} of {bound:?}");
        }
    }

    #[test]
    fn cl4_a_reset_starts_again_and_a_long_outage_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 1);
        for _ in 0..100 {
            assert!(backoff.next_wait() <= Duration::from_secs(30));
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
        assert_eq!(backoff.attempts(), 1);
    }
}
