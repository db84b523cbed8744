//! `[auth]`: who may come in. The section itself is `confluo-auth`'s.

use std::net::SocketAddr;

use confluo_auth::{AuthConfig, AuthConfigError, TrustedProxies};

use super::Problems;

/// Checks the section on its own and against where the server listens and who speaks for others. Files are read when the server starts.
pub(super) fn validate(auth: &AuthConfig, listen: SocketAddr, proxies: &TrustedProxies, problems: &mut Problems) {
    for error in auth.problems() {
        problems.add(&error.setting(), with_source(&error));
    }
    if let Err(error) = auth.check_exposure([listen.ip()], proxies) {
        problems.add("auth.mode", error.to_string());
    }
    if let Some(network) = proxies.networks.0.iter().find(|network| network.prefix_len() == 0) {
        let message =
            format!("{network} is everybody, who could then claim any address as their own; name your proxies");
        problems.add("trusted_proxies.networks", message);
    }
}

fn with_source(error: &AuthConfigError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
