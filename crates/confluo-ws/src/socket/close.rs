//! Closing so that the peer hears why.
//!
//! A socket that is dropped with unread bytes is reset, and a reset can overtake the close frame on its way to the
//! peer's program. So the closing end says its close, then reads on and throws away, bounded in bytes and time, until
//! the peer's own close or the end of its stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::WebSocket;
use super::receive::Step;
use crate::assembler::{CloseFrame, Event};
use crate::error::WsError;
use crate::frame::{Opcode, close_payload};
use crate::scratch::with_scratch;

/// How far the end has come.
#[derive(Debug)]
pub(super) enum Closing {
    /// Both directions are open.
    Open,
    /// Our close frame goes out; then the peer's is awaited.
    Saying { frame: Bytes, then: Await },
    /// Our close has gone out; what the peer still sends is thrown away.
    Discarding { bytes: u64, until: Await },
    /// Our direction is being shut down.
    ShuttingDown { then: Await },
    /// Nothing is left to do.
    Done,
    /// The peer can no longer be understood, but can be told.
    Failed(Await),
}

/// What ends the discarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Await {
    /// The peer's close came first; nothing.
    Nothing,
    /// The peer's close frame, or its end.
    CloseFrame,
    /// The end of its stream, which follows our own: after broken framing no close frame can be made out.
    End,
}

impl Closing {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// The stream has ended: nobody is left to be told.
    pub(super) fn lose(&mut self) {
        *self = Self::Done;
    }

    pub(super) fn count_discarded(&mut self, arrived: usize) {
        if let Self::Discarding { bytes, .. } = self {
            *bytes += arrived as u64;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Begins to close with `code` and `reason` (cut to 123 bytes), behind a frame that has begun to go out, in front of
    /// all that has not. Does nothing where a close is already on its way. [`poll_close`](Self::poll_close) does the work.
    pub fn begin_close(&mut self, code: u16, reason: &str) {
        let then = match self.closing {
            Closing::Open => Await::CloseFrame,
            Closing::Failed(then) => then,
            _ => return,
        };
        let frame = self.encode(Opcode::Close, &close_payload(code, reason));
        self.say_close(frame, then);
    }

    /// Drives a close that has begun to its end: the close frame goes out, the peer's answer is awaited while up to
    /// [`Limits::close_discard_bytes`](crate::Limits::close_discard_bytes) are thrown away, the stream is shut down. The
    /// caller bounds it in time. An error means that the peer may not have heard it.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        loop {
            match &mut self.closing {
                Closing::Open | Closing::Done => return Poll::Ready(Ok(())),
                Closing::Failed(_) => self.begin_close(1011, ""),
                Closing::Saying { frame, then } => {
                    let then = *then;
                    let mut frames = VecDeque::new();
                    if !frame.is_empty() {
                        frames.push_back(std::mem::take(frame));
                    }
                    let sent = self.poll_write_all(cx, &mut frames);
                    if let (Some(unsent), Closing::Saying { frame, .. }) = (frames.pop_front(), &mut self.closing) {
                        *frame = unsent;
                    }
                    if let Err(error) = ready!(sent) {
                        self.closing = Closing::Done;
                        return Poll::Ready(Err(error));
                    }
                    self.closing = match then {
                        Await::CloseFrame => Closing::Discarding { bytes: 0, until: then },
                        Await::Nothing | Await::End => Closing::ShuttingDown { then },
                    };
                }
                Closing::ShuttingDown { then } => {
                    let then = *then;
                    // The peer may be gone already, which is what we wanted.
                    let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
                    self.closing = match then {
                        Await::End => Closing::Discarding { bytes: 0, until: then },
                        Await::Nothing | Await::CloseFrame => Closing::Done,
                    };
                }
                Closing::Discarding { until: Await::CloseFrame, .. } => {
                    ready!(self.poll_discard_frames(cx));
                    self.closing = Closing::ShuttingDown { then: Await::Nothing };
                }
                Closing::Discarding { .. } => {
                    ready!(self.poll_discard_bytes(cx));
                    self.closing = Closing::Done;
                }
            }
        }
    }

    /// Closes and waits until the peer knows, at most
    /// [`Limits::close_timeout`](crate::Limits::close_timeout). After a peer's close its answer goes out instead.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), WsError> {
        self.begin_close(code, reason);
        let limit = self.limits.close_timeout;
        match tokio::time::timeout(limit, std::future::poll_fn(|cx| self.poll_close(cx))).await {
            Ok(result) => result,
            Err(_elapsed) => Err(WsError::ConnectionLost),
        }
    }

    /// The peer closed: its code is the answer (RFC 6455, section 5.5.1).
    pub(super) fn answer_close(&mut self, close_frame: Option<&CloseFrame>) {
        let payload = close_frame.map_or_else(Vec::new, |close_frame| close_frame.code.to_be_bytes().to_vec());
        let frame = self.encode(Opcode::Close, &payload);
        self.say_close(frame, Await::Nothing);
    }

    /// After this the peer is not listened to, but it may be told why.
    pub(super) fn note_failure(&mut self, error: &WsError) {
        self.closing = match error {
            WsError::MessageTooLarge { .. } => Closing::Failed(Await::CloseFrame),
            WsError::Protocol(_) | WsError::InvalidUtf8 => Closing::Failed(Await::End),
            WsError::Io(_) | WsError::ConnectionLost | WsError::AlreadyClosed => Closing::Done,
        };
        self.discard_arrived();
    }

    fn discard_arrived(&mut self) {
        self.assembler.discard();
        self.purse = None;
    }

    fn say_close(&mut self, frame: Bytes, then: Await) {
        // After a close no pong may follow, and nobody waits for it any more.
        self.pong = Bytes::new();
        self.discard_arrived();
        self.closing = Closing::Saying { frame, then };
    }

    fn is_discard_exhausted(&self) -> bool {
        matches!(self.closing, Closing::Discarding { bytes, .. } if bytes > self.limits.close_discard_bytes)
    }

    /// Skips frame by frame to the peer's close, the end of its stream, or the bound.
    fn poll_discard_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_discard_exhausted() {
            match ready!(self.poll_step(cx)) {
                Ok(Step::Event(Event::Close(_)) | Step::End) => break,
                Ok(Step::Event(_) | Step::NeedsMore) => {}
                // What follows is no longer frames.
                Err(WsError::Protocol(_) | WsError::InvalidUtf8) => return self.poll_discard_bytes(cx),
                Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Reads to the end of the peer's stream or the bound, whatever it says.
    fn poll_discard_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.unread = Bytes::new();
        while !self.is_discard_exhausted() {
            let read = with_scratch(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                Pin::new(&mut self.stream).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            });
            match ready!(read) {
                Ok(arrived) if arrived > 0 => self.closing.count_discarded(arrived),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}
