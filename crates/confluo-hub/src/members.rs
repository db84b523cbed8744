//! The sessions of one room, as its task sees them: where to push.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use confluo_protocol::{CloseCode, Frame, SessionId};

use crate::{metrics::HubMetrics, outbox::Outbox};

struct Member {
    session: SessionId,
    outbox: Arc<Outbox>,
    /// It has been brought up to date and receives content.
    is_subscribed: bool,
}

/// A dense list to walk at every broadcast, and an index for what goes to one session. When the room's task ends for
/// whatever reason, and be it a panic, so does every session.
pub(crate) struct Members {
    metrics: Arc<HubMetrics>,
    list: Vec<Member>,
    places: HashMap<SessionId, usize>,
}

impl Members {
    pub(crate) fn new(metrics: Arc<HubMetrics>) -> Self {
        Self { metrics, list: Vec::new(), places: HashMap::new() }
    }

    pub(crate) fn add(&mut self, session: SessionId, outbox: Arc<Outbox>) {
        if self.list.is_empty() {
            self.metrics.rooms.increment();
        }
        self.places.insert(session, self.list.len());
        self.list.push(Member { session, outbox, is_subscribed: false });
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> bool {
        let Some(place) = self.places.remove(&session) else { return false };
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.session, place);
        }
        if self.list.is_empty() {
            self.metrics.rooms.decrement();
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn push(&self, session: SessionId, frame: Frame) {
        if let Some(&place) = self.places.get(&session) {
            self.list[place].outbox.push(frame);
        }
    }

    pub(crate) fn question(&self, session: SessionId, frame: Frame) {
        if let Some(&place) = self.places.get(&session) {
            self.list[place].outbox.question(frame);
        }
    }

    pub(crate) fn introduce(&self, session: SessionId, frame: &Frame) {
        if let Some(&place) = self.places.get(&session) {
            self.list[place].outbox.try_push(frame);
        }
    }

    pub(crate) fn catch_up(&mut self, session: SessionId, frames: Vec<Frame>) {
        if let Some(&place) = self.places.get(&session) {
            let member = &mut self.list[place];
            member.is_subscribed = true;
            member.outbox.answer(frames);
        }
    }

    pub(crate) fn answer(&self, session: SessionId, frame: Frame) {
        if let Some(&place) = self.places.get(&session) {
            self.list[place].outbox.answer([frame]);
        }
    }

    /// Pushes content to all who are subscribed; returns how many took it. Those whose queue is at its bound are not
    /// subscribed any more, and added to `overflowed`.
    pub(crate) fn push_content(&mut self, frame: &Frame, overflowed: &mut Vec<SessionId>) -> u64 {
        let mut delivered = 0;
        for member in self.list.iter_mut().filter(|member| member.is_subscribed) {
            if member.outbox.try_push(frame) {
                delivered += 1;
            } else {
                member.is_subscribed = false;
                overflowed.push(member.session);
            }
        }
        delivered
    }

    /// Pushes awareness to all whose queue has room; returns how many took it.
    pub(crate) fn push_presence(&self, frame: &Frame) -> u64 {
        self.list.iter().filter(|member| member.outbox.try_push(frame)).count() as u64
    }

    pub(crate) fn end(&self, session: SessionId, code: CloseCode, reason: Cow<'static, str>) {
        if let Some(&place) = self.places.get(&session) {
            self.list[place].outbox.end(code, reason);
        }
    }

    pub(crate) fn end_all(&self, code: CloseCode, reason: &'static str) {
        for member in &self.list {
            member.outbox.end(code, reason.into());
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.end_all(CloseCode::InternalError, "the room was closed by a fault; try again");
        if !self.list.is_empty() {
            self.metrics.rooms.decrement();
        }
    }
}
