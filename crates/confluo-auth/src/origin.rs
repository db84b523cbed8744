//! Which web pages may connect, where the browser itself supplies the credentials.

use http::{HeaderMap, HeaderValue, Uri, header};

use crate::{AuthConfigError, TokenSource};

/// Where a request's right to connect comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// There are none: `auth.mode = "none"`.
    Absent,
    /// A cookie, which the browser sends whichever page asks.
    Ambient,
    /// A token that the page itself put into the request, or will send in-band.
    Explicit,
}

impl From<TokenSource> for Credentials {
    fn from(source: TokenSource) -> Self {
        if source == TokenSource::Cookie { Self::Ambient } else { Self::Explicit }
    }
}

/// The rule against cross-site WebSocket hijacking. A page that had to know a token has proven enough, so origins are
/// enforced only where credentials are absent or ambient. There a request may come without `Origin` (no browser sent
/// it), from the server's own origin, from a loopback origin if clients reach the server by loopback, or from a listed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPolicy {
    allowed: Vec<Origin>,
    reached_by_loopback: bool,
}

/// The page's origin may not connect. The close code is 4403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the origin {origin:?} may not connect; auth.allowed_origins lists those that may")]
pub struct OriginRefused {
    /// The header as it was received, made printable and cut.
    pub origin: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    is_https: bool,
    /// In lower case; an IPv6 address with its brackets.
    host: String,
    port: u16,
}

impl OriginPolicy {
    /// A policy with these listed origins. `reached_by_loopback`: clients are on the server's own machine, as it listens on
    /// loopback and no proxy speaks for others.
    pub fn new(allowed_origins: &[String], reached_by_loopback: bool) -> Result<Self, AuthConfigError> {
        let parse = |text: &String| Origin::parse(text).ok_or_else(|| AuthConfigError::Origin(text.clone()));
        Ok(Self { allowed: allowed_origins.iter().map(parse).collect::<Result<_, _>>()?, reached_by_loopback })
    }

    /// Whether a request with these headers may connect. `is_https` says how the client reached the server, if that is
    /// known (behind a proxy it often is not): then an `http` page is not the same origin as an `https` server.
    pub fn check(
        &self,
        headers: &HeaderMap,
        credentials: Credentials,
        is_https: Option<bool>,
    ) -> Result<(), OriginRefused> {
        if credentials == Credentials::Explicit {
            return Ok(());
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(header) = origins.next() else { return Ok(()) };
        let origin = header.to_str().ok().and_then(Origin::parse).filter(|_| origins.next().is_none());
        let may_connect = origin.is_some_and(|origin| {
            self.allowed.contains(&origin)
                || (self.reached_by_loopback && is_loopback_host(&origin.host))
                || (origin.is_served_by(headers, is_https) && !self.could_be_rebound(&origin, credentials))
        });
        if may_connect { Ok(()) } else { Err(OriginRefused { origin: printable(header) }) }
    }

    /// A hostile page can point its own name at 127.0.0.1 and is then "the same origin" as a server on loopback. No
    /// cookie of ours goes with that name, but where no credentials are needed, nothing else would stop it.
    fn could_be_rebound(&self, origin: &Origin, credentials: Credentials) -> bool {
        self.reached_by_loopback && credentials == Credentials::Absent && !is_loopback_host(&origin.host)
    }
}

impl Origin {
    /// Reads `scheme "://" host [ ":" port ]` (RFC 6454 §6.1). `null` and all else is no origin.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_https = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (host, port) = host_and_port(authority)?;
        Some(Self { is_https, host, port: port.unwrap_or(default_port(is_https)) })
    }

    fn is_served_by(&self, headers: &HeaderMap, is_https: Option<bool>) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Some((host, port)) = host.to_str().ok().and_then(host_and_port) else { return false };
        is_https.is_none_or(|is_https| is_https == self.is_https)
            && host == self.host
            && port.unwrap_or(default_port(self.is_https)) == self.port
    }
}

/// `host[:port]` and nothing more: no user, path or white space.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    if authority.contains(['/', '?', '#', '@', '*']) {
        return None;
    }
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/").build().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    let rest = &authority[host.len()..];
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((host, port))
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// `localhost`, a name under it (browsers resolve those themselves, RFC 6761 §6.3), 127.0.0.0/8 or `::1`.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let is_local_name = host == "localhost" || host.ends_with(".localhost");
    is_local_name || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn printable(header: &HeaderValue) -> String {
    String::from_utf8_lossy(header.as_bytes()).chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::{Credentials::*, *};

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn check(loopback: bool, credentials: Credentials, origin: Option<&str>, host: &str, allowed: bool) {
        let policy = OriginPolicy::new(&["https://app.example.com".into()], loopback).unwrap();
        let result = policy.check(&headers(origin, host), credentials, None);
        assert_eq!(result.is_ok(), allowed, "loopback {loopback}, {credentials:?}, {origin:?} at {host}: {result:?}");
    }

    #[test]
    fn og1_bearer_tokens_come_from_any_origin() {
        for origin in [None, Some("https://evil.example"), Some("null"), Some("nonsense")] {
            check(false, Explicit, origin, "confluo.example", true);
            check(true, Explicit, origin, "127.0.0.1:8787", true);
        }
    }

    #[test]
    fn og2_where_credentials_are_ambient_or_absent_the_origin_is_enforced() {
        for credentials in [Ambient, Absent] {
            for (origin, host, allowed) in [
                (None, "confluo.example", true),
                (Some("https://confluo.example"), "confluo.example", true),
                (Some("http://confluo.example"), "confluo.example", true),
                (Some("https://CONFLUO.example:443"), "confluo.example", true),
                (Some("https://confluo.example"), "confluo.example:443", true),
                (Some("https://confluo.example"), "confluo.example:8443", false),
                (Some("http://confluo.example:8787"), "confluo.example:8787", true),
                (Some("http://[2001:db8::1]:8787"), "[2001:db8::1]:8787", true),
                (Some("https://app.example.com"), "confluo.example", true),
                (Some("https://app.example.com:443"), "confluo.example", true),
                (Some("http://app.example.com"), "confluo.example", false),
                (Some("https://app.example.com.evil.example"), "confluo.example", false),
                (Some("https://app.example.com@evil.example"), "confluo.example", false),
                (Some("https://app.example.com/"), "confluo.example", false),
                (Some("https://evil.example"), "confluo.example", false),
                (Some("http://localhost:3000"), "confluo.example", false),
                (Some("null"), "confluo.example", false),
                (Some("file://"), "confluo.example", false),
                (Some("chrome-extension://abcdef"), "confluo.example", false),
                (Some(""), "confluo.example", false),
            ] {
                check(false, credentials, origin, host, allowed);
            }
        }
    }

    #[test]
    fn og3_a_server_on_loopback_takes_any_loopback_origin() {
        for (origin, allowed) in [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://app.localhost:3000", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:3000", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.evil.example", false),
            ("http://notlocalhost", false),
            ("http://192.168.0.7:3000", false),
        ] {
            check(true, Absent, Some(origin), "localhost:8787", allowed);
            check(true, Ambient, Some(origin), "localhost:8787", allowed);
        }
    }

    #[test]
    fn og4_a_name_rebound_to_loopback_is_no_origin_of_ours() {
        check(true, Absent, Some("http://evil.example:8787"), "evil.example:8787", false);
        check(true, Ambient, Some("http://confluo.example"), "confluo.example", true);
    }

    #[test]
    fn og5_a_known_scheme_must_agree_and_headers_must_be_single() {
        let policy = OriginPolicy::new(&[], false).unwrap();
        let plain = headers(Some("http://a.example"), "a.example");
        assert!(policy.check(&plain, Ambient, Some(false)).is_ok());
        assert!(policy.check(&plain, Ambient, Some(true)).is_err());
        let mut twice = plain;
        twice.append(header::ORIGIN, "http://a.example".parse().unwrap());
        assert!(policy.check(&twice, Ambient, None).is_err());
    }

    #[test]
    fn the_list_holds_origins_only() {
        for text in ["*", "app.example.com", "https://*.example.com", "https://a.example/", "ftp://a.example", ""] {
            let error = OriginPolicy::new(&[text.to_owned()], false).unwrap_err();
            assert!(matches!(error, AuthConfigError::Origin(_)), "{text}");
        }
    }
}
