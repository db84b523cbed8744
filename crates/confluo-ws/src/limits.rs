//! What one connection may cost.

use std::time::Duration;

/// The bounds of one connection. Every bound says what happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes of payload over all its fragments. A longer one is refused with
    /// [`WsError::MessageTooLarge`](crate::WsError::MessageTooLarge) as soon as a frame header announces it, before its
    /// bytes are buffered.
    pub max_message_bytes: usize,
    /// How many bytes a closing connection still reads and throws away while it waits for the peer's close. Beyond it
    /// the connection is dropped.
    pub close_discard_bytes: u64,
    /// How long [`WebSocket::close`](crate::WebSocket::close) waits in all. Afterwards the connection is dropped.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 16 * 1024 * 1024,
            // A client that sends a hundred times too much is still read to its end.
            close_discard_bytes: 2 * 1024 * 1024 * 1024,
            close_timeout: Duration::from_secs(10),
        }
    }
}
