//! What takes too long to do among other tasks.

use confluo_protocol::{Message, SyncMessage};

use crate::{batch::Content, effects::RoomInput, room::Room};

impl Room {
    /// Whether [`Room::handle`] may take longer than a moment with these inputs, so that it should not run among other
    /// tasks.
    pub fn is_heavy(&self, inputs: &[RoomInput]) -> bool {
        const HEAVY_INPUT_BYTES: usize = 128 << 10;
        const HEAVY_DOCUMENT_BYTES: usize = 512 << 10;
        let document_bytes = self.document_bytes();
        if self.waiting_bytes > HEAVY_INPUT_BYTES || self.document.places_outgrow(document_bytes) {
            return true;
        }
        let is_large = document_bytes > HEAVY_DOCUMENT_BYTES;
        let will_encode = |content: &Content| matches!(content, Content::Step1(_) | Content::CaughtUp);
        (is_large && self.waiting.iter().any(|(_, content)| will_encode(content)))
            || inputs.iter().any(|input| match input {
                RoomInput::CaughtUp(_) | RoomInput::Received(_, Message::Sync(SyncMessage::Step1(_))) => is_large,
                RoomInput::Received(_, Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update))) => {
                    update.0.len() > HEAVY_INPUT_BYTES
                }
                _ => false,
            })
    }
}
