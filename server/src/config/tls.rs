//! `[tls]`: whether the server speaks TLS itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problems;

/// Whether the server speaks TLS itself.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and its intermediates in PEM, the server's own first. With it the whole port speaks TLS.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// Its private key in PEM.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// How often both files are looked at for a change.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
    /// Time for a client to complete its handshake.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

impl TlsConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let is_whole = self.certificate_file.is_some() == self.key_file.is_some();
        let given = if self.key_file.is_some() { "tls.key_file" } else { "tls.certificate_file" };
        problems.check(given, is_whole, || "set both tls.certificate_file and tls.key_file, or neither".to_owned());
        let hour = Duration::from_secs(3600);
        problems.check_range("tls.reload_interval", &self.reload_interval, &(Duration::from_millis(100)..=24 * hour));
        let short = Duration::from_millis(100);
        problems.check_range("tls.handshake_timeout", &self.handshake_timeout, &(short..=Duration::from_secs(600)));
    }
}
