//! What brings one session up to date: the answer to its step 1, and the diff after its queue overflowed.

use std::collections::BTreeMap;

use confluo_protocol::{
    ClientId, Clocks, CloseCode, Frame, Malformed, SessionId, StateVectorReader, StateVectorV1, encode_state_vector,
    update::ClockRange,
};

use crate::{
    document::Broken,
    effects::{Effects, Outgoing},
    room::Room,
    session::Lag,
};

/// What a client knows, by its state vector.
struct Known {
    /// Of the document's own clients, ascending: who lack the same share an answer.
    shared: Vec<(ClientId, u32)>,
    /// It has something that the document lacks.
    has_more: bool,
}

impl Room {
    pub(crate) fn answer_step1(&mut self, id: SessionId, vector: &StateVectorV1, effects: &mut Effects) {
        let known = match self.read_state_vector(vector) {
            Ok(known) => known,
            Err(error) => {
                let reason = format!("malformed state vector: {error}");
                return self.close(id, CloseCode::Malformed, reason.into(), effects);
            }
        };
        // SY22: who has nothing that the document lacks has nothing to tell.
        if !known.has_more
            && let Some(session) = self.sessions.get_mut(&id).filter(|session| session.user.is_some())
        {
            self.awareness.note_told_all(&mut session.member);
        }
        let frames = if known.shared.is_empty() {
            self.full_state_frames()
        } else {
            self.diff(&known.shared).map(|it| vec![it])
        };
        self.catch_up(id, frames, effects);
    }

    /// Keeps no more of a state vector than the document has clients, however long it is.
    fn read_state_vector(&mut self, vector: &StateVectorV1) -> Result<Known, Malformed> {
        let clocks = self.document.clocks();
        let (mut shared, mut has_more) = (BTreeMap::new(), false);
        for entry in StateVectorReader::new(vector)? {
            let (client, clock) = entry?;
            let here = clocks.clock(client);
            has_more |= clock > here;
            if here > 0 {
                // Of a client that is named twice the later entry counts, as in yjs and yrs.
                shared.insert(client, clock.min(here));
            }
        }
        Ok(Known { shared: shared.into_iter().filter(|&(_, clock)| clock > 0).collect(), has_more })
    }

    /// The step 2 for all who know this much, ascending, one frame for all who ask between two changes.
    fn diff(&mut self, known: &[(ClientId, u32)]) -> Result<Frame, Broken> {
        let asked = encode_state_vector(known).0;
        if let Some(frame) = self.full_state.diff(&asked) {
            return Ok(frame);
        }
        let (frame, _) = Frame::step2(&self.document.encode_diff(known)?);
        self.full_state.keep_diff(asked, frame.clone());
        Ok(frame)
    }

    /// Whether all of these ranges are deleted already.
    pub(crate) fn has_deleted(&mut self, ranges: &[ClockRange]) -> Result<bool, Broken> {
        let deleted = match self.full_state.deleted() {
            Some(deleted) => deleted,
            None => self.full_state.keep_deleted(self.document.deleted_ranges()?),
        };
        Ok(ranges.iter().all(|range| {
            let mut from = range.start;
            let first = deleted.partition_point(|known| (known.client, known.end) <= (range.client, from));
            for known in &deleted[first..] {
                if from >= range.end || known.client != range.client || known.start > from {
                    break;
                }
                from = from.max(known.end);
            }
            from >= range.end
        }))
    }

    pub(crate) fn resync(&mut self, id: SessionId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // Without a lag it missed awareness only.
        if let Some(known) = session.lag.take() {
            effects.counts.resyncs += 1;
            let frames = match known {
                Lag::Since(known) => self.diff(&known).map(|frame| vec![frame]),
                Lag::Unknown => self.full_state_frames(),
            };
            self.catch_up(id, frames, effects);
        }
        if self.awareness.knows_somebody() {
            effects.now.push(Outgoing::Introduction(id, self.awareness.everything()));
        }
    }

    fn full_state_frames(&mut self) -> Result<Vec<Frame>, Broken> {
        if let Some(frames) = self.full_state.frames() {
            return Ok(frames);
        }
        let state = self.measure()?;
        self.full_state.keep(self.head, &state);
        Ok(self.full_state.frames().unwrap_or_default())
    }

    fn catch_up(&mut self, id: SessionId, frames: Result<Vec<Frame>, Broken>, effects: &mut Effects) {
        if let Ok(frames) = frames {
            effects.now.push(Outgoing::CatchUp(id, frames));
        } else {
            self.close(id, CloseCode::InternalError, "the document could not be encoded; try again".into(), effects);
        }
    }
}
