//! How large the document is, and may become (SY16), and what is kept beside it.

use confluo_protocol::UpdateV1;

use crate::{document::Broken, room::Room};

impl Room {
    /// An upper bound of the full state's size in bytes.
    pub fn document_bytes(&self) -> usize {
        self.measured_bytes + self.added_bytes
    }

    /// Whether the document stays within its limit with `bytes` more. Measures it only when the upper bound says no.
    pub(crate) fn has_room_for(&mut self, bytes: usize) -> bool {
        let limit = self.config.max_document_bytes;
        if self.document_bytes() + bytes > limit && self.added_bytes > 0 {
            // If it cannot be read it is broken, which whoever asks here sees.
            let _ = self.measure();
        }
        self.document_bytes() + bytes <= limit
    }

    /// The whole document as one update, whose size is noted.
    pub(crate) fn measure(&mut self) -> Result<Vec<u8>, Broken> {
        let state = self.document.encode_state()?;
        self.measured_bytes = state.len();
        self.added_bytes = 0;
        Ok(state)
    }

    /// Keeps what is known of places within what the document can need, whatever has come and gone. Not within a batch:
    /// what is admitted and not applied yet is not in the document.
    pub(crate) fn trim_places(&mut self) {
        if self.document.places_outgrow(self.document_bytes())
            && let Ok(state) = self.measure()
        {
            self.document.read_places(UpdateV1(state.into()));
        }
    }
}
