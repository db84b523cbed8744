//! The one place that reads the time.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Monotonic and wall-clock time. Monotonic time follows tokio's clock, so a test that pauses the runtime moves it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

#[allow(clippy::disallowed_methods, reason = "this is the clock that everything else takes the time from")]
impl Clock {
    /// For intervals and deadlines.
    pub fn now(self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// For how long the current thread has kept a processor busy. It grows only while the thread has one, so what it tells of a
    /// step does not depend on what else the machine does meanwhile.
    pub fn thread_busy(self) -> Duration {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
    }

    /// For what is written into records.
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }
}
