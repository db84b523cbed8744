//! Bytes to messages and back: everything that Confluo says or hears on the wire.
//!
//! 1. [`message`]: one frame's bytes to [`Message`]s and back.
//! 2. [`awareness`]: the entries inside an awareness message.
//! 3. [`update`]: the structural check of an untrusted Yjs update, and what it brings.
//! 4. [`state_vector`]: what a document or a peer knows.
//! 5. [`close_code`]: why the server ends a session, in one table.
//! 6. [`frame`]: what leaves, encoded once and shared.
//! 7. [`ids`]: the names and numbers of documents, sessions and clients.
//! 8. [`varint`]: the lib0 encoding that all of it stands on.
//!
//! The rules are numbered in `PROTOCOL.md` beside this crate; tests cite them.
//!
//! Invariants: untrusted bytes are parsed here and nowhere else; no input makes it panic; nothing is allocated beyond a
//! small multiple of the input; there is no IO, no clock and no dependency on a runtime or on yrs.

pub mod awareness;
pub mod close_code;
pub mod frame;
pub mod ids;
pub mod message;
pub mod state_vector;
pub mod update;
pub mod varint;

pub use awareness::{AwarenessEntry, AwarenessReader, AwarenessWriter};
pub use close_code::CloseCode;
pub use frame::Frame;
pub use ids::{
    Access, ClientId, ConnectionId, DocumentName, DocumentNameError, LineageId, Seq, SessionId, StateVectorV1,
    UpdateV1, UserId, percent_decode,
};
pub use message::{AuthMessage, Message, SyncMessage};
pub use state_vector::{StateVectorReader, check_state_vector, encode_clocks, encode_state_vector};
pub use update::{
    Admission, CheckedUpdate, ClockRange, Clocks, Early, MAX_CLOCK, Malformed, UpdateError, UpdateLimits, check_update,
    join_neighbours, join_updates,
};
pub use varint::{DecodeError, Reader, Writer};
