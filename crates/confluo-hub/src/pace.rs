//! How fast a session may send: too many messages end it, too many bytes are read more slowly.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use confluo_room::TokenBucket;
use tokio::time::Sleep;

use crate::config::SessionRates;

/// What an awareness message costs of the byte rate at least. They count towards no rate of messages, and a flood of tiny
/// ones that change nothing must not keep a room busy for others.
pub(crate) const LEAST_AWARENESS_COST: usize = 1 << 10;

/// The session has sent more messages than its rate and burst allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyMessages;

/// What one session has left of its rates. It has a timer only while it is read more slowly.
#[derive(Debug)]
pub(crate) struct Pace {
    messages: TokenBucket,
    bytes: TokenBucket,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { messages: TokenBucket::full(now), bytes: TokenBucket::full(now), pause: None }
    }

    /// Counts one message.
    pub(crate) fn take_message(&mut self, now: Instant, rates: SessionRates) -> Result<(), TooManyMessages> {
        let missing = self.messages.take(now, 1, rates.messages);
        if missing.is_zero() { Ok(()) } else { Err(TooManyMessages) }
    }

    /// Counts what was read. True if nothing more may be read for a while.
    pub(crate) fn take_bytes(&mut self, now: Instant, bytes: usize, rates: SessionRates) -> bool {
        let missing = self.bytes.take(now, bytes as u64, rates.bytes);
        if missing.is_zero() {
            return false;
        }
        self.pause = Some(Box::pin(tokio::time::sleep_until((now + missing).into())));
        true
    }

    /// Ready when the next frame may be read.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// How much longer nothing is read: for so long the session's silence is ours, not the peer's.
    pub(crate) fn pause_left(&self, now: Instant) -> Duration {
        self.pause.as_ref().map_or(Duration::ZERO, |pause| pause.deadline().into_std().saturating_duration_since(now))
    }
}
