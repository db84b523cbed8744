//! What is wrong with a configuration, in words that say what to do.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::ByteCount;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's full name, `section.key`.
    pub setting: String,
    /// Where its value came from, if it came from anywhere.
    pub origin: Option<String>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setting)?;
        if let Some(origin) = &self.origin {
            write!(f, " (from {origin})")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything wrong with a configuration, found in one pass.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes that `setting` cannot be used.
    pub fn add(&mut self, setting: &str, message: impl Into<String>) {
        self.0.push(Problem { setting: setting.to_owned(), origin: None, message: message.into() });
    }

    /// Notes `setting` if `value` is outside `allowed`.
    pub fn check_range<T: Shown + PartialOrd>(&mut self, setting: &str, value: &T, allowed: &RangeInclusive<T>) {
        if !allowed.contains(value) {
            let (low, high) = (allowed.start().shown(), allowed.end().shown());
            self.add(setting, format!("{} is not allowed; it must be from {low} to {high}", value.shown()));
        }
    }

    /// Notes `setting` with `message` if `valid` is false: for rules between settings.
    pub fn check(&mut self, setting: &str, valid: bool, message: impl FnOnce() -> String) {
        if !valid {
            self.add(setting, message());
        }
    }

    /// All of them, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// A value as its setting would be written.
pub trait Shown {
    /// The text that stands for it in a configuration file.
    fn shown(&self) -> String;
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for ByteCount {
    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        format!("\"{}\"", humantime::format_duration(*self))
    }
}
