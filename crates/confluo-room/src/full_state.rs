//! The encoded document, kept for those who join: a busy room does not encode it for each of them.

use std::sync::Arc;

use bytes::Bytes;
use confluo_protocol::{Frame, Seq, StateVectorV1, UpdateV1, update::ClockRange};

/// Updates after the cached state may grow to this many bytes, or to a quarter of the state, before it is encoded anew.
const MIN_TAIL_BYTES: usize = 64 << 10;

/// A server's step 1 longer than this is kept until a quarter as much was added: sessions that have not read theirs yet each keep
/// the one that they were sent, and to write it takes long.
const LARGE_QUESTION_BYTES: usize = 64 << 10;

/// An update that holds nothing.
pub(crate) const NOTHING: &[u8] = &[0, 0];

/// The server's own step 1, the answers to a step 1 that are worth keeping, and what readers' answers are held against.
#[derive(Debug, Default)]
pub(crate) struct FullStateCache {
    state: Option<CachedState>,
    last_diff: Option<(Bytes, Frame)>,
    /// What is deleted, ascending: each reader that comes says what it knows of that.
    deleted: Option<Arc<[ClockRange]>>,
    question: Option<Frame>,
    /// What was added since the question was written.
    question_lacks_bytes: usize,
}

#[derive(Debug)]
struct CachedState {
    through: Seq,
    /// A step 2, or an update once something follows it.
    frame: Frame,
    update: UpdateV1,
    /// The updates since, in order.
    tail: Vec<Frame>,
    tail_bytes: usize,
    was_used: bool,
    is_update: bool,
}

impl FullStateCache {
    /// Keeps a state that was just encoded.
    pub(crate) fn keep(&mut self, through: Seq, state: &[u8]) {
        let (frame, update) = Frame::step2(state);
        self.state = Some(CachedState {
            through,
            frame,
            update,
            tail: Vec::new(),
            tail_bytes: 0,
            was_used: true,
            is_update: false,
        });
    }

    /// The whole document as frames, oldest first, if it is cached. The step 2 is the last: a client is in sync at its
    /// first, and must not take an old state, perhaps an empty one, for the document.
    pub(crate) fn frames(&mut self) -> Option<Vec<Frame>> {
        let state = self.state.as_mut()?;
        state.was_used = true;
        if state.tail.is_empty() {
            return Some(vec![state.frame.clone()]);
        }
        if !state.is_update {
            (state.frame, state.update) = Frame::update(&state.update.0);
            state.is_update = true;
        }
        let end = Frame::step2(NOTHING).0;
        Some(std::iter::once(&state.frame).chain(&state.tail).chain([&end]).cloned().collect())
    }

    /// The whole document as one update, if it is cached exactly as of `through`.
    pub(crate) fn state_at(&self, through: Seq) -> Option<UpdateV1> {
        self.state.as_ref().filter(|state| state.through == through).map(|state| state.update.clone())
    }

    /// The answer to this state vector, if that was given since the last change.
    pub(crate) fn diff(&self, vector: &[u8]) -> Option<Frame> {
        self.last_diff.as_ref().filter(|(asked, _)| asked == vector).map(|(_, frame)| frame.clone())
    }

    pub(crate) fn keep_diff(&mut self, vector: Bytes, frame: Frame) {
        self.last_diff = Some((vector, frame));
    }

    pub(crate) fn deleted(&self) -> Option<Arc<[ClockRange]>> {
        self.deleted.clone()
    }

    pub(crate) fn keep_deleted(&mut self, deleted: Vec<ClockRange>) -> Arc<[ClockRange]> {
        Arc::clone(self.deleted.insert(deleted.into()))
    }

    /// The server's step 1: one frame for all who are asked between two changes. What asks for too much, because the clocks
    /// have moved since, does no harm.
    pub(crate) fn question(&mut self, state_vector: impl FnOnce() -> StateVectorV1) -> Frame {
        let write = || {
            self.question_lacks_bytes = 0;
            Frame::step1(&state_vector())
        };
        self.question.get_or_insert_with(write).clone()
    }

    /// Whether the next [`FullStateCache::question`] is at hand.
    pub(crate) fn has_question(&self) -> bool {
        self.question.is_some()
    }

    /// The clocks have moved on, by so many bytes of content.
    pub(crate) fn age_question(&mut self, bytes: usize) {
        self.question_lacks_bytes += bytes;
        let is_current =
            |question: &Frame| question.len() > LARGE_QUESTION_BYTES && self.question_lacks_bytes <= question.len() / 4;
        if !self.question.as_ref().is_some_and(is_current) {
            self.question = None;
        }
    }

    /// Some clocks have moved back: what it asks for may be too little.
    pub(crate) fn forget_question(&mut self) {
        self.question = None;
    }

    /// The document has changed.
    pub(crate) fn push(&mut self, update: &Frame) {
        (self.last_diff, self.deleted) = (None, None);
        if let Some(state) = &mut self.state {
            state.tail_bytes += update.len();
            if state.tail_bytes > MIN_TAIL_BYTES.max(state.frame.len() / 4) {
                self.state = None;
            } else {
                state.tail.push(update.clone());
            }
        }
    }

    /// Forgets what nobody asked for since the last call, so that a quiet document is in memory once.
    pub(crate) fn age(&mut self) {
        (self.last_diff, self.deleted) = (None, None);
        // Of what waits for a reader nothing is gained by forgetting it, and the next one would be kept beside it.
        self.question.take_if(|question| !question.is_shared());
        if let Some(state) = &mut self.state
            && !std::mem::replace(&mut state.was_used, false)
        {
            self.state = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
