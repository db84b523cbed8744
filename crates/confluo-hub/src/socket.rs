//! What a session needs of its transport: a WebSocket today, something else tomorrow.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use bytes::Bytes;
use confluo_protocol::{CloseCode, Frame};

/// What came from the peer.
#[derive(Debug)]
pub enum Received {
    /// One binary frame's payload: one or more protocol messages.
    Message(Bytes),
    /// A sign of life without content.
    Activity,
    /// The peer closed, or the network did.
    Closed,
    /// The peer broke a rule of the transport or of its limits.
    Refused {
        /// How the session must be closed.
        code: CloseCode,
        /// In words that are safe to show.
        reason: String,
    },
}

/// One client's transport. All methods register the task's waker when they return [`Poll::Pending`].
pub trait SessionSocket: Send + 'static {
    /// The next thing from the peer. Not called again after [`Received::Closed`] or [`Received::Refused`].
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received>;

    /// A number that changes whenever any bytes came from the peer.
    fn activity(&self) -> u32;

    /// Counts the bytes that came from the peer (and wraps): of messages, whole or not, and of whatever else it says.
    fn received_bytes(&self) -> u32;

    /// Counts the bytes that the peer's network has taken (and wraps), of frames that have not gone whole, too.
    fn sent_bytes(&self) -> u32;

    /// A frame's bytes as this transport sends them, shared if they can be.
    fn encode(frame: Frame) -> Bytes;

    /// What asks the peer for a sign of life.
    fn encode_ping() -> Bytes;

    /// Writes all of `frames`, in as few system calls as possible, and takes out what has gone. A frame of which a part has
    /// gone is taken out too and kept by the socket, so the queue may be changed between two calls.
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>>;

    /// Says why and ends the connection, so that the code arrives; bounded in time by the transport.
    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<()>;
}

/// The transport is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is lost")]
pub struct SocketLost;
