//! The room engine: batches in, effects out. No IO, no clock, no randomness; the outside brings all three.
//!
//! 1. [`Room::handle`] takes everything that has happened: joins, messages, commits that are on disk.
//! 2. Awareness is answered at once. Content becomes the next *batch*, which waits while a commit is in flight.
//! 3. The batch passes the structural check and admission (in `confluo-protocol`), is applied in **one** transaction
//!    and committed once. What the transaction changed, as one update, is what is stored and what is sent.
//! 4. [`Effects`] says what may leave now, and what must be made durable. What the batch brought is held until
//!    [`RoomInput::Committed`] says that it is on disk.
//! 5. Where no room is open, [`Inspection`] looks at a stored document, merges into it and renders it.
//!
//! Invariants: nothing of a document's content is in [`Effects::now`] before it is on disk; a session's messages are
//! taken in order; this is the only server-side crate that holds a `yrs::Doc`, in one place (`document`), and
//! nothing of yrs leaves it; a panic in yrs loses the document in memory and nothing else.

mod awareness;
mod batch;
mod creation;
mod document;
mod early;
mod effects;
mod full_state;
mod inspect;
mod presence;
mod reading;
mod room;
mod session;
mod size;
mod stored;
mod token_bucket;
mod weight;

pub use effects::{Counts, Effects, Joining, LineageClaim, NewRecord, Outgoing, RoomConfig, RoomInput};
pub use inspect::{InspectError, Inspection, RootKind, RootSize, update_from_v2};
pub use room::Room;
pub use stored::{RoomSnapshot, SinceSnapshot, StoredState};
pub use token_bucket::{Rate, TokenBucket};
