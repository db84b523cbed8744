//! What the hub counts, in its own terms: plain atomics that any exporter can read.
//!
//! The hot path pays one relaxed atomic addition a batch, never a lock, a name lookup or an allocation: whoever delivers
//! a frame to many sessions adds the number once. The hub knows no metrics library; the server reads these values when
//! it is asked for them and writes them in whatever format it speaks.

mod instruments;
mod limit;

use confluo_protocol::CloseCode;
use confluo_room::Counts;
pub use instruments::{Counter, Gauge, Histogram, HistogramSnapshot};
pub use limit::Limit;

/// Everything that a hub counts. One per hub, shared by reference; every field may be touched from any task.
#[derive(Debug)]
pub struct HubMetrics {
    /// WebSockets that are connected now, whether or not they have joined a document. Moved by whoever accepts them.
    pub connections: Gauge,
    /// WebSockets accepted since the start. Moved by whoever accepts them.
    pub connections_accepted: Counter,
    /// Wishes for a WebSocket that were malformed, or whose client was gone before the answer. Moved by whoever accepts them.
    pub handshakes_failed: Counter,
    /// Sessions that are members of a room now.
    pub sessions: Gauge,
    /// Sessions that joined a room since the start.
    pub sessions_joined: Counter,
    /// Rooms with at least one session now.
    pub rooms: Gauge,
    /// Documents held in memory now, those included that load, linger after their last session, or close.
    pub documents_open: Gauge,
    /// Documents that wait for a place now, to be opened or to merge something: others take long, or they did themselves.
    pub documents_waiting: Gauge,
    /// Openings and merges that took half a second or more.
    pub slow_steps: Counter,
    /// Documents loaded since the start.
    pub documents_loaded: Counter,
    /// Loads that failed; the document was refused, never served empty.
    pub document_load_failures: Counter,
    /// What the store has lost and nobody acknowledged. Moves when the store is opened.
    pub store_findings: Gauge,
    /// Stored records that were damaged or could not be applied when their document was loaded; the rest is served.
    pub records_set_aside: Counter,
    /// From the wish to open a document to the room being ready, in microseconds.
    pub document_load_micros: Histogram,
    /// Updates (step 2 too) of which something was merged, copies of what is known included.
    pub updates_received: Counter,
    /// Updates of which a part was early and was asked for again.
    pub updates_early: Counter,
    /// Updates refused: malformed, unsupported, too large, or not allowed.
    pub updates_refused: Counter,
    /// Awareness messages that sessions sent.
    pub awareness_received: Counter,
    /// Awareness states that were dropped, for those of all of a document's sessions together would take too much.
    pub awareness_dropped: Counter,
    /// Messages of a type that this server does not know; they were ignored.
    pub unknown_messages: Counter,
    /// Frames put into sessions' outbound queues (a broadcast to n sessions counts n).
    pub deliveries: Counter,
    /// Payload bytes received from sessions.
    pub bytes_received: Counter,
    /// Payload bytes written to sessions.
    pub bytes_sent: Counter,
    /// How many updates one room transaction merged.
    pub batch_updates: Histogram,
    /// From handing records to the store to their being on disk, in microseconds.
    pub commit_micros: Histogram,
    /// How many rooms' records one commit made durable.
    pub commit_records: Histogram,
    /// Bytes of records made durable.
    pub commit_bytes: Counter,
    /// Commits that the store refused; nothing of them was shown.
    pub commit_failures: Counter,
    /// Snapshots written by compaction.
    pub snapshots: Counter,
    /// Outbound queues that filled up, so that their session went over to one catch-up diff.
    pub queue_overflows: Counter,
    /// Catch-up diffs sent to sessions whose queue had overflowed.
    pub resyncs: Counter,
    /// Panics caught at the edge of a room or of an entry into yrs. Each one is a bug.
    pub panics_caught: Counter,
    closes: [Counter; CloseCode::ALL.len()],
    closes_by_peer: Counter,
    limits: [Counter; Limit::ALL.len()],
}

impl HubMetrics {
    /// All at zero.
    pub fn new() -> Self {
        Self {
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            handshakes_failed: Counter::default(),
            sessions: Gauge::default(),
            sessions_joined: Counter::default(),
            rooms: Gauge::default(),
            documents_open: Gauge::default(),
            documents_waiting: Gauge::default(),
            slow_steps: Counter::default(),
            documents_loaded: Counter::default(),
            document_load_failures: Counter::default(),
            store_findings: Gauge::default(),
            records_set_aside: Counter::default(),
            document_load_micros: Histogram::of_micros(),
            updates_received: Counter::default(),
            updates_early: Counter::default(),
            updates_refused: Counter::default(),
            awareness_received: Counter::default(),
            awareness_dropped: Counter::default(),
            unknown_messages: Counter::default(),
            deliveries: Counter::default(),
            bytes_received: Counter::default(),
            bytes_sent: Counter::default(),
            batch_updates: Histogram::of_counts(),
            commit_micros: Histogram::of_micros(),
            commit_records: Histogram::of_counts(),
            commit_bytes: Counter::default(),
            commit_failures: Counter::default(),
            snapshots: Counter::default(),
            queue_overflows: Counter::default(),
            resyncs: Counter::default(),
            panics_caught: Counter::default(),
            closes: [const { Counter::new() }; CloseCode::ALL.len()],
            closes_by_peer: Counter::default(),
            limits: [const { Counter::new() }; Limit::ALL.len()],
        }
    }

    /// Adds what a room counted.
    pub(crate) fn count(&self, counts: Counts) {
        self.updates_early.add(counts.early);
        self.updates_refused.add(counts.refused);
        self.awareness_dropped.add(counts.awareness_dropped);
        self.resyncs.add(counts.resyncs);
        self.panics_caught.add(counts.broken);
        for (limit, reached) in [
            (Limit::DocumentBytes, counts.document_full),
            (Limit::AwarenessBytes, counts.awareness_too_large),
            (Limit::Awareness, counts.awareness_too_fast),
            (Limit::ClientIds, counts.too_many_client_ids),
        ] {
            if reached > 0 {
                self.limit_reached(limit).add(reached);
            }
        }
    }

    /// Connections that the server closed with `code`.
    pub fn closed_with(&self, code: CloseCode) -> &Counter {
        let index = CloseCode::ALL.iter().position(|known| *known == code);
        &self.closes[index.expect("CloseCode::ALL holds every code")]
    }

    /// How often somebody was refused, closed or slowed down by `limit`.
    pub fn limit_reached(&self, limit: Limit) -> &Counter {
        &self.limits[limit as usize]
    }

    /// Connections that ended by the peer's will or by the network's.
    pub fn closed_by_peer(&self) -> &Counter {
        &self.closes_by_peer
    }
}

impl Default for HubMetrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_close_code_has_a_counter_of_its_own() {
        let metrics = HubMetrics::new();
        for (count, code) in CloseCode::ALL.into_iter().enumerate() {
            metrics.closed_with(code).add(count as u64 + 1);
        }
        for (count, code) in CloseCode::ALL.into_iter().enumerate() {
            assert_eq!(metrics.closed_with(code).get(), count as u64 + 1, "{}", code.name());
        }
        assert_eq!(metrics.closed_by_peer().get(), 0);
    }

    #[test]
    fn each_limit_has_a_counter_of_its_own() {
        let metrics = HubMetrics::new();
        for limit in Limit::ALL {
            metrics.limit_reached(limit).increment();
            assert_eq!(metrics.limit_reached(limit).get(), 1, "{}", limit.setting());
        }
    }
}
