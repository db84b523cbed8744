//! Rules of the repository that a compiler does not check: which way dependencies point, where a crate may be used, and
//! what a source file may hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod dependencies;
mod documents;
mod licences;
mod readme;
mod rules;
mod sources;

use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Fails with all of `problems`, one a line, so that one run shows everything.
fn check_none(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}:\n  {}", problems.join("\n  "));
}
