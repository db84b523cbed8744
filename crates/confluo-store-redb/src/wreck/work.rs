//! How much may be done for each page.

use super::page::MOST_BYTES;

/// What may still be read and checked, in bytes. Each page that is looked at adds what a leaf may have at most, which is many
/// times what one has; what it does not need is there for the next ones.
pub(super) struct Work {
    left: usize,
    pub(super) was_left_undone: bool,
}

impl Default for Work {
    /// A few damaged leaves may be the first.
    fn default() -> Self {
        Self { left: 16 * MOST_BYTES, was_left_undone: false }
    }
}

impl Work {
    pub(super) fn begin_page(&mut self) {
        self.left = self.left.saturating_add(MOST_BYTES);
    }

    /// Whether that may be done.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        self.was_left_undone |= left.is_none();
        left.is_some()
    }
}
