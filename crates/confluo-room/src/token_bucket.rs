//! A token bucket, kept as the moment at which it will be full again: there is nothing to do while nobody takes.

use std::time::{Duration, Instant};

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many …
    pub count: u64,
    /// … in so long, in the long run. Zero counts as one nanosecond.
    pub period: Duration,
    /// So many at once.
    pub burst: u64,
}

impl Rate {
    /// `count` a second, and `burst` at once.
    pub const fn per_second(count: u64, burst: u64) -> Self {
        Self { count, period: Duration::from_secs(1), burst }
    }

    /// How long it takes to gain `cost`.
    fn time_to_gain(self, cost: u64) -> Duration {
        const NANOS_PER_SECOND: u128 = 1_000_000_000;
        let nanos = self.period.as_nanos().max(1) * u128::from(cost) / u128::from(self.count.max(1));
        Duration::new((nanos / NANOS_PER_SECOND) as u64, (nanos % NANOS_PER_SECOND) as u32)
    }
}

/// What is left of a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// With its whole burst.
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes `cost`, whether or not it is there. How long it takes until what was not there has been gained; zero if all
    /// was there.
    pub fn take(&mut self, now: Instant, cost: u64, rate: Rate) -> Duration {
        self.full_at = self.full_at.max(now) + rate.time_to_gain(cost);
        (self.full_at - now).saturating_sub(rate.time_to_gain(rate.burst))
    }

    /// Takes one if it will be there within `patience`: how long until then. Otherwise takes nothing, so that asking too
    /// often makes nobody wait longer.
    pub fn try_take(&mut self, now: Instant, rate: Rate, patience: Duration) -> Option<Duration> {
        let mut taken = *self;
        let wait = taken.take(now, 1, rate);
        (wait <= patience).then(|| {
            *self = taken;
            wait
        })
    }

    /// When it has its whole burst again: from then on it is as good as new.
    pub fn full_at(&self) -> Instant {
        self.full_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = confluo_testkit::network::start_of_time();
        move |millis| start + Duration::from_millis(millis)
    }

    #[test]
    fn fr7_a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let at = clock();
        let mut bucket = TokenBucket::full(at(0));
        for (now, cost, missing_millis) in [
            (0, 5, 0),
            (0, 5, 0),
            // The burst is used up; each of ten a second is there after 100 ms.
            (0, 1, 100),
            (100, 0, 0),
            (200, 1, 0),
            (200, 1, 100),
            // Full again, and no fuller.
            (60_000, 10, 0),
            (60_000, 3, 300),
        ] {
            let missing = bucket.take(at(now), cost, Rate::per_second(10, 10));
            assert_eq!(missing, Duration::from_millis(missing_millis), "{cost} at {now} ms");
        }
    }

    #[test]
    fn fr7_the_largest_message_at_the_largest_rate_is_counted_without_overflow() {
        let at = clock();
        let take = |cost, count, burst| TokenBucket::full(at(0)).take(at(0), cost, Rate::per_second(count, burst));
        assert_eq!(take(1 << 30, 1 << 40, 0), Duration::from_nanos(976_562));
        assert_eq!(take(1 << 30, 1, 1 << 30), Duration::ZERO);
    }

    #[test]
    fn who_asks_too_early_waits_no_longer_for_having_asked() {
        let at = clock();
        let rate = Rate { count: 60, period: Duration::from_secs(3600), burst: 1 };
        let mut bucket = TokenBucket::full(at(0));
        let minute = Duration::from_secs(60);
        assert_eq!(bucket.try_take(at(0), rate, Duration::ZERO), Some(Duration::ZERO));
        for _ in 0..100 {
            assert_eq!(bucket.try_take(at(1), rate, Duration::ZERO), None);
        }
        assert_eq!(bucket.try_take(at(0), rate, minute), Some(minute), "its turn is a minute away");
        assert_eq!(bucket.try_take(at(0), rate, minute), None, "and taken");
        assert_eq!(bucket.try_take(at(60_000), rate, minute), Some(minute));
    }
}
