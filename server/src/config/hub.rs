//! The settings that bound the hub, in its own terms.

use std::time::Duration;

use confluo_hub::{HeavyWork, HubConfig, Rate, RoomConfig, SessionRates, SnapshotPolicy};
use confluo_ws::Limits;

use super::Config;
use crate::access::QuotaConfig;

impl Config {
    /// What these settings mean to the hub. Everything that it bounds is a setting, but how much of the machine is left to what
    /// takes long: that depends on the machine.
    pub fn hub(&self) -> HubConfig {
        let (limits, rooms, sessions, store) = (&self.limits, &self.rooms, &self.sessions, &self.store);
        HubConfig {
            room: RoomConfig {
                max_document_bytes: limits.max_document_bytes.as_usize(),
                max_awareness_bytes: limits.max_awareness_bytes.as_usize(),
                max_client_ids_per_session: limits.max_client_ids_per_session as usize,
                awareness_rate: Rate::per_second(
                    u64::from(limits.max_awareness_per_second),
                    u64::from(limits.max_awareness_burst),
                ),
                readers_may_publish: self.awareness.readers_may_publish,
                asks_before_creating: true,
                awareness_expiry: RoomConfig::default().awareness_expiry,
                awareness_interval: Duration::from_secs(1) / self.awareness.max_frames_per_second,
            },
            mailbox_messages: rooms.mailbox_messages as usize,
            mailbox_bytes: rooms.mailbox_bytes.as_usize(),
            outbound_bytes: rooms.outbound_queue_bytes.as_usize(),
            session_rates: SessionRates {
                messages: Rate::per_second(
                    u64::from(limits.max_messages_per_second),
                    u64::from(limits.max_message_burst),
                ),
                // A client may always send its whole document at once.
                bytes: Rate::per_second(limits.max_bytes_per_second.as_u64(), limits.max_message_bytes.as_u64()),
            },
            commit_queue_records: store.commit_queue_records as usize,
            flush_interval: store.flush_interval,
            linger: rooms.linger,
            filler_interval: sessions.filler_interval,
            ping_interval: sessions.ping_interval,
            silence_timeout: sessions.no_sign_of_life_timeout,
            refusal_delay: sessions.rejection_delay,
            close_timeout: sessions.close_timeout,
            reopen_interval: store.reopen_interval,
            snapshots: SnapshotPolicy {
                records: u64::from(store.snapshot_after_records),
                bytes: store.snapshot_after_bytes.as_u64(),
                idle: store.snapshot_after_idle,
                records_at_close: u64::from(store.snapshot_at_close_records),
            },
            heavy_work: HeavyWork::default(),
            max_sessions_per_document: limits.max_sessions_per_document as usize,
            max_open_documents: limits.max_documents_open as usize,
        }
    }

    /// What one address and one user may take.
    pub fn quotas(&self) -> QuotaConfig {
        let limits = &self.limits;
        let creations = u64::from(limits.max_documents_created_per_hour);
        let upgrades = Rate::per_second(u64::from(limits.max_upgrades_per_second), u64::from(limits.max_upgrade_burst));
        let requests = Rate::per_second(u64::from(limits.max_requests_per_second), u64::from(limits.max_request_burst));
        QuotaConfig {
            connections_per_address: limits.max_connections_per_address as usize,
            connections_per_user: limits.max_connections_per_user as usize,
            upgrades,
            upgrade_patience: limits.max_upgrade_wait,
            requests,
            // One for each, at most.
            handshakes: Rate::per_second(upgrades.count + requests.count, upgrades.burst + requests.burst),
            refused_per_address: limits.max_refused_per_address as usize,
            creations: Rate { count: creations, period: Duration::from_secs(3600), burst: creations },
            unlimited_networks: limits.unlimited_networks.clone(),
            proxies: self.trusted_proxies.networks.clone(),
        }
    }

    /// The bounds of one WebSocket.
    pub fn socket_limits(&self) -> Limits {
        Limits {
            max_message_bytes: self.limits.max_message_bytes.as_usize(),
            close_timeout: self.sessions.close_timeout,
            ..Limits::default()
        }
    }
}
