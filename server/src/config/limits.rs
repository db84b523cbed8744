//! `[limits]`: what one client, user, address or document may take.

use std::time::Duration;

use confluo_auth::Networks;
use serde::{Deserialize, Serialize};

use super::{ByteCount, Problems};

/// What a message may hold beside a whole document: its types, the document's length, and room to spare.
const BESIDE_DOCUMENT: ByteCount = ByteCount::kib(1);

/// What one client, user, address or document may take.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// The longest message of a session; beyond it 4413. At least 1 KiB more than `max_document_bytes`.
    pub max_message_bytes: ByteCount,
    /// Bytes that a connection may send before it has shown its token, the message with it included; beyond it 4401.
    pub max_bytes_before_token: ByteCount,
    /// Tokens that one session may send in a minute, to renew its own; beyond it 4529.
    pub max_tokens_per_minute: u32,
    /// Messages that one session may send in a second in the long run, awareness not counted; beyond it 4529.
    pub max_messages_per_second: u32,
    /// Messages that one session may send at once.
    pub max_message_burst: u32,
    /// Bytes that one session may send in a second in the long run; beyond it it is read more slowly.
    pub max_bytes_per_second: ByteCount,
    /// Bytes of messages over 64 KiB that all sessions together may have in memory; beyond it they are read more slowly. At
    /// least `max_message_bytes`.
    pub max_inbound_bytes: ByteCount,
    /// The largest document, as its full state in V1; its writer is closed with 4413.
    pub max_document_bytes: ByteCount,
    /// The awareness states of one session together, as JSON; beyond it 4413.
    pub max_awareness_bytes: ByteCount,
    /// Awareness client ids that one session may own; beyond it 4529.
    pub max_client_ids_per_session: u32,
    /// Awareness states of its own that one session may publish in a second in the long run; beyond it 4529.
    pub max_awareness_per_second: u32,
    /// Awareness states of its own that one session may publish at once.
    pub max_awareness_burst: u32,
    /// Sessions of one document; one more is closed with 4529.
    pub max_sessions_per_document: u32,
    /// Documents held in memory at once; opening one more is refused with 4529.
    pub max_documents_open: u32,
    /// Documents that one user, or one address without users, may create in an hour; beyond it 4529.
    pub max_documents_created_per_hour: u32,
    /// Sockets at once of one address; beyond it 4529.
    pub max_connections_per_address: u32,
    /// Sessions at once of one user; beyond it 4529.
    pub max_connections_per_user: u32,
    /// Upgrades to a WebSocket of one address in a second in the long run; beyond it they wait.
    pub max_upgrades_per_second: u32,
    /// Upgrades of one address at once.
    pub max_upgrade_burst: u32,
    /// How long an upgrade may wait for its turn; one that would wait longer is closed with 4529.
    #[serde(with = "humantime_serde")]
    pub max_upgrade_wait: Duration,
    /// Plain requests of one address in a second in the long run; beyond it they wait, then 429.
    pub max_requests_per_second: u32,
    /// Plain requests of one address at once.
    pub max_request_burst: u32,
    /// Sockets of one address that are told why they may not stay; one more is cut off.
    pub max_refused_per_address: u32,
    /// Where nothing counts by address.
    pub unlimited_networks: Networks,
}

impl LimitsConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let content = ByteCount::kib(64)..=ByteCount::gib(1);
        problems.check_range("limits.max_message_bytes", &self.max_message_bytes, &content);
        problems.check_range("limits.max_document_bytes", &self.max_document_bytes, &content);
        let least = self.max_document_bytes.as_u64().saturating_add(BESIDE_DOCUMENT.as_u64());
        problems.check("limits.max_message_bytes", self.max_message_bytes.as_u64() >= least, || {
            format!(
                "\"{}\" is less than limits.max_document_bytes (\"{}\") and \"{BESIDE_DOCUMENT}\" beside it, so a client \
                 that holds a whole document could never send it; raise this one or lower that one",
                self.max_message_bytes, self.max_document_bytes
            )
        });
        let before_token = ByteCount::kib(1)..=ByteCount::mib(1);
        problems.check_range("limits.max_bytes_before_token", &self.max_bytes_before_token, &before_token);
        let inbound = self.max_message_bytes.min(ByteCount::gib(1))..=ByteCount::gib(1024);
        problems.check_range("limits.max_inbound_bytes", &self.max_inbound_bytes, &inbound);
        let messages = 1..=10_000_000;
        problems.check_range("limits.max_messages_per_second", &self.max_messages_per_second, &messages);
        problems.check_range("limits.max_message_burst", &self.max_message_burst, &messages);
        problems.check_range("limits.max_awareness_per_second", &self.max_awareness_per_second, &messages);
        problems.check_range("limits.max_awareness_burst", &self.max_awareness_burst, &messages);
        let speed = ByteCount::kib(64)..=ByteCount::gib(1024);
        problems.check_range("limits.max_bytes_per_second", &self.max_bytes_per_second, &speed);
        let awareness = ByteCount::bytes(256)..=ByteCount::mib(16);
        problems.check_range("limits.max_awareness_bytes", &self.max_awareness_bytes, &awareness);
        problems.check_range("limits.max_client_ids_per_session", &self.max_client_ids_per_session, &(1..=10_000));
        problems.check_range("limits.max_documents_open", &self.max_documents_open, &(1..=10_000_000));
        let million = 1..=1_000_000;
        problems.check_range("limits.max_sessions_per_document", &self.max_sessions_per_document, &million);
        for (setting, value) in [
            ("limits.max_tokens_per_minute", &self.max_tokens_per_minute),
            ("limits.max_documents_created_per_hour", &self.max_documents_created_per_hour),
            ("limits.max_connections_per_address", &self.max_connections_per_address),
            ("limits.max_connections_per_user", &self.max_connections_per_user),
            ("limits.max_upgrades_per_second", &self.max_upgrades_per_second),
            ("limits.max_upgrade_burst", &self.max_upgrade_burst),
            ("limits.max_requests_per_second", &self.max_requests_per_second),
            ("limits.max_request_burst", &self.max_request_burst),
            ("limits.max_refused_per_address", &self.max_refused_per_address),
        ] {
            problems.check_range(setting, value, &million);
        }
        // Stock clients leave when they have heard nothing for 30 s.
        let patience = Duration::ZERO..=Duration::from_secs(20);
        problems.check_range("limits.max_upgrade_wait", &self.max_upgrade_wait, &patience);
    }
}
