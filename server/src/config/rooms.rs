//! `[rooms]`: what may wait for a room and for its sessions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByteCount, Problems};

/// What may wait for a room and for its sessions.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomsConfig {
    /// Messages that may wait for a room; then its sessions are read more slowly.
    pub mailbox_messages: u32,
    /// Bytes that may wait for a room; then its sessions are read more slowly.
    pub mailbox_bytes: ByteCount,
    /// How long a document stays open after its last session left.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Bytes that may wait for one session; then it catches up by one diff.
    pub outbound_queue_bytes: ByteCount,
}

impl RoomsConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let bytes = ByteCount::kib(64)..=ByteCount::gib(4);
        problems.check_range("rooms.mailbox_messages", &self.mailbox_messages, &(1..=1_000_000));
        problems.check_range("rooms.mailbox_bytes", &self.mailbox_bytes, &bytes);
        problems.check_range("rooms.linger", &self.linger, &(Duration::ZERO..=Duration::from_secs(86_400)));
        problems.check_range("rooms.outbound_queue_bytes", &self.outbound_queue_bytes, &bytes);
    }
}
