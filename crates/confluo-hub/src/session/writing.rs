//! How a session writes: all that waits in one go, as fast as the peer takes it.

use std::{
    collections::VecDeque,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use super::Session;
use crate::socket::{SessionSocket, SocketLost};

/// How many frames are taken out of the queue for one write.
const FRAMES_PER_WRITE: usize = 64;

impl<S: SessionSocket> Session<S> {
    /// Writes until nothing waits or the peer does not read.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), SocketLost> {
        if self.outbox.pulse.ping_is_due.swap(false, Ordering::Relaxed) {
            self.writing.push_back(S::encode_ping());
        }
        loop {
            self.fill();
            match self.socket.poll_send(cx, &mut self.writing) {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    self.note_taking();
                    return Ok(());
                }
            }
            if self.writing_frames == 0 {
                break;
            }
            self.outbox.release(self.writing_bytes, self.writing_frames);
            self.outbox.pulse.sent.store(self.shared.second(), Ordering::Relaxed);
            if self.held.is_some() {
                // It is not read, so that it reads shows that it lives.
                self.outbox.pulse.heard.store(self.shared.second(), Ordering::Relaxed);
            }
            self.shared.metrics.bytes_sent.add(self.writing_bytes as u64);
            (self.writing_bytes, self.writing_frames) = (0, 0);
        }
        if self.outbox.note_drained() {
            self.owes_caught_up = true;
        }
        // A burst must not keep its buffer for ever.
        if self.writing.capacity() > FRAMES_PER_WRITE {
            self.writing = VecDeque::new();
        }
        Ok(())
    }

    /// A peer that takes one long frame slowly is alive: what it says to a ping waits behind that. The network, once full,
    /// takes more only as the peer does.
    fn note_taking(&mut self) {
        let sent_bytes = self.socket.sent_bytes();
        if std::mem::replace(&mut self.sent_bytes, sent_bytes) != sent_bytes {
            self.outbox.pulse.heard.fetch_max(self.shared.second(), Ordering::Relaxed);
        }
    }

    /// Nothing that waits is sent to whoever is expelled, and be it in the middle of a long queue.
    fn fill(&mut self) {
        if self.writing_frames > 0 || self.outbox.expulsion().is_some() {
            return;
        }
        while self.writing.len() < FRAMES_PER_WRITE
            && let Some(frame) = self.outbox.pop()
        {
            self.writing_bytes += frame.len();
            self.writing_frames += 1;
            self.writing.push_back(S::encode(frame));
        }
    }
}
