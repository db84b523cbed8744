//! `[shutdown]`: how the server stops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problems;

/// How the server stops.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// Sessions are closed with 1001 spread over this time.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// After this the process exits whatever still runs.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl ShutdownConfig {
    /// `close_timeout` is that of a session.
    pub(super) fn validate(&self, close_timeout: Duration, problems: &mut Problems) {
        let seconds = Duration::from_secs;
        problems.check_range("shutdown.window", &self.window, &(Duration::ZERO..=seconds(600)));
        problems.check_range("shutdown.timeout", &self.timeout, &(Duration::from_millis(100)..=seconds(3600)));
        // For what waits for a client, and then for its answer to the close.
        let longest = self.window.saturating_add(close_timeout.saturating_mul(2));
        problems.check("shutdown.timeout", self.timeout > longest, || {
            format!(
                "it must be longer than shutdown.window and twice sessions.close_timeout ({} together), or one client that \
                 does not read makes a stop unclean; raise this one or lower those",
                humantime::format_duration(longest)
            )
        });
    }
}
