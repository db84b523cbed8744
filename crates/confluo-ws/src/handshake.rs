//! The opening handshake's rules (RFC 6455, section 4), as pure functions over a request's head.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use sha1::{Digest, Sha1};

const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request is not a WebSocket upgrade, and what to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The request is plain HTTP.
    #[error("this is a WebSocket endpoint: send `Connection: Upgrade` and `Upgrade: websocket`")]
    NotAnUpgrade,
    /// A handshake is a GET request.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// An upgrade needs HTTP/1.1.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    HttpVersion,
    /// Another version of the WebSocket protocol. The answer must carry `Sec-WebSocket-Version: 13`.
    #[error("only version 13 of the WebSocket protocol is spoken here")]
    Version,
    /// `Sec-WebSocket-Key` is missing or not 16 bytes in base64.
    #[error("`Sec-WebSocket-Key` is not 16 bytes in base64")]
    Key,
}

impl UpgradeError {
    /// The HTTP status that says so. 426 goes with `Upgrade: websocket` and `Sec-WebSocket-Version: 13`.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotAnUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpVersion | Self::Key => StatusCode::BAD_REQUEST,
        }
    }
}

/// Checks a request's head; yields the value of `Sec-WebSocket-Accept` for the answer 101.
pub fn accept_upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<HeaderValue, UpgradeError> {
    if !has_token(headers, &header::UPGRADE, "websocket") || !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(UpgradeError::NotAnUpgrade);
    }
    if method != Method::GET {
        return Err(UpgradeError::Method);
    }
    if version != Version::HTTP_11 {
        return Err(UpgradeError::HttpVersion);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|value| value.as_bytes().trim_ascii() != b"13") {
        return Err(UpgradeError::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(UpgradeError::Key)?.as_bytes().trim_ascii();
    if STANDARD.decode(key).ok().is_none_or(|bytes| bytes.len() != 16) {
        return Err(UpgradeError::Key);
    }
    HeaderValue::from_str(&accept_key(key)).map_err(|_| UpgradeError::Key)
}

/// The answer to `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize())
}

/// The subprotocols that a client offers, in its order of preference.
pub fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    list(headers, &header::SEC_WEBSOCKET_PROTOCOL)
}

/// Whether a header that is a list of tokens holds `token`, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    list(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
