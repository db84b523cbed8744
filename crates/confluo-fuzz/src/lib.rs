//! What must hold for any bytes, of everything that reads bytes of others. The fuzzer (`fuzz/`) runs these for as long as
//! one likes, the tests of this crate for some seconds.
//!
//! 1. [`targets`] names them all, each with the bytes that it begins with.
//! 2. [`protocol`]: messages, awareness, state vectors, updates. [`names`]: documents' names and percent-encoding.
//! 3. [`websocket`]: frames, and both ends of the opening handshake.
//! 4. [`access`]: tokens, key sets, revocations, and the headers that say who asks and from where.
//! 5. [`stored`]: what lies on the disk, and the journal before it.
//! 6. [`wreck`]: what is left of an engine's file, for a salvage.
//! 7. [`mutation`] and [`seeds`]: bytes that are nearly right.

pub mod access;
pub mod mutation;
pub mod names;
pub mod protocol;
pub mod seeds;
pub mod stored;
pub mod targets;
pub mod websocket;
pub mod wreck;

pub use targets::{TARGETS, Target};
