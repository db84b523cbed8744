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
    pub(super) fn validate(&self, problems: &mut Problems) {
        let seconds = Duration::from_secs;
        problems.check_range("shutdown.window", &self.window, &(Duration::ZERO..=seconds(600)));
        problems.check_range("shutdown.timeout", &self.timeout, &(Duration::from_millis(100)..=seconds(3600)));
        problems.check("shutdown.timeout", self.timeout > self.window, || {
            "it must be longer than shutdown.window, or no stop is ever clean".to_owned()
        });
    }
}
