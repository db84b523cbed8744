//! `[audit]`: who came, wrote, left and was refused, line by line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choice::choice;
use super::{ByteCount, Problems};

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Where to.
    #[serde(deserialize_with = "choice")]
    pub output: AuditOutput,
    /// The file; `audit.jsonl` in the data folder if unset.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A file of this size is put aside.
    pub max_file_bytes: ByteCount,
    /// Files at most, the one that is written to included.
    pub max_files: u32,
    /// Events that may wait to be written; then they are lost, and counted.
    pub queue_events: u32,
}

/// Where the audit log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutput {
    /// Nowhere.
    Off,
    /// To standard output; the log of the process goes to standard error.
    Stdout,
    /// To a file, with rotation.
    File,
}

impl AuditConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let size = ByteCount::kib(64)..=ByteCount::gib(16);
        problems.check_range("audit.max_file_bytes", &self.max_file_bytes, &size);
        problems.check_range("audit.max_files", &self.max_files, &(1..=1000));
        problems.check_range("audit.queue_events", &self.queue_events, &(16..=1_000_000));
        problems.check("audit.file", self.file.is_none() || self.output == AuditOutput::File, || {
            "it is written only with audit.output = \"file\"; set that, or leave the file out".to_owned()
        });
    }
}
