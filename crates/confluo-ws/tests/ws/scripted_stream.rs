//! A stream that gives and takes exactly what a test says, polled by hand.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use confluo_ws::{Incoming, Limits, Role, WebSocket, WsError, frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A key that makes masked bytes easy to tell from plain ones.
pub(crate) const KEY: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];

/// How much each coming write takes; shared, so that a test can grant more while a socket holds the stream.
pub(crate) type Budgets = Rc<RefCell<VecDeque<usize>>>;

pub(crate) fn budgets(budgets: impl IntoIterator<Item = usize>) -> Budgets {
    Rc::new(RefCell::new(budgets.into_iter().collect()))
}

pub(crate) struct ScriptedStream {
    /// Each chunk is one read.
    pub(crate) input: VecDeque<Vec<u8>>,
    pub(crate) ends: bool,
    pub(crate) output: Vec<u8>,
    /// Empty: nothing is taken.
    pub(crate) budgets: Budgets,
    /// What was taken does not leave yet: a flush pends. Shared as the budgets are.
    pub(crate) holds_back: Rc<Cell<bool>>,
    pub(crate) is_vectored: bool,
    pub(crate) writes: usize,
    pub(crate) is_shut_down: bool,
}

impl ScriptedStream {
    /// Reads yield `chunks`, then pend; writes are taken whole.
    pub(crate) fn new(chunks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            input: chunks.into_iter().collect(),
            ends: false,
            output: Vec::new(),
            budgets: budgets([usize::MAX; 1000]),
            holds_back: Rc::default(),
            is_vectored: true,
            writes: 0,
            is_shut_down: false,
        }
    }
}

impl AsyncRead for ScriptedStream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut chunk) = self.input.pop_front() else {
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let fits = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..fits]);
        chunk.drain(..fits);
        if !chunk.is_empty() {
            self.input.push_front(chunk);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ScriptedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(budget) = self.budgets.borrow_mut().pop_front() else { return Poll::Pending };
        self.writes += 1;
        let before = self.output.len();
        for slice in slices {
            let left = budget - (self.output.len() - before);
            self.output.extend_from_slice(&slice[..slice.len().min(left)]);
        }
        Poll::Ready(Ok(self.output.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds_back.get() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

pub(crate) fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub(crate) fn server(stream: &mut ScriptedStream) -> WebSocket<&mut ScriptedStream> {
    server_with(stream, Limits::default())
}

pub(crate) fn server_with(stream: &mut ScriptedStream, limits: Limits) -> WebSocket<&mut ScriptedStream> {
    WebSocket::new(stream, Role::Server, Bytes::new(), limits)
}

/// What a server makes of `chunks`, one read each, up to the first error.
pub(crate) fn receive_all(
    chunks: impl IntoIterator<Item = Vec<u8>>,
    limits: Limits,
) -> (Vec<Incoming>, Option<WsError>) {
    let mut stream = ScriptedStream::new(chunks);
    let mut socket = server_with(&mut stream, limits);
    let mut received = Vec::new();
    loop {
        match socket.poll_receive(&mut cx()) {
            Poll::Ready(Ok(incoming)) => {
                let is_last = matches!(incoming, Incoming::Closed(_));
                received.push(incoming);
                if is_last {
                    return (received, None);
                }
            }
            Poll::Ready(Err(error)) => return (received, Some(error)),
            Poll::Pending => return (received, None),
        }
    }
}

/// A client's frame with any first byte, so that rules can be broken.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame::encode_masked(confluo_ws::Opcode::Binary, payload, KEY).to_vec();
    bytes[0] = first;
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
