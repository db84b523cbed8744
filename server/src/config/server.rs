//! `[server]`: where to listen and where to keep things.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::Problems;

/// Where to listen and where to keep things.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on; port 0 takes a free one.
    #[serde(deserialize_with = "address_and_port")]
    pub listen: SocketAddr,
    /// Folder of the store, created if it is missing.
    pub data_dir: PathBuf,
    /// Threads of the runtime; 0 takes one per processor.
    pub workers: u32,
}

impl ServerConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        problems.check_range("server.workers", &self.workers, &(0..=1024));
        let named = !self.data_dir.as_os_str().is_empty();
        problems.check("server.data_dir", named, || "it must name a folder".to_owned());
    }
}

fn address_and_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "{text:?} is not allowed; it must be an IP address and a port, such as \"127.0.0.1:8787\" or \"[::1]:8787\""
        ))
    })
}
