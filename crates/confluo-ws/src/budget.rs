//! What the long messages of many connections may hold together.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So much of a message is free, and what is more is counted in pieces of it.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// A bound on what long messages hold, shared by connections: [`WebSocket::with_budget`](crate::WebSocket::with_budget).
///
/// A message takes its share as it arrives, once it is longer than 64 KiB, and gives it back when the last of its bytes is
/// dropped, wherever they went. A connection that finds nothing left reads no further until there is: it is slowed down
/// and never closed. Of those that wait, one at a time goes on all the same, or they might all wait for each other; so the
/// bound may be exceeded by one message.
pub struct ReceiveBudget {
    pieces: Arc<Semaphore>,
    total_pieces: usize,
    /// Who has it needs no more pieces.
    turn: Arc<Semaphore>,
    on_wait: Box<dyn Fn() + Send + Sync>,
}

impl ReceiveBudget {
    /// Of so many bytes. `on_wait` hears of each time that a connection has to wait.
    pub fn new(bytes: usize, on_wait: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let total_pieces = bytes.div_ceil(PIECE_BYTES).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            pieces: Arc::new(Semaphore::new(total_pieces)),
            total_pieces,
            turn: Arc::new(Semaphore::new(1)),
            on_wait: Box::new(on_wait),
        })
    }

    /// What is taken now, in bytes; less what goes on beyond the bound.
    pub fn taken_bytes(&self) -> usize {
        (self.total_pieces - self.pieces.available_permits()) * PIECE_BYTES
    }

    async fn wait(self: Arc<Self>, pieces: u32) -> Share {
        tokio::select! {
            biased;
            pieces = Arc::clone(&self.pieces).acquire_many_owned(pieces) => Share { pieces: pieces.ok(), turn: None },
            turn = Arc::clone(&self.turn).acquire_owned() => Share { pieces: None, turn: turn.ok() },
        }
    }
}

impl fmt::Debug for ReceiveBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReceiveBudget").field("taken_bytes", &self.taken_bytes()).finish_non_exhaustive()
    }
}

/// What one message holds of the budget.
#[derive(Debug, Default)]
struct Share {
    pieces: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Share {
    fn add(&mut self, more: Self) {
        match (&mut self.pieces, more.pieces) {
            (Some(pieces), Some(more)) => pieces.merge(more),
            (pieces, more) => *pieces = pieces.take().or(more),
        }
        self.turn = self.turn.take().or(more.turn);
    }

    fn covers(&self, pieces: usize) -> bool {
        self.turn.is_some() || self.pieces() >= pieces
    }

    fn pieces(&self) -> usize {
        self.pieces.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

/// What the message that is arriving has taken so far, and what it waits for.
pub(crate) struct Purse {
    budget: Arc<ReceiveBudget>,
    share: Share,
    waiting: Option<Pin<Box<dyn Future<Output = Share> + Send>>>,
}

impl Purse {
    pub(crate) fn new(budget: Arc<ReceiveBudget>) -> Self {
        Self { budget, share: Share::default(), waiting: None }
    }

    /// Ready when a message of which so many bytes have arrived may go on.
    pub(crate) fn poll_cover(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        let pieces = bytes / PIECE_BYTES;
        while !self.share.covers(pieces) {
            if let Some(waiting) = &mut self.waiting {
                let more = ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
                self.share.add(more);
                continue;
            }
            let missing = (pieces - self.share.pieces()) as u32;
            if let Ok(more) = Arc::clone(&self.budget.pieces).try_acquire_many_owned(missing) {
                self.share.add(Share { pieces: Some(more), turn: None });
            } else {
                (self.budget.on_wait)();
                self.waiting = Some(Box::pin(Arc::clone(&self.budget).wait(missing)));
            }
        }
        Poll::Ready(())
    }

    /// The message is whole: it takes its share with it.
    pub(crate) fn attach(self, message: Bytes) -> Bytes {
        Bytes::from_owner(Message { bytes: message, _share: self.share })
    }
}

struct Message {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
