//! What takes too long to do among other tasks.

use confluo_protocol::{Message, SyncMessage};

use crate::{batch::Content, effects::RoomInput, room::Room};

impl Room {
    /// Whether [`Room::handle`] may take longer than a moment with these inputs, so that it should not run among other
    /// tasks.
    pub fn is_heavy(&self, inputs: &[RoomInput]) -> bool {
        const HEAVY_DOCUMENT_BYTES: usize = 512 << 10;
        let document_bytes = self.document_bytes();
        let waiting_bytes = self.waiting_bytes + inputs.iter().map(update_bytes).sum::<usize>();
        if may_merge_for_long(waiting_bytes, document_bytes) || self.document.places_outgrow(document_bytes) {
            return true;
        }
        let will_encode = || {
            self.waiting.iter().any(|(_, content)| matches!(content, Content::Step1(_) | Content::CaughtUp))
                || inputs.iter().any(|input| {
                    matches!(
                        input,
                        RoomInput::CaughtUp(_) | RoomInput::Received(_, Message::Sync(SyncMessage::Step1(_)))
                    )
                })
        };
        document_bytes > HEAVY_DOCUMENT_BYTES && will_encode()
    }

    /// Whether there is anything to merge, in these inputs or in what waits.
    pub fn has_updates(&self, inputs: &[RoomInput]) -> bool {
        self.waiting.iter().any(|(_, content)| matches!(content, Content::Update { .. }))
            || inputs.iter().any(|input| update_bytes(input) > 0)
    }
}

/// Yjs finds the place of an item by looking at each of those that were put there at the same time: at worst each that comes
/// looks at all that there are, and those that came before it. An item takes 7 bytes at least, a look some 0.4 µs where nothing
/// is in the caches any more: this is half a second.
fn may_merge_for_long(update_bytes: usize, document_bytes: usize) -> bool {
    const HEAVY_PRODUCT: usize = 64 << 20;
    update_bytes.saturating_mul(document_bytes + update_bytes) > HEAVY_PRODUCT
}

fn update_bytes(input: &RoomInput) -> usize {
    match input {
        RoomInput::Received(_, Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update))) => {
            update.0.len()
        }
        _ => 0,
    }
}
