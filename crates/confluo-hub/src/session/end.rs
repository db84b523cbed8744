//! How a session ends: what was read is delivered, what waits is sent, and the peer is told why; as far as it still may.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use confluo_protocol::{AuthMessage, CloseCode, Frame, Message, SyncMessage};

use super::Session;
use crate::{outbox::Ending, socket::SessionSocket};

impl<S: SessionSocket> Session<S> {
    /// Tells the peer why the session ends: what waits goes first if it may still see it, then the code. Whoever is expelled,
    /// and be it meanwhile, is told that, and at once.
    pub(crate) async fn close(mut self, mut ending: Ending) {
        if !ending.is_expulsion {
            let outbox = Arc::clone(&self.outbox);
            tokio::select! {
                biased;
                expulsion = outbox.expelled() => ending = expulsion,
                () = self.send_last(&ending) => {}
            }
        }
        if ending.is_expulsion {
            self.deny(&ending).await;
        }
        let Ending { code, reason, .. } = ending;
        tracing::debug!(code = code.code(), %reason, "the session is closed");
        self.shared.metrics.closed_with(code).add(1);
        let close = poll_fn(|cx| self.socket.poll_close(cx, code, &reason));
        let _ = tokio::time::timeout(self.shared.config.close_timeout, close).await;
    }

    /// Delivers what was read and not yet posted.
    pub(super) async fn deliver_unread(&mut self) {
        if let Some(posting) = self.posting.take() {
            let _ = posting.await;
        }
        // What it asked for and its presence are of no use any more.
        while self.outbox.expulsion().is_none()
            && let Some(message) = self.next_unread()
        {
            let now = self.shared.clock.now();
            let is_edit = matches!(message, Message::Sync(SyncMessage::Step2(_) | SyncMessage::Update(_)));
            let taken = if is_edit || matches!(message, Message::Auth(_)) {
                self.take(now, message)
            } else {
                self.count_message(now)
            };
            if taken.is_err() {
                break;
            }
            if let Some(posting) = self.posting.take() {
                let _ = posting.await;
            }
        }
    }

    fn next_unread(&mut self) -> Option<Message> {
        let held = self.held.take().map(|message| *message);
        held.or_else(|| self.next_message().ok().flatten())
    }

    async fn send_last(&mut self, ending: &Ending) {
        if is_caused_by_client(ending.code) {
            // A stop does not wait for it: there is nothing left to hammer.
            let delay = tokio::time::sleep(self.shared.config.refusal_delay);
            tokio::select! {
                () = delay => {}
                () = self.shared.health.draining() => {}
            }
        }
        if is_for_want_of_access(ending.code) {
            return self.deny(ending).await;
        }
        let timeout = self.shared.config.close_timeout;
        let flush = poll_fn(|cx| {
            if self.poll_write(cx).is_err() || self.writing_frames == 0 {
                return Poll::Ready(());
            }
            Poll::Pending
        });
        let _ = tokio::time::timeout(timeout, flush).await;
    }

    /// Throws away what waits. AU3: the peer is told in words, too, if it is not to come back.
    async fn deny(&mut self, Ending { code, reason, .. }: &Ending) {
        self.forget_all();
        if matches!(code, CloseCode::Unauthorised | CloseCode::Forbidden) {
            let reason = Bytes::copy_from_slice(reason.as_bytes());
            // Past the queue, to which the room may add until it hears that the session has left.
            let denial = Frame::new(&Message::Auth(AuthMessage::PermissionDenied(reason)));
            self.writing.push_back(S::encode(denial));
        }
        let timeout = self.shared.config.close_timeout;
        let flush = poll_fn(|cx| self.socket.poll_send(cx, &mut self.writing));
        let _ = tokio::time::timeout(timeout, flush).await;
    }

    /// Whoever was expelled says nothing more, and sees nothing more but the rest of a frame that has begun, which is the
    /// socket's.
    fn forget_all(&mut self) {
        self.forget_unread();
        (self.posting, self.held) = (None, None);
        self.writing.clear();
        while self.outbox.pop().is_some() {}
    }
}

/// It may not see what waits for it, however the server came to know that.
fn is_for_want_of_access(code: CloseCode) -> bool {
    matches!(code, CloseCode::Unauthorised | CloseCode::Forbidden | CloseCode::TokenExpired)
}

/// Older stock clients reconnect 100 ms after any close that follows an open; a delay keeps them from hammering.
fn is_caused_by_client(code: CloseCode) -> bool {
    code.is_permanent() || matches!(code, CloseCode::SlowDown | CloseCode::StorageUnavailable | CloseCode::TokenExpired)
}
