//! What takes too long to do among other tasks.

use confluo_protocol::{Access, Message, SyncMessage, UpdateV1};

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
        /// Of state vectors and awareness, whose entries take two or three bytes each.
        const HEAVY_ENTRIES_BYTES: usize = 256 << 10;
        let mut entries_bytes: usize = inputs.iter().map(entries_bytes).sum();
        if self.waiting_bytes > HEAVY_ENTRIES_BYTES && self.takes_what_waits(inputs) {
            let vectors = self.waiting.iter().filter(|(_, content)| matches!(content, Content::Step1(_)));
            entries_bytes += vectors.map(|(_, vector)| vector.len()).sum::<usize>();
        }
        if entries_bytes > HEAVY_ENTRIES_BYTES || self.may_write_long_question(inputs) {
            return true;
        }
        let document_bytes = self.document_bytes();
        if (self.will_merge(inputs) && self.merges_heavily(inputs)) || self.document.places_outgrow(document_bytes) {
            return true;
        }
        document_bytes > HEAVY_DOCUMENT_BYTES
            && self.takes_what_waits(inputs)
            && (self.waiting.iter().any(|(_, content)| takes_encoding(content))
                || inputs.iter().any(|input| self.input_takes_encoding(input)))
    }

    /// Whether somebody may be asked for what the document lacks, and all of its many clients would be listed for that.
    fn may_write_long_question(&self, inputs: &[RoomInput]) -> bool {
        const MANY_CLIENTS: usize = 50_000;
        let may_ask = |input: &RoomInput| matches!(input, RoomInput::Joined(_)) || update_bytes(input) > 0;
        self.document.client_count() > MANY_CLIENTS
            && !self.full_state.has_question()
            && (!self.early_sessions.is_empty() || !self.waiting.is_empty() || inputs.iter().any(may_ask))
    }

    fn input_takes_encoding(&self, input: &RoomInput) -> bool {
        match input {
            RoomInput::CaughtUp(_) | RoomInput::Received(_, Message::Sync(SyncMessage::Step1(_))) => true,
            // A reader's: so it may be by these inputs, too, where it joins or its access is reduced.
            RoomInput::Received(id, Message::Sync(SyncMessage::Step2(_))) => {
                self.sessions.get(id).is_none_or(|session| session.access == Access::Read)
            }
            RoomInput::AccessChanged(_, access) => *access == Access::Read,
            _ => false,
        }
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
        has_updates && self.takes_what_waits(inputs)
    }

    /// Whether to drop this may take longer than a moment.
    pub fn is_heavy_to_free(&self) -> bool {
        const HEAVY_DOCUMENT_BYTES: usize = 64 << 10;
        self.document_bytes() > HEAVY_DOCUMENT_BYTES || self.document.has_subdocuments()
    }

    fn takes_what_waits(&self, inputs: &[RoomInput]) -> bool {
        let ends = |in_flight: &InFlight| {
            inputs.iter().any(|input| matches!(input, RoomInput::Committed(through) if *through >= in_flight.seq))
        };
        self.in_flight.as_ref().is_none_or(ends)
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

/// Of a reader's answer, to see whether it deletes anything new.
fn takes_encoding(content: &Content) -> bool {
    matches!(
        content,
        Content::Step1(_) | Content::CaughtUp | Content::Update { is_answer: true, access: Access::Read, .. }
    )
}

fn update_bytes(input: &RoomInput) -> usize {
    match input {
        RoomInput::Received(_, Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update))) => {
            update.0.len()
        }
        _ => 0,
    }
}

fn entries_bytes(input: &RoomInput) -> usize {
    match input {
        RoomInput::Received(_, Message::Sync(SyncMessage::Step1(vector))) => vector.0.len(),
        RoomInput::Received(_, Message::Awareness(entries)) => entries.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use confluo_protocol::{LineageId, SessionId, StateVectorV1, Writer};

    use super::*;
    use crate::{Joining, LineageClaim, RoomConfig};

    const SESSION: SessionId = SessionId(1);

    fn received(message: Message) -> RoomInput {
        RoomInput::Received(SESSION, message)
    }

    fn vector_of(bytes: usize) -> RoomInput {
        received(Message::Sync(SyncMessage::Step1(StateVectorV1(vec![1; bytes].into()))))
    }

    fn awareness_of(bytes: usize) -> RoomInput {
        received(Message::Awareness(vec![1; bytes].into()))
    }

    /// Of one client.
    fn text_of(letters: usize) -> Message {
        let mut update = Writer::default();
        update.write_raw(&[1, 1, 1, 0, 4, 1, 1, b'r']).write_var_bytes(&vec![b'a'; letters]).write_raw(&[0]);
        Message::Sync(SyncMessage::Update(UpdateV1(update.finish())))
    }

    fn joining(session: SessionId, access: Access) -> Joining {
        Joining { session, access, user: None, address: None, lineage: LineageClaim::Unaware }
    }

    fn room_with_writer() -> (Room, Instant) {
        let stored = StoredState::none(LineageId([1; 16]));
        let (mut room, _) = Room::open(RoomConfig::default(), stored).expect("opens");
        let now = confluo_testkit::network::start_of_time();
        room.handle(now, [RoomInput::Joined(joining(SESSION, Access::Write))]);
        (room, now)
    }

    /// A vector or a message of presence is read entry by entry, and may be as long as a document.
    #[test]
    fn fr7_what_is_long_to_read_is_heavy_however_small_the_document() {
        let (mut room, now) = room_with_writer();
        for long in [vector_of(300 << 10), awareness_of(300 << 10)] {
            assert!(room.is_heavy(&[long]));
        }
        let many = [vector_of(200 << 10), awareness_of(200 << 10)];
        assert!(!room.is_heavy(&many[..1]) && room.is_heavy(&many));
        // While a commit is in flight it waits.
        let effects = room.handle(now, [received(text_of(1))]);
        let seq = effects.commit.expect("a commit").seq;
        room.handle(now, [vector_of(300 << 10)]);
        assert!(!room.is_heavy(&[RoomInput::Tick]) && room.is_heavy(&[RoomInput::Committed(seq)]));
    }

    /// To answer a step 1, to bring somebody up to date, and to see whether a reader's answer deletes anything new.
    #[test]
    fn fr7_what_takes_the_whole_of_a_large_document_is_heavy_once_it_is_its_turn() {
        const READER: SessionId = SessionId(2);
        let (mut room, now) = room_with_writer();
        let effects = room.handle(now, [received(text_of(600 << 10))]);
        let large = effects.commit.expect("a commit").seq;
        room.handle(now, [RoomInput::Committed(large), RoomInput::Joined(joining(READER, Access::Read))]);
        let answer_of = |session| {
            let nothing = UpdateV1(Bytes::from_static(&[0, 0]));
            RoomInput::Received(session, Message::Sync(SyncMessage::Step2(nothing)))
        };
        assert!(!room.is_heavy(&[answer_of(SESSION)]), "a writer's answer is merged");
        let newcomer = SessionId(3);
        let heavy = [
            vec![vector_of(1)],
            vec![RoomInput::CaughtUp(READER)],
            vec![answer_of(READER)],
            vec![RoomInput::Joined(joining(newcomer, Access::Read)), answer_of(newcomer)],
            vec![RoomInput::AccessChanged(SESSION, Access::Read), answer_of(SESSION)],
        ];
        for inputs in &heavy {
            assert!(room.is_heavy(inputs), "{inputs:?}");
        }
        let letter = UpdateV1(Bytes::from_static(&[1, 1, 2, 0, 4, 1, 1, b's', 1, b'a', 0]));
        let effects = room.handle(now, [received(Message::Sync(SyncMessage::Update(letter)))]);
        let seq = effects.commit.expect("a commit").seq;
        for mut inputs in heavy {
            assert!(!room.is_heavy(&inputs), "it waits for the commit in flight: {inputs:?}");
            inputs.push(RoomInput::Committed(seq));
            assert!(room.is_heavy(&inputs), "{inputs:?}");
        }
        room.handle(now, [vector_of(1)]);
        assert!(!room.is_heavy(&[RoomInput::Tick]) && room.is_heavy(&[RoomInput::Committed(seq)]));
    }
}
