//! What waits for one session: shared frames, bounded in bytes, without a lock.

use std::{
    borrow::Cow,
    future::poll_fn,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::Poll,
};

use atomic_waker::AtomicWaker;
use confluo_protocol::{CloseCode, Frame, Message, SyncMessage};
use crossbeam_queue::SegQueue;

/// What a queued frame costs beside its bytes.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// A session's outbound queue. The room pushes, the session's task takes; either may be on any thread.
///
/// At the bound content and awareness are dropped and the queue is marked as *behind*; when it has drained, the session
/// tells its room, which brings it up to date with one diff. What must arrive ([`Outbox::push`]) is never dropped: instead
/// nothing more is asked by who does not read the answers, nor answered by who does not read the questions
/// ([`Outbox::may_say`]).
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: SegQueue<Frame>,
    queued_bytes: AtomicUsize,
    max_bytes: usize,
    is_behind: AtomicBool,
    /// The session has asked for something large, and the room has not answered yet.
    is_asking: AtomicBool,
    /// How many steps 1 the room has pushed since the queue was last empty.
    unread_questions: AtomicU32,
    ending: OnceLock<Ending>,
    /// Beside the ending, for it may come while the session ends in another way.
    expulsion: OnceLock<Box<Ending>>,
    waker: AtomicWaker,
    pub(crate) pulse: Pulse,
}

/// How the server ends a session.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) code: CloseCode,
    pub(crate) reason: Cow<'static, str>,
    /// The session may not see more: what waits is thrown away, and the peer, who did nothing, is told without delay.
    pub(crate) is_expulsion: bool,
}

/// When something last went out or came in, in seconds of the hub's pulse.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    pub(crate) sent: AtomicU32,
    pub(crate) heard: AtomicU32,
    pub(crate) ping_is_due: AtomicBool,
}

impl Outbox {
    pub(crate) fn new(max_bytes: usize, second: u32) -> Self {
        Self {
            frames: SegQueue::new(),
            queued_bytes: AtomicUsize::new(0),
            max_bytes,
            is_behind: AtomicBool::new(false),
            is_asking: AtomicBool::new(false),
            unread_questions: AtomicU32::new(0),
            ending: OnceLock::new(),
            expulsion: OnceLock::new(),
            waker: AtomicWaker::new(),
            pulse: Pulse { sent: second.into(), heard: second.into(), ping_is_due: false.into() },
        }
    }

    /// Queues what must arrive.
    pub(crate) fn push(&self, frame: Frame) {
        self.queued_bytes.fetch_add(frame.len() + FRAME_OVERHEAD_BYTES, Ordering::Relaxed);
        self.frames.push(frame);
        self.waker.wake();
    }

    /// Queues content or awareness, unless the queue is at its bound: then the session is behind, and false comes back.
    pub(crate) fn try_push(&self, frame: &Frame) -> bool {
        if self.queued_bytes.load(Ordering::Relaxed) >= self.max_bytes {
            self.is_behind.store(true, Ordering::Release);
            // It may have drained between the two lines above.
            self.waker.wake();
            return false;
        }
        self.push(frame.clone());
        true
    }

    /// Whether what answers `message`, or what it makes the room ask, may wait here: what is large only when all that was large
    /// has been read, what is small as long as not many frames wait. Without this, who never reads would fill the memory.
    pub(crate) fn may_say(&self, message: &Message) -> bool {
        match message {
            // Nobody can have read the second of two questions without the first, nor answer one without having read it.
            Message::Sync(SyncMessage::Step2(_)) => self.unread_questions.load(Ordering::Relaxed) < 2,
            Message::Sync(SyncMessage::Step1(_)) | Message::QueryAwareness => {
                self.queued_bytes.load(Ordering::Relaxed) < self.max_bytes && !self.is_asking.load(Ordering::Acquire)
            }
            Message::SaveStatus(_) | Message::Auth(_) => self.frames.len() * FRAME_OVERHEAD_BYTES < self.max_bytes,
            _ => true,
        }
    }

    /// `message` is on its way to the room.
    pub(crate) fn note_question(&self, message: &Message) {
        if matches!(message, Message::Sync(SyncMessage::Step1(_)) | Message::QueryAwareness) {
            self.is_asking.store(true, Ordering::Release);
        }
    }

    /// Queues a step 1, which must arrive.
    pub(crate) fn question(&self, frame: Frame) {
        self.unread_questions.fetch_add(1, Ordering::Relaxed);
        self.push(frame);
    }

    /// Queues the answer to what was asked, which must arrive.
    pub(crate) fn answer(&self, frames: impl IntoIterator<Item = Frame>) {
        frames.into_iter().for_each(|frame| self.push(frame));
        self.is_asking.store(false, Ordering::Release);
        self.waker.wake();
    }

    /// Ends the session after what waits has been sent. The first ending counts.
    pub(crate) fn end(&self, code: CloseCode, reason: Cow<'static, str>) {
        let _ = self.ending.set(Ending { code, reason, is_expulsion: false });
        self.waker.wake();
    }

    /// Ends the session at once, and be it that it is ending already. The first expulsion counts.
    pub(crate) fn expel(&self, code: CloseCode, reason: Cow<'static, str>) {
        let _ = self.expulsion.set(Box::new(Ending { code, reason, is_expulsion: true }));
        self.waker.wake();
    }

    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.expulsion().or_else(|| self.ending.get())
    }

    pub(crate) fn expulsion(&self) -> Option<&Ending> {
        self.expulsion.get().map(|ending| &**ending)
    }

    /// Resolves when the session is expelled. Whoever waits for it is woken by all else that happens here, too.
    pub(crate) async fn expelled(&self) -> Ending {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            self.expulsion().map_or(Poll::Pending, |ending| Poll::Ready(ending.clone()))
        })
        .await
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn pop(&self) -> Option<Frame> {
        self.frames.pop()
    }

    /// A popped frame has been written.
    pub(crate) fn release(&self, bytes: usize, frames: usize) {
        self.queued_bytes.fetch_sub(bytes + frames * FRAME_OVERHEAD_BYTES, Ordering::Relaxed);
    }

    /// The queue is empty. Whether the session was behind; it is not any more.
    pub(crate) fn note_drained(&self) -> bool {
        if self.unread_questions.load(Ordering::Relaxed) > 0 {
            self.unread_questions.store(0, Ordering::Relaxed);
        }
        self.is_behind.load(Ordering::Relaxed) && self.is_behind.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use confluo_protocol::UpdateV1;

    use super::*;

    #[test]
    fn at_the_bound_content_is_dropped_and_what_must_arrive_is_not() {
        let outbox = Outbox::new(100, 0);
        let frame = Frame::from_payload(&[0; 50]);
        assert!(outbox.try_push(&frame) && !outbox.note_drained());
        assert!(!outbox.try_push(&frame));
        assert!(outbox.note_drained() && !outbox.note_drained());
        outbox.push(frame.clone());
        for _ in 0..2 {
            let popped = outbox.pop().unwrap();
            outbox.release(popped.len(), 1);
        }
        assert!(outbox.pop().is_none());
        assert!(outbox.try_push(&frame), "it takes content again when it has drained");
    }

    #[test]
    fn fr7_the_answer_to_a_step_1_that_is_not_read_waits_and_an_edit_does_not() {
        let update = || UpdateV1(Bytes::from_static(&[0, 0]));
        let (answer, edit) = (SyncMessage::Step2(update()), SyncMessage::Update(update()));
        let [answer, edit] = [answer, edit].map(Message::Sync);
        let outbox = Outbox::new(100, 0);
        let question = Frame::from_payload(&[0; 200]);
        outbox.question(question.clone());
        assert!(outbox.may_say(&answer), "it may have been read, though what was written with it was not");
        outbox.question(question);
        assert!(!outbox.may_say(&answer) && outbox.may_say(&edit));
        while let Some(popped) = outbox.pop() {
            outbox.release(popped.len(), 1);
        }
        outbox.note_drained();
        assert!(outbox.may_say(&answer));
    }

    #[test]
    fn the_first_ending_counts() {
        let outbox = Outbox::new(0, 0);
        outbox.end(CloseCode::TooLarge, "one".into());
        outbox.end(CloseCode::GoingAway, "two".into());
        assert_eq!(outbox.ending().unwrap().code, CloseCode::TooLarge);
    }

    #[test]
    fn an_expulsion_counts_before_whatever_ended_the_session() {
        let outbox = Outbox::new(0, 0);
        outbox.end(CloseCode::GoingAway, "one".into());
        outbox.expel(CloseCode::Unauthorised, "two".into());
        outbox.expel(CloseCode::TokenExpired, "three".into());
        outbox.end(CloseCode::GoingAway, "four".into());
        assert_eq!(outbox.ending().unwrap().code, CloseCode::Unauthorised);
    }
}
