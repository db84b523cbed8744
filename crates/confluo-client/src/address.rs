//! A document's address: `ws://host[:port]/path[?query]`, or `wss://` for TLS.

use std::fmt::{self, Write as _};

use rustls::pki_types::ServerName;

use crate::AddressError;

/// A checked address, cut into what a connection needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host and port as the `Host` header wants them.
    pub(crate) authority: String,
    /// With TLS, whom the server must prove to be.
    pub(crate) server_name: Option<ServerName<'static>>,
    host: String,
    port: u16,
    path: String,
    query: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, AddressError> {
        let refuse = |reason| AddressError { url: without_query(url).to_owned(), reason };
        let (is_tls, rest) = match url.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("wss", rest)) => (true, rest),
            _ => return Err(refuse("it must begin with ws:// or wss://")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| refuse("its port is not a number up to 65535"))?)
            }
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refuse("it names no host"));
        }
        let server_name = is_tls.then(|| ServerName::try_from(host.to_owned())).transpose();
        let server_name = server_name.map_err(|_| refuse("its host is no name that a certificate could hold"))?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            authority: authority.to_owned(),
            server_name,
            host: host.to_owned(),
            port,
            path: encode(path, b"/%"),
            query: encode(query, b"/%=&?"),
        })
    }

    /// What to resolve and connect to.
    pub(crate) fn socket(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The request target: path and query, with these parameters appended to the address's own.
    pub(crate) fn target<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, String)>) -> String {
        let mut target = self.path.clone();
        let mut separator = '?';
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&self.query);
            separator = '&';
        }
        for (name, value) in parameters {
            target.push(separator);
            target.push_str(name);
            target.push('=');
            target.push_str(&encode(&value, b""));
            separator = '&';
        }
        target
    }
}

/// The query may hold a token.
impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Address")
            .field("authority", &self.authority)
            .field("server_name", &self.server_name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// Percent-encodes every byte that is neither unreserved (RFC 3986, 2.3) nor in `kept`.
fn encode(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(byte as char);
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_and_encoded() {
        let check = |url: &str, socket: (&str, u16), target: &str| {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.socket(), address.target([]).as_str()), (socket, target), "{url}");
        };
        check("ws://localhost:8787/sync/notes", ("localhost", 8787), "/sync/notes");
        check("ws://localhost", ("localhost", 80), "/");
        check("ws://h?x=1", ("h", 80), "/?x=1");
        check("ws://[::1]:9/a b", ("::1", 9), "/a%20b");
        check("ws://[::1]/é?q=%20", ("::1", 80), "/%C3%A9?q=%20");
        check("ws://h/a%20b#part", ("h", 80), "/a%20b");
        check("wss://h/d", ("h", 443), "/d");
        check("wss://[::1]:9/d", ("::1", 9), "/d");
    }

    #[test]
    fn parameters_are_appended_encoded() {
        let check = |url: &str, target: &str| {
            assert_eq!(Address::parse(url).unwrap().target([("token", "a+b&c".to_owned())]), target);
        };
        check("ws://h/d", "/d?token=a%2Bb%26c");
        check("ws://h/d?x=1", "/d?x=1&token=a%2Bb%26c");
    }

    #[test]
    fn a_token_in_the_query_is_not_told() {
        let address = Address::parse("wss://h/d?token=hunter2").unwrap();
        assert!(!format!("{address:?}").contains("hunter2"), "{address:?}");
        let error = Address::parse("http://h/d?token=hunter2").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for (url, reason) in [
            ("http://h/d", "begin with ws:// or wss://"),
            ("h/d", "begin with ws://"),
            ("wss://under score/d", "certificate"),
            ("ws:///d", "no host"),
            ("ws://h:99999/d", "port"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
