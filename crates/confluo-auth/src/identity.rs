//! Who a verified token says is there, and for how long.

use std::{sync::Arc, time::Duration};

use confluo_protocol::UserId;

use crate::{Grants, UnixTime};

/// What a valid token says. It is a fact about the moment of verifying: ask [`crate::Revocations`] as well, at the door
/// and again whenever something was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose token it is (`sub`, unless mapped otherwise).
    pub user: UserId,
    /// A name to show: no control characters, at most 128 characters, never empty.
    pub display_name: Option<Arc<str>>,
    /// A colour to show: `#` and 3, 4, 6 or 8 hexadecimal digits, or a word of letters.
    pub colour: Option<Arc<str>>,
    /// What it may do with which document.
    pub grants: Grants,
    /// Whether it may use the admin endpoints. This alone gives access to no document.
    pub is_admin: bool,
    /// `exp`: absent only if `auth.require_expiry` is off.
    pub expires_at: Option<UnixTime>,
    /// `iat`. A token without one counts as issued before any revocation by time.
    pub issued_at: Option<UnixTime>,
    /// `jti`. A token without one cannot be revoked on its own.
    pub token_id: Option<Arc<str>>,
}

impl Identity {
    /// When a live session with this token closes with 4501 unless refreshed: at `exp` plus `auth.expiry_grace`.
    pub fn session_ends_at(&self, expiry_grace: Duration) -> Option<UnixTime> {
        self.expires_at.map(|expires_at| expires_at.plus(expiry_grace))
    }
}
