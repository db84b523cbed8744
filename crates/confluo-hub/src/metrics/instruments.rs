//! Counter, gauge and histogram on relaxed atomics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds, from a fast flush to a load that somebody noticed.
const MICROS: &[u64] = &[
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000,
];

/// Upper bounds of how many things were taken at once.
const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// At zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Takes one away.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How often a measured value fell below each of a few fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than the bounds: the last holds what exceeds them all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Each bound with how many values were not above it, those of the bounds before included.
    pub cumulative: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// For durations, in microseconds.
    pub fn of_micros() -> Self {
        Self::with_bounds(MICROS)
    }

    /// For numbers of things.
    pub fn of_counts() -> Self {
        Self::with_bounds(COUNTS)
    }

    fn with_bounds(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts `value` in its bucket.
    pub fn observe(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[index].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Counts `elapsed` in microseconds.
    pub fn observe_duration(&self, elapsed: Duration) {
        self.observe(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    }

    /// Everything counted so far. The count is the sum of the buckets, so the two always agree; `sum` may be a value ahead.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(self.bounds.len());
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            count += bucket.load(Relaxed);
            cumulative.push((*bound, count));
        }
        count += self.buckets[self.bounds.len()].load(Relaxed);
        HistogramSnapshot { cumulative, count, sum: self.sum.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_at_its_bound_and_at_every_bound_above() {
        let histogram = Histogram::of_counts();
        for value in [0, 1, 2, 3, 20_000] {
            histogram.observe(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.cumulative[..3], [(1, 2), (2, 3), (4, 4)]);
        assert_eq!(snapshot.cumulative.last(), Some(&(16_384, 4)));
        assert_eq!((snapshot.count, snapshot.sum), (5, 20_006));
    }

    #[test]
    fn durations_count_in_microseconds() {
        let histogram = Histogram::of_micros();
        histogram.observe_duration(Duration::from_millis(3));
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.sum, 3_000);
        assert_eq!(snapshot.cumulative.iter().find(|(_, count)| *count == 1), Some(&(5_000, 1)));
    }
}
