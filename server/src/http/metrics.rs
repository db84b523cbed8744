//! `/metrics`: what the hub counted, in the OpenMetrics text format.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use confluo_hub::metrics::{Counter, Gauge, Histogram};
use confluo_hub::{HubMetrics, Limit};
use confluo_protocol::CloseCode;
use http::{HeaderMap, StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::Handle;

use super::AppState;
use crate::access::KeyCounts;
use crate::audit::AuditCounts;
use crate::documents::Documents;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters, to whom `[metrics]` allows it.
pub(super) async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let config = &state.config.metrics;
    if !config.enabled {
        return StatusCode::NOT_FOUND.into_response();
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if config.token.as_ref().is_some_and(|token| !bearer.is_some_and(|bearer| token.matches(bearer))) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    match render(&state.documents) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn render(documents: &Arc<dyn Documents>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("confluo");
    registry.register_collector(Box::new(HubCollector(Arc::clone(documents))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

struct HubCollector(Arc<dyn Documents>);

impl fmt::Debug for HubCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubCollector")
    }
}

type Named<T> = (&'static str, &'static str, fn(&HubMetrics) -> &T);

const GAUGES: &[Named<Gauge>] = &[
    ("connections", "Sockets connected now", |hub| &hub.connections),
    ("sessions", "Sessions that are members of a room now", |hub| &hub.sessions),
    ("rooms", "Rooms with at least one session now", |hub| &hub.rooms),
    ("documents_open", "Documents held in memory now", |hub| &hub.documents_open),
    ("documents_waiting", "Documents that wait to be opened or to merge, as something takes long", |hub| {
        &hub.documents_waiting
    }),
    ("store_findings", "What the store has lost and nobody acknowledged", |hub| &hub.store_findings),
];

const COUNTERS: &[Named<Counter>] = &[
    ("connections_accepted", "Sockets accepted", |hub| &hub.connections_accepted),
    (
        "handshakes_failed",
        "Wishes for a WebSocket that were malformed, or whose client was gone before the answer",
        |hub| &hub.handshakes_failed,
    ),
    ("sessions_joined", "Sessions that joined a room", |hub| &hub.sessions_joined),
    ("documents_loaded", "Documents loaded", |hub| &hub.documents_loaded),
    ("slow_steps", "Openings and merges that took half a second or more", |hub| &hub.slow_steps),
    ("document_load_failures", "Loads that failed and were refused", |hub| &hub.document_load_failures),
    (
        "records_set_aside",
        "Stored records that were damaged or could not be applied when their document was loaded",
        |hub| &hub.records_set_aside,
    ),
    (
        "updates_received",
        "Updates (step 2 too) of which something was merged, copies of what is known included",
        |hub| &hub.updates_received,
    ),
    ("updates_early", "Updates of which a part was early", |hub| &hub.updates_early),
    ("updates_refused", "Updates that were refused", |hub| &hub.updates_refused),
    ("awareness_received", "Awareness messages that sessions sent", |hub| &hub.awareness_received),
    ("awareness_dropped", "Awareness states for which a document had no room", |hub| &hub.awareness_dropped),
    ("unknown_messages", "Messages of an unknown type, ignored", |hub| &hub.unknown_messages),
    ("deliveries", "Frames put into outbound queues", |hub| &hub.deliveries),
    ("received_bytes", "Payload bytes received from sessions", |hub| &hub.bytes_received),
    ("sent_bytes", "Payload bytes written to sessions", |hub| &hub.bytes_sent),
    ("committed_bytes", "Bytes of records made durable", |hub| &hub.commit_bytes),
    ("commit_failures", "Commits that the store refused", |hub| &hub.commit_failures),
    ("snapshots", "Snapshots written by compaction", |hub| &hub.snapshots),
    ("queue_overflows", "Outbound queues that filled up", |hub| &hub.queue_overflows),
    ("resyncs", "Catch-up diffs after an overflow", |hub| &hub.resyncs),
    ("panics_caught", "Panics caught; each one is a bug", |hub| &hub.panics_caught),
];

const DURATIONS: &[Named<Histogram>] = &[
    ("commit", "From handing records to the store to their being on disk", |hub| &hub.commit_micros),
    ("document_load", "From the wish to open a document to its room", |hub| &hub.document_load_micros),
];

const SIZES: &[Named<Histogram>] = &[
    ("batch_updates", "Updates that one room transaction merged", |hub| &hub.batch_updates),
    ("commit_records", "Rooms' records that one commit made durable", |hub| &hub.commit_records),
];

impl Collector for HubCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let hub = self.0.metrics();
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor("build_info", "The version that runs", None, MetricType::Gauge)
            .and_then(|mut metric| ConstGauge::new(1i64).encode(metric.encode_family(&version)?))?;
        for (name, help, gauge) in GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(gauge(hub).get()).encode(metric)?;
        }
        let help = "Bytes of messages over 64 KiB in memory now";
        let metric = encoder.encode_descriptor("inbound_bytes", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(self.0.inbound_bytes()).unwrap_or(i64::MAX)).encode(metric)?;
        if let Ok(runtime) = Handle::try_current() {
            let metric = encoder.encode_descriptor("tasks", "Tasks alive now", None, MetricType::Gauge)?;
            let tasks = i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX);
            ConstGauge::new(tasks).encode(metric)?;
        }
        for (name, help, counter) in COUNTERS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(counter(hub).get()).encode(metric)?;
        }
        encode_closes(hub, &mut encoder)?;
        encode_limits(hub, &mut encoder)?;
        if let Some(door) = self.0.door() {
            encode_audit(door.audit().counts(), &mut encoder)?;
            encode_keys(door.key_counts(), &mut encoder)?;
        }
        for (name, help, histogram) in DURATIONS {
            encode_histogram(&mut encoder, name, help, Some(&Unit::Seconds), histogram(hub), 1e-6)?;
        }
        for (name, help, histogram) in SIZES {
            encode_histogram(&mut encoder, name, help, None, histogram(hub), 1.0)?;
        }
        Ok(())
    }
}

fn encode_closes(hub: &HubMetrics, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut metric = encoder.encode_descriptor("closes", "Connections closed, by code", None, MetricType::Counter)?;
    for code in CloseCode::ALL {
        let labels = [("code", code.code().to_string()), ("reason", code.name().to_owned())];
        ConstCounter::new(hub.closed_with(code).get()).encode(metric.encode_family(&labels)?)?;
    }
    let labels = [("code", "none"), ("reason", "by-peer")];
    ConstCounter::new(hub.closed_by_peer().get()).encode(metric.encode_family(&labels)?)
}

fn encode_limits(hub: &HubMetrics, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help = "Times that somebody was refused, closed or slowed down, by the setting that says how much is allowed";
    let mut metric = encoder.encode_descriptor("limit_reached", help, None, MetricType::Counter)?;
    for limit in Limit::ALL {
        let labels = [("setting", limit.setting())];
        ConstCounter::new(hub.limit_reached(limit).get()).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_audit(counts: &AuditCounts, encoder: &mut DescriptorEncoder) -> fmt::Result {
    for (name, help, counter) in [
        ("audit_events_written", "Lines of the audit log that were written", &counts.written),
        (
            "audit_events_lost",
            "Lines of the audit log that were lost: its queue was full, or it could not be written",
            &counts.lost,
        ),
        ("audit_refusals_folded", "Refusals that the audit log only counts, as there were very many", &counts.folded),
    ] {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(counter.get()).encode(metric)?;
    }
    Ok(())
}

fn encode_keys(counts: &KeyCounts, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help = "Times that a JWKS was read; one that failed left the last good keys in force";
    let mut metric = encoder.encode_descriptor("jwks_reads", help, None, MetricType::Counter)?;
    for (result, counter) in [("ok", &counts.read), ("failed", &counts.failed)] {
        ConstCounter::new(counter.get()).encode(metric.encode_family(&[("result", result)])?)?;
    }
    Ok(())
}

/// `scale` turns the histogram's own unit into the exported one.
fn encode_histogram(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    histogram: &Histogram,
    scale: f64,
) -> fmt::Result {
    let snapshot = histogram.snapshot();
    let mut below = 0;
    let mut buckets = Vec::with_capacity(snapshot.cumulative.len() + 1);
    for (bound, cumulative) in snapshot.cumulative {
        buckets.push((bound as f64 * scale, cumulative - below));
        below = cumulative;
    }
    buckets.push((f64::INFINITY, snapshot.count - below));
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(snapshot.sum as f64 * scale, snapshot.count, &buckets, None)
}
