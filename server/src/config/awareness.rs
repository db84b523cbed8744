//! `[awareness]`: how often presence is told, and whose.

use serde::{Deserialize, Serialize};

use super::Problems;

/// How often presence is told, and whose.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AwarenessConfig {
    /// Frames that a busy room sends to each session in a second; more are merged into the latest.
    pub max_frames_per_second: u32,
    /// Whether a session that may only read may publish a state of its own.
    pub readers_may_publish: bool,
}

impl AwarenessConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        problems.check_range("awareness.max_frames_per_second", &self.max_frames_per_second, &(1..=1000));
    }
}
