//! Reading: from the thread's scratch buffer, with as little kept as possible.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Incoming, WebSocket};
use crate::assembler::Event;
use crate::budget::{PIECE_BYTES, Purse};
use crate::error::WsError;
use crate::frame::Opcode;
use crate::scratch::with_scratch;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The next thing that the peer says. Pings are answered from here, between frames.
    ///
    /// After an error nothing more is received; the error's [`close_code`](WsError::close_code) says whether the peer can
    /// still be told.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, WsError>> {
        if !self.closing.is_open() {
            return Poll::Ready(Err(WsError::AlreadyClosed));
        }
        if !self.pong.is_empty() {
            // A stream that takes nothing now must not keep us from reading.
            let _ = self.poll_flush_own(cx)?;
        }
        let event = loop {
            match ready!(self.poll_step(cx)) {
                Ok(Step::Event(event)) => break event,
                Ok(Step::NeedsMore) => {}
                Ok(Step::End) => {
                    self.closing.lose();
                    return Poll::Ready(Err(WsError::ConnectionLost));
                }
                Err(error) => {
                    self.note_failure(&error);
                    return Poll::Ready(Err(error));
                }
            }
        };
        Poll::Ready(Ok(match event {
            Event::Message { bytes, is_text } => {
                let bytes = match self.purse.take() {
                    Some(purse) => purse.attach(bytes),
                    None => bytes,
                };
                Incoming::Message { bytes, is_text }
            }
            Event::Pong(payload) => Incoming::Pong(payload),
            Event::Ping(payload) => {
                self.pong = self.encode(Opcode::Pong, &payload);
                let _ = self.poll_flush_own(cx)?;
                Incoming::Ping
            }
            Event::Close(close_frame) => {
                self.answer_close(close_frame.as_ref());
                Incoming::Closed(close_frame)
            }
        }))
    }

    /// [`poll_receive`](Self::poll_receive) to be awaited. Dropping the future loses nothing.
    pub async fn receive(&mut self) -> Result<Incoming, WsError> {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// The next event in what has been read, or one more read.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, WsError>> {
        if !self.unread.is_empty() {
            let mut input: &[u8] = &self.unread;
            let outcome = self.assembler.next(&mut input);
            let consumed = self.unread.len() - input.len();
            self.unread.advance(consumed);
            if self.unread.is_empty() {
                // An empty rest would still hold its allocation.
                self.unread = Bytes::new();
            }
            if let Some(event) = outcome? {
                return Poll::Ready(Ok(Step::Event(event)));
            }
        }
        ready!(self.poll_cover(cx));
        self.poll_read(cx)
    }

    /// Ready when the message that is arriving may go on.
    fn poll_cover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let arrived = self.assembler.arrived_bytes();
        if arrived < PIECE_BYTES {
            return Poll::Ready(());
        }
        let Some(budget) = &self.budget else { return Poll::Ready(()) };
        let purse = self.purse.get_or_insert_with(|| Box::new(Purse::new(Arc::clone(budget))));
        let covered = purse.poll_cover(cx, arrived);
        if covered.is_pending() {
            self.reads = self.reads.wrapping_add(1);
        }
        covered
    }

    /// One read behind what is unread, and the first event in it; what follows that event is kept for the next call.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, WsError>> {
        with_scratch(|scratch| {
            let kept = self.unread.len();
            scratch[..kept].copy_from_slice(&self.unread);
            let mut buffer = ReadBuf::new(&mut scratch[kept..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let arrived = buffer.filled().len();
            if arrived == 0 {
                return Poll::Ready(Ok(Step::End));
            }
            self.reads = self.reads.wrapping_add(1);
            self.received = self.received.wrapping_add(arrived as u32);
            self.closing.count_discarded(arrived);
            let mut input = &scratch[..kept + arrived];
            let outcome = self.assembler.next(&mut input);
            self.unread = if input.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(input) };
            Poll::Ready(outcome.map(|event| event.map_or(Step::NeedsMore, Step::Event)))
        })
    }
}

/// What one step of reading brought.
pub(super) enum Step {
    Event(Event),
    NeedsMore,
    /// The peer's stream has ended.
    End,
}
