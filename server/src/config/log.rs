//! `[log]`: what is logged, and how it looks.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::Problems;
use super::choice::choice;

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// For people or for machines.
    #[serde(deserialize_with = "choice")]
    pub format: LogFormat,
    /// tracing directives: `info`, `warn,confluo_hub=debug`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            let message = format!("{error}; it takes directives such as \"info\" or \"warn,confluo_hub=debug\"");
            problems.add("log.filter", message);
        }
    }
}
