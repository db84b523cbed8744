//! WebSocket framing (RFC 6455) over an already upgraded stream, with shared frames and small connections.
//!
//! 1. The HTTP layer upgrades ([`handshake`] checks the request and makes the accept key; [`client::connect`] is the
//!    other end) and hands over the stream and the bytes it had already read.
//! 2. [`WebSocket::poll_receive`] reads into one scratch buffer per thread and copies whole messages out of it.
//! 3. [`WebSocket::poll_send`] writes frames that were encoded once ([`frame`]) and are shared by all who receive them.
//! 4. [`WebSocket::poll_close`] says why, then reads and discards until the peer has heard it.
//!
//! Invariants:
//! - An idle connection owns no buffer: what it holds is the struct.
//! - Nothing is allocated for bytes that are announced but have not arrived; nothing grows beyond [`Limits`].
//! - What has arrived of the long messages of all connections is bounded by the [`ReceiveBudget`], but for the first 64 KiB of
//!   each, and for one message at a time that goes on beyond it.
//! - A frame is never copied on its way to a stream that writes vectored.
//! - Own control frames go between frames, never inside one; at most one pong waits.
//! - No extensions: reserved bits are an error. No timer but the one in [`WebSocket::close`].

mod assembler;
mod budget;
pub mod client;
mod error;
pub mod frame;
pub mod handshake;
mod limits;
mod mask;
mod scratch;
mod socket;

pub use assembler::CloseFrame;
pub use budget::ReceiveBudget;
pub use error::{ProtocolError, WsError};
pub use frame::Opcode;
pub use limits::Limits;
pub use socket::{Incoming, Role, WebSocket};
