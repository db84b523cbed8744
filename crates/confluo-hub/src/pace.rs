//! How fast a session may send: too many messages end it, too many bytes are read more slowly.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::Sleep;

use crate::config::SessionRates;

/// A token bucket, kept as the moment at which it will be full again: there is nothing to do while nobody takes.
#[derive(Debug, Clone, Copy)]
struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes `cost`, whether or not it is there, from a bucket that holds `burst` and gains `per_second`. How long it
    /// takes until what was not there has been gained; zero if all was there.
    fn take(&mut self, now: Instant, cost: u64, per_second: u64, burst: u64) -> Duration {
        self.full_at = self.full_at.max(now) + time_to_gain(cost, per_second);
        (self.full_at - now).saturating_sub(time_to_gain(burst, per_second))
    }
}

fn time_to_gain(count: u64, per_second: u64) -> Duration {
    let per_second = per_second.max(1);
    let rest = u128::from(count % per_second) * 1_000_000_000 / u128::from(per_second);
    Duration::from_secs(count / per_second) + Duration::from_nanos(rest as u64)
}

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
        let missing = self.messages.take(now, 1, rates.messages_per_second, rates.message_burst);
        if missing.is_zero() { Ok(()) } else { Err(TooManyMessages) }
    }

    /// Counts what was read. True if nothing more may be read for a while.
    pub(crate) fn take_bytes(&mut self, now: Instant, bytes: usize, rates: SessionRates) -> bool {
        let missing = self.bytes.take(now, bytes as u64, rates.bytes_per_second, rates.byte_burst);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    #[test]
    fn fr7_a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let start = Clock.now();
        let mut bucket = TokenBucket::full(start);
        let millis = |count| start + Duration::from_millis(count);
        for (now, cost, missing_millis) in [
            (start, 5, 0),
            (start, 5, 0),
            // The burst is used up; each of ten a second is there after 100 ms.
            (start, 1, 100),
            (millis(100), 0, 0),
            (millis(200), 1, 0),
            (millis(200), 1, 100),
            // Full again, and no fuller.
            (millis(60_000), 10, 0),
            (millis(60_000), 3, 300),
        ] {
            let missing = bucket.take(now, cost, 10, 10);
            assert_eq!(missing, Duration::from_millis(missing_millis), "{cost} at {:?}", now - start);
        }
    }

    #[test]
    fn fr7_the_largest_message_at_the_largest_rate_is_counted_without_overflow() {
        let now = Clock.now();
        assert_eq!(TokenBucket::full(now).take(now, 1 << 30, 1 << 40, 0), Duration::from_nanos(976_562));
        assert_eq!(TokenBucket::full(now).take(now, 1 << 30, 1, 1 << 30), Duration::ZERO);
    }
}
