//! The one place that reads the time.

use std::time::{Instant, SystemTime};

/// Monotonic and wall-clock time. Monotonic time follows tokio's clock, so a test that pauses the runtime moves it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

#[allow(clippy::disallowed_methods, reason = "this is the clock that everything else takes the time from")]
impl Clock {
    /// For intervals and deadlines.
    pub fn now(self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// For what is written into records.
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }
}
