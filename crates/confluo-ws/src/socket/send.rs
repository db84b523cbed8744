//! Writing: all that waits in as few calls as possible, without copying a frame.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};

use super::WebSocket;
use crate::error::WsError;
use crate::frame::Opcode;
use crate::scratch::with_scratch;

/// How many frames one vectored write takes at most.
const MAX_SLICES: usize = 64;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Writes `frames`, each one whole frame as this end must send it (see [`crate::frame`] for a server,
    /// [`WebSocket::encode`] for either role), and takes out what has gone. `Ready` when nothing waits any more. A frame
    /// that went out in part is taken out too and kept here, so the caller may change its queue between two calls.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), WsError>> {
        if !self.closing.is_open() {
            return Poll::Ready(Err(WsError::AlreadyClosed));
        }
        self.poll_write_all(cx, frames)
    }

    /// Sends one message and waits until the stream has taken it.
    pub async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), WsError> {
        let mut frames = VecDeque::from([self.encode(opcode, payload)]);
        self.send_frames(&mut frames).await
    }

    /// [`poll_send`](Self::poll_send) to be awaited. Dropping the future leaves in `frames` what has not begun to go.
    pub async fn send_frames(&mut self, frames: &mut VecDeque<Bytes>) -> Result<(), WsError> {
        std::future::poll_fn(|cx| self.poll_send(cx, frames)).await
    }

    /// Whether something waits that was given to this connection or is its own: the rest of a frame, a pong, or what the
    /// stream took and may still hold. `poll_send` with no frames moves it.
    pub fn has_unsent(&self) -> bool {
        self.has_unwritten() || self.unflushed
    }

    fn has_unwritten(&self) -> bool {
        !self.partial.is_empty() || !self.pong.is_empty()
    }

    /// Writes what this connection itself has waiting: the rest of a frame, and a pong.
    pub(super) fn poll_flush_own(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.poll_write_all(cx, &mut VecDeque::new())
    }

    pub(super) fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Bytes>,
    ) -> Poll<Result<(), WsError>> {
        while self.has_unwritten() || !frames.is_empty() {
            let written = ready!(self.poll_write_some(cx, frames))?;
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
            }
            self.sent = self.sent.wrapping_add(written as u32);
            self.take_written(written, frames);
            self.unflushed = true;
        }
        // Where the stream buffers (TLS does), what was written must also leave.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_write_some(&mut self, cx: &mut Context<'_>, frames: &VecDeque<Bytes>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let waiting = [&self.partial, &self.pong].into_iter().chain(frames).filter(|frame| !frame.is_empty());
        if stream.is_write_vectored() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(waiting) {
                *slice = IoSlice::new(frame);
                count += 1;
            }
            return stream.poll_write_vectored(cx, &slices[..count]);
        }
        with_scratch(|scratch| {
            let mut filled = 0;
            for frame in waiting {
                let fits = frame.len().min(scratch.len() - filled);
                scratch[filled..filled + fits].copy_from_slice(&frame[..fits]);
                filled += fits;
                if filled == scratch.len() {
                    break;
                }
            }
            stream.poll_write(cx, &scratch[..filled])
        })
    }

    /// Takes out what the stream has taken; the rest of a frame that went in part becomes `partial`.
    fn take_written(&mut self, mut written: usize, frames: &mut VecDeque<Bytes>) {
        while written > 0 {
            let mut frame = if !self.partial.is_empty() {
                std::mem::take(&mut self.partial)
            } else if !self.pong.is_empty() {
                std::mem::take(&mut self.pong)
            } else if let Some(frame) = frames.pop_front() {
                frame
            } else {
                return;
            };
            let gone = written.min(frame.len());
            frame.advance(gone);
            written -= gone;
            self.partial = frame;
        }
        if self.partial.is_empty() {
            // An empty rest would still hold its allocation.
            self.partial = Bytes::new();
        }
    }
}
