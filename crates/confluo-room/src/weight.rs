//! What takes too long to do among other tasks.

use confluo_protocol::{Message, SyncMessage, UpdateV1};

use crate::{
    batch::Content,
    effects::RoomInput,
    room::{InFlight, Room},
    stored::StoredState,
};

impl Room {
    /// Whether [`Room::handle`] may take longer than a moment with these inputs, so that it should not run among other
    /// tasks.
    pub fn is_heavy(&self, inputs: &[RoomInput]) -> bool {
        const HEAVY_DOCUMENT_BYTES: usize = 512 << 10;
        let document_bytes = self.document_bytes();
        if (self.will_merge(inputs) && self.merges_heavily(inputs)) || self.document.places_outgrow(document_bytes) {
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

    /// Whether merging what is in these inputs, and what waits, may take half a second or much longer.
    pub fn merges_heavily(&self, inputs: &[RoomInput]) -> bool {
        let waiting_bytes = self.waiting_bytes + inputs.iter().map(update_bytes).sum::<usize>();
        may_merge_for_long(waiting_bytes, self.document_bytes())
    }

    /// Whether [`Room::handle`] merges anything when it is given these inputs: while a commit is in flight, all updates wait.
    pub fn will_merge(&self, inputs: &[RoomInput]) -> bool {
        let has_updates = self.waiting.iter().any(|(_, content)| matches!(content, Content::Update { .. }))
            || inputs.iter().any(|input| update_bytes(input) > 0);
        let ends = |in_flight: &InFlight| {
            inputs.iter().any(|input| matches!(input, RoomInput::Committed(through) if *through >= in_flight.seq))
        };
        has_updates && self.in_flight.as_ref().is_none_or(ends)
    }
}

impl StoredState {
    /// Whether [`Room::open`] may take half a second or much longer: all of it is merged again.
    pub fn is_heavy(&self) -> bool {
        may_merge_for_long(self.updates.iter().map(|UpdateV1(bytes)| bytes.len()).sum(), 0)
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
