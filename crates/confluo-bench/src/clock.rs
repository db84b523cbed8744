//! The one place that reads the time: nanoseconds since the tool's own start.

use std::{sync::LazyLock, time::Instant};

static START: LazyLock<Instant> = LazyLock::new(read);

/// Nanoseconds since the first call. Latencies are differences of two of these, taken on one thread.
pub(crate) fn now() -> u64 {
    u64::try_from(read().duration_since(*START).as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds since an earlier [`now`].
pub(crate) fn seconds_since(start: u64) -> f64 {
    now().saturating_sub(start) as f64 / 1e9
}

#[expect(clippy::disallowed_methods, reason = "a load tool measures real time; nothing here decides by it")]
fn read() -> Instant {
    Instant::now()
}
