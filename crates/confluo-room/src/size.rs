//! How large the document is, and may become (SY16).

use crate::room::Room;

impl Room {
    /// An upper bound of the full state's size in bytes.
    pub fn document_bytes(&self) -> usize {
        self.measured_bytes + self.added_bytes
    }

    /// Whether the document stays within its limit with `bytes` more. Measures it only when the upper bound says no.
    pub(crate) fn has_room_for(&mut self, bytes: usize) -> bool {
        let limit = self.config.max_document_bytes;
        if self.document_bytes() + bytes > limit
            && self.added_bytes > 0
            && let Ok(state) = self.document.encode_state()
        {
            self.measured_bytes = state.len();
            self.added_bytes = 0;
        }
        self.document_bytes() + bytes <= limit
    }
}
