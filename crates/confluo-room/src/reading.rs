//! What brings one session up to date: the answer to its step 1, and the diff after its queue overflowed.

use std::collections::BTreeMap;

use confluo_protocol::{
    ClientId, Clocks, CloseCode, Frame, SessionId, StateVectorV1, encode_state_vector, state_vector::check_state_vector,
};

use crate::{
    document::Broken,
    effects::{Effects, Outgoing},
    room::Room,
};

impl Room {
    pub(crate) fn answer_step1(&mut self, id: SessionId, vector: &StateVectorV1, effects: &mut Effects) {
        let known = match check_state_vector(vector) {
            Ok(known) => known,
            Err(error) => {
                let reason = format!("malformed state vector: {error}");
                return self.close(id, CloseCode::Malformed, reason.into(), effects);
            }
        };
        self.note_what_it_has(id, &known);
        let known = self.shared_with(known);
        let asked = encode_state_vector(&known).0;
        let frames = if known.is_empty() {
            self.full_state_frames()
        } else if let Some(frame) = self.full_state.diff(&asked) {
            Ok(vec![frame])
        } else {
            self.document.encode_diff(&known).map(|diff| {
                let (frame, _) = Frame::step2(&diff);
                self.full_state.keep_diff(asked, frame.clone());
                vec![frame]
            })
        };
        self.catch_up(id, frames, effects);
    }

    /// What a state vector says of the document's own clients, in order: who lack the same share an answer.
    fn shared_with(&mut self, known: Vec<(ClientId, u32)>) -> Vec<(ClientId, u32)> {
        let clocks = self.document.clocks();
        let mut shared = BTreeMap::new();
        for (client, clock) in known {
            let here = clocks.clock(client);
            if here > 0 {
                // Of a client that is named twice the later entry counts, as in yjs and yrs.
                shared.insert(client, clock.min(here));
            }
        }
        shared.into_iter().filter(|&(_, clock)| clock > 0).collect()
    }

    /// SY22: who has nothing that the document lacks has nothing to tell.
    fn note_what_it_has(&mut self, id: SessionId, known: &[(ClientId, u32)]) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.user.is_some()
            && known.iter().all(|&(client, clock)| clock <= self.document.clocks().clock(client))
        {
            self.awareness.note_told_all(&mut session.member);
        }
    }

    pub(crate) fn resync(&mut self, id: SessionId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // Without a lag it missed awareness only.
        if let Some(known) = session.lag.take() {
            effects.counts.resyncs += 1;
            let frames = self.document.encode_diff(&known).map(|diff| vec![Frame::step2(&diff).0]);
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
