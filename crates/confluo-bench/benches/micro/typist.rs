//! Somebody who types at the end of a text, one character after another.

use bytes::Bytes;
use confluo_protocol::{Message, SyncMessage, UpdateV1, Writer};

/// `ContentString` in a struct's info byte, and the bit that says that a left origin follows.
const STRING: u8 = 4;
const HAS_ORIGIN: u8 = 0x80;

pub(crate) struct Typist {
    client: u64,
    clock: u64,
}

impl Typist {
    pub(crate) fn new(client: u64) -> Self {
        Self { client, clock: 0 }
    }

    /// The update of the next keystroke, as Yjs makes it.
    pub(crate) fn keystroke(&mut self) -> UpdateV1 {
        let mut update = Writer::with_capacity(32);
        update.write_var_uint(1).write_var_uint(1).write_var_uint(self.client).write_var_uint(self.clock);
        if self.clock == 0 {
            update.write_raw(&[STRING]).write_var_uint(1).write_var_bytes(b"text");
        } else {
            update.write_raw(&[STRING | HAS_ORIGIN]).write_var_uint(self.client).write_var_uint(self.clock - 1);
        }
        update.write_var_bytes(b"k").write_var_uint(0);
        self.clock += 1;
        UpdateV1(update.finish())
    }

    /// It as a frame's payload.
    pub(crate) fn frame(&mut self) -> Bytes {
        Message::Sync(SyncMessage::Update(self.keystroke())).encode()
    }
}
