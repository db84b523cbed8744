//! Words about a long run, while it runs.

use std::cell::Cell;

use crate::clock::{now, seconds_since};

/// Passes on at most one line a second; where it goes is the caller's matter.
pub struct Progress {
    say: Box<dyn Fn(&str)>,
    last: Cell<Option<u64>>,
}

impl Progress {
    /// Passes lines to a function.
    pub fn new(say: impl Fn(&str) + 'static) -> Self {
        Self { say: Box::new(say), last: Cell::new(None) }
    }

    /// Says nothing.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Passes a line on unless the last is less than a second old.
    pub fn say(&self, line: &str) {
        if self.last.get().is_none_or(|last| seconds_since(last) >= 1.0) {
            self.last.set(Some(now()));
            (self.say)(line);
        }
    }

    /// Says it however recent the last line is.
    pub(crate) fn announce(&self, line: &str) {
        self.last.set(Some(now()));
        (self.say)(line);
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}
