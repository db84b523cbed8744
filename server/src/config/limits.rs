//! `[limits]`: what one client, user, address or document may take.

use serde::{Deserialize, Serialize};

use super::{ByteCount, Problems};

/// What one client, user, address or document may take.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// The longest message of a session; beyond it 4413. At least `max_document_bytes`.
    pub max_message_bytes: ByteCount,
    /// Messages that one session may send in a second in the long run, awareness not counted; beyond it 4529.
    pub max_messages_per_second: u32,
    /// Messages that one session may send at once.
    pub max_message_burst: u32,
    /// Bytes that one session may send in a second in the long run; beyond it it is read more slowly.
    pub max_bytes_per_second: ByteCount,
    /// The largest document, as its full state in V1; its writer is closed with 4413.
    pub max_document_bytes: ByteCount,
    /// The largest awareness state of one client id, as JSON; beyond it 4413.
    pub max_awareness_bytes: ByteCount,
    /// Awareness client ids that one session may own; beyond it 4529.
    pub max_client_ids_per_session: u32,
    /// Sessions of one document; one more is closed with 4529.
    pub max_sessions_per_document: u32,
    /// Documents held in memory at once; opening one more is refused with 4529.
    pub max_documents_open: u32,
}

impl LimitsConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let content = ByteCount::kib(64)..=ByteCount::gib(1);
        problems.check_range("limits.max_message_bytes", &self.max_message_bytes, &content);
        problems.check_range("limits.max_document_bytes", &self.max_document_bytes, &content);
        problems.check("limits.max_message_bytes", self.max_message_bytes >= self.max_document_bytes, || {
            format!(
                "\"{}\" is less than limits.max_document_bytes (\"{}\"), so a client that holds a whole document could \
                 never send it; raise this one or lower that one",
                self.max_message_bytes, self.max_document_bytes
            )
        });
        let messages = 1..=10_000_000;
        problems.check_range("limits.max_messages_per_second", &self.max_messages_per_second, &messages);
        problems.check_range("limits.max_message_burst", &self.max_message_burst, &messages);
        let speed = ByteCount::kib(64)..=ByteCount::gib(1024);
        problems.check_range("limits.max_bytes_per_second", &self.max_bytes_per_second, &speed);
        let awareness = ByteCount::bytes(256)..=ByteCount::mib(16);
        problems.check_range("limits.max_awareness_bytes", &self.max_awareness_bytes, &awareness);
        problems.check_range("limits.max_client_ids_per_session", &self.max_client_ids_per_session, &(1..=10_000));
        problems.check_range("limits.max_documents_open", &self.max_documents_open, &(1..=10_000_000));
        problems.check_range("limits.max_sessions_per_document", &self.max_sessions_per_document, &(1..=1_000_000));
    }
}
