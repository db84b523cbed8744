//! Why a room cannot go on, or not begin, as its sessions are told.

use confluo_protocol::CloseCode;

use crate::slow_rooms::ShuttingDown;

/// The room cannot go on, in words that are safe to show.
#[derive(Debug)]
pub(crate) struct Discard {
    pub(crate) code: CloseCode,
    pub(crate) reason: &'static str,
}

pub(crate) const STORAGE_UNAVAILABLE: Discard = Discard {
    code: CloseCode::StorageUnavailable,
    reason: "edits cannot be made durable now; what you did is kept by you and sent again",
};
pub(crate) const FAULT: Discard =
    Discard { code: CloseCode::InternalError, reason: "the room was closed by a fault; try again" };

impl From<ShuttingDown> for Discard {
    /// What was not merged was not acknowledged either, so that who sent it brings it again.
    fn from(_: ShuttingDown) -> Self {
        Self { code: CloseCode::GoingAway, reason: "the server is going away; come back" }
    }
}
