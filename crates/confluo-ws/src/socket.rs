//! One connection: what it holds between two polls.

mod close;
mod receive;
mod send;

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Limits;
use crate::assembler::{Assembler, CloseFrame};
use crate::budget::{Purse, ReceiveBudget};
use crate::frame::{self, Opcode};
use crate::mask::random_key;
use close::Closing;

/// Which end of the connection this is. A client masks what it sends, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted the upgrade.
    Server,
    /// The end that asked for it.
    Client,
}

/// What [`WebSocket::poll_receive`] yields. Each is a sign of life.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message; text is valid UTF-8.
    Message {
        /// The payload of all its fragments, in an allocation of exactly that size.
        bytes: Bytes,
        /// Text, not binary.
        is_text: bool,
    },
    /// A ping. Its pong is already on its way.
    Ping,
    /// A pong, with the payload of the ping it answers.
    Pong(Bytes),
    /// The peer's close. The answer waits to be sent: call [`WebSocket::close`] or [`WebSocket::poll_close`].
    Closed(Option<CloseFrame>),
}

/// A WebSocket over a stream that has been upgraded. Dropping it drops the stream without a close frame.
pub struct WebSocket<S> {
    stream: S,
    role: Role,
    limits: Limits,
    assembler: Assembler,
    /// Bytes that were read and not yet consumed: the messages behind the one that was returned, or an incomplete header.
    unread: Bytes,
    /// The rest of a frame that has begun to go out. Nothing else may be written before it.
    partial: Bytes,
    /// The pong that waits, whole. A later ping replaces it (RFC 6455, section 5.5.3), so a flood is bounded.
    pong: Bytes,
    /// The stream took bytes that it may still hold.
    unflushed: bool,
    closing: Closing,
    reads: u32,
    received: u32,
    sent: u32,
    budget: Option<Arc<ReceiveBudget>>,
    /// While a long message arrives.
    purse: Option<Box<Purse>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A connection over `stream`, of which `leftover` had already been read by the HTTP layer.
    pub fn new(stream: S, role: Role, leftover: Bytes, limits: Limits) -> Self {
        Self {
            stream,
            role,
            limits,
            assembler: Assembler::new(role, limits.max_message_bytes),
            unread: leftover,
            partial: Bytes::new(),
            pong: Bytes::new(),
            unflushed: false,
            closing: Closing::Open,
            reads: 0,
            received: 0,
            sent: 0,
            budget: None,
            purse: None,
        }
    }

    /// The same, sharing a bound on long messages with other connections.
    #[must_use]
    pub fn with_budget(self, budget: Arc<ReceiveBudget>) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// The stream below, for its addresses and socket options.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Changes [`Limits::max_message_bytes`] from the next message on: a peer may be trusted with more once it is known.
    pub fn set_max_message_bytes(&mut self, max_message_bytes: usize) {
        self.limits.max_message_bytes = max_message_bytes;
        self.assembler.set_max_message_bytes(max_message_bytes);
    }

    /// Counts the reads that brought bytes (and wraps): a connection whose count moved since it was last looked at is
    /// alive, even in the middle of one long message. One that is not read for want of budget counts as alive.
    pub fn activity(&self) -> u32 {
        self.reads
    }

    /// Counts the bytes that came (and wraps), of whatever frames.
    pub fn received_bytes(&self) -> u32 {
        self.received
    }

    /// Counts the bytes that the stream has taken (and wraps), of whatever frames.
    pub fn sent_bytes(&self) -> u32 {
        self.sent
    }

    /// One whole frame as this end must send it: a client's is masked.
    pub fn encode(&self, opcode: Opcode, payload: &[u8]) -> Bytes {
        match self.role {
            Role::Server => frame::encode(opcode, payload),
            Role::Client => frame::encode_masked(opcode, payload, random_key()),
        }
    }
}

impl<S> std::fmt::Debug for WebSocket<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebSocket")
            .field("role", &self.role)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_its_struct_and_nothing_else() {
        let own_bytes = size_of::<WebSocket<()>>();
        assert!(own_bytes <= 304, "{own_bytes} bytes");
        let socket = WebSocket::new(tokio::io::empty(), Role::Server, Bytes::new(), Limits::default());
        assert!(socket.unread.is_empty() && socket.partial.is_empty() && socket.pong.is_empty());
    }
}
