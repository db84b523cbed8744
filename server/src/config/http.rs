//! `[http]`: bounds of connections and of plain requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByteCount, Problems};

/// Bounds of connections and of plain requests.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Sockets at once, WebSockets included; one more is answered 503 and closed.
    pub max_connections: u32,
    /// Time to send the whole head of a request, idle time before it included.
    #[serde(with = "humantime_serde")]
    pub header_read_timeout: Duration,
    /// The longest head of a request; beyond it 431.
    pub max_header_bytes: ByteCount,
    /// Headers in a request; beyond it 431.
    pub max_headers: u32,
    /// Plain requests that are being answered at once; one more is answered 503.
    pub max_requests: u32,
    /// Time for an answer that is not a WebSocket; then 408.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long the reader of an answer may make it wait; then the socket closes.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// The longest body of a request; beyond it 413.
    pub max_body_bytes: ByteCount,
}

impl HttpConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let short = Duration::from_millis(100);
        let minutes = |count: u64| Duration::from_secs(60 * count);
        problems.check_range("http.max_connections", &self.max_connections, &(1..=1_000_000));
        problems.check_range("http.header_read_timeout", &self.header_read_timeout, &(short..=minutes(10)));
        let header_bytes = ByteCount::kib(8)..=ByteCount::mib(1);
        problems.check_range("http.max_header_bytes", &self.max_header_bytes, &header_bytes);
        problems.check_range("http.max_headers", &self.max_headers, &(8..=1000));
        problems.check_range("http.max_requests", &self.max_requests, &(1..=1_000_000));
        problems.check_range("http.request_timeout", &self.request_timeout, &(short..=minutes(60)));
        problems.check_range("http.write_timeout", &self.write_timeout, &(short..=minutes(10)));
        let body_bytes = ByteCount::bytes(0)..=ByteCount::gib(1);
        problems.check_range("http.max_body_bytes", &self.max_body_bytes, &body_bytes);
    }
}
