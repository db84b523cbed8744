//! How long an acknowledgement takes, engine by engine: for the examples of the engines' crates.

use std::time::{Duration, Instant};

use super::append;
use crate::{Append, DocumentStore};

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Half of the slices took at most this.
    pub p50: Duration,
    /// 99 of 100 slices took at most this.
    pub p99: Duration,
}

/// Appends slices of `records` records of 100 bytes, to as many of `documents` documents in turn, and times each.
pub fn measure(store: &dyn DocumentStore, slices: u64, records: u64, documents: u64) -> Latency {
    let mut heads = vec![0; documents as usize];
    let mut times = Vec::new();
    for slice in 0..slices {
        let slice: Vec<Append> = (0..records)
            .map(|index| {
                let document = (slice * records + index) % documents;
                let head = &mut heads[document as usize];
                *head += 1;
                append(&format!("team/document {document}"), *head, 100)
            })
            .collect();
        let start = now();
        store.append(&slice).expect("a healthy store appends");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    Latency { p50: at(50), p99: at(99) }
}

/// Fills a store with documents of one record each, to see how long it then takes to open and to load.
pub fn fill(store: &dyn DocumentStore, documents: u64, bytes: usize) {
    let names: Vec<u64> = (0..documents).collect();
    for slice in names.chunks(1_000) {
        let slice: Vec<Append> =
            slice.iter().map(|index| append(&format!("team/document {index}"), 1, bytes)).collect();
        store.append(&slice).expect("a healthy store appends");
    }
}

/// Runs something and tells how long it took.
pub fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let value = run();
    (value, start.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "a measurement of real time has no other clock")]
fn now() -> Instant {
    Instant::now()
}
