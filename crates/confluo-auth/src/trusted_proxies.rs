//! The client's address behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};

use crate::Networks;

/// How many hops are followed back.
const MAX_HOPS: usize = 32;

/// Which proxies are believed about whom they speak for. Empty by default: then the peer's address is the client's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedProxies {
    /// Where they are.
    pub networks: Networks,
    /// The one header that the proxies set. The other is never read: a proxy passes on what a client puts there.
    pub header: ForwardedHeader,
}

/// The header in which proxies say for whom they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy, …`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy, …` (RFC 7239)
    Forwarded,
}

impl TrustedProxies {
    /// The address of the client: the peer's, unless that is a trusted proxy; then the header is read from the right,
    /// each trusted hop believed about the one before it, until the first that is not trusted. An entry that is no
    /// address (`unknown`, `_hidden`, nonsense) ends the walk at the hop that wrote it.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in self.hops(headers).into_iter().rev().take(MAX_HOPS) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = hop else { break };
            client = address.to_canonical();
        }
        client
    }

    /// Whether this address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.contain(address)
    }

    /// The hops from left (the client, or what it made up) to right (what the last proxy saw).
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        if self.networks.is_empty() {
            return Vec::new();
        }
        let (name, hop): (HeaderName, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), address),
            ForwardedHeader::Forwarded => (header::FORWARDED, forwarded_for),
        };
        let mut hops = Vec::new();
        for value in headers.get_all(name) {
            match value.to_str() {
                Ok(value) => hops.extend(split_outside_quotes(value, ',').map(|element| hop(element.trim()))),
                // What was written before an unreadable line cannot be told from what a client made up.
                Err(_) => hops.push(None),
            }
        }
        hops
    }
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let (_, node) = split_outside_quotes(element, ';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    address(node.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(node))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: ForwardedHeader, lines: &[&str], peer: &str, client: &str) {
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        // What a client may have put into the other header never counts.
        let other = if name == "forwarded" { "x-forwarded-for" } else { "forwarded" };
        headers.append(other, "for=6.6.6.6".parse().unwrap());
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let networks = Networks(networks.to_vec());
        let proxies = TrustedProxies { networks, header };
        let address = proxies.client_address(peer.parse().unwrap(), &headers);
        assert_eq!(address, client.parse::<IpAddr>().unwrap(), "{lines:?} from {peer}");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_to_the_first_untrusted() {
        let check = |lines: &[&str], peer, client| check(ForwardedHeader::XForwardedFor, lines, peer, client);
        check(&[], "10.0.0.1", "10.0.0.1");
        check(&["1.2.3.4"], "10.0.0.1", "1.2.3.4");
        check(&["1.2.3.4"], "9.9.9.9", "9.9.9.9");
        check(&["6.6.6.6, 1.2.3.4"], "10.0.0.1", "1.2.3.4");
        check(&["6.6.6.6, 1.2.3.4, 10.0.0.2"], "10.0.0.1", "1.2.3.4");
        check(&["6.6.6.6", "1.2.3.4,10.0.0.2"], "10.0.0.1", "1.2.3.4");
        check(&["10.0.0.3, 10.0.0.2"], "10.0.0.1", "10.0.0.3");
        check(&["1.2.3.4, unknown"], "10.0.0.1", "10.0.0.1");
        check(&["1.2.3.4, , 10.0.0.2"], "10.0.0.1", "10.0.0.2");
        check(&["1.2.3.4:5678"], "10.0.0.1", "1.2.3.4");
        check(&["[2001:db8::1]:80"], "10.0.0.1", "2001:db8::1");
        check(&["2001:db8::1"], "fd00::1", "2001:db8::1");
        check(&["::ffff:1.2.3.4"], "::ffff:10.0.0.1", "1.2.3.4");
        check(&["1.2.3.4, ::ffff:10.0.0.2"], "10.0.0.1", "1.2.3.4");
    }

    #[test]
    fn forwarded_is_read_from_the_right_to_the_first_untrusted() {
        let check = |lines: &[&str], peer, client| check(ForwardedHeader::Forwarded, lines, peer, client);
        check(&["for=1.2.3.4"], "10.0.0.1", "1.2.3.4");
        check(&["for=6.6.6.6, For=\"1.2.3.4:99\";proto=https;by=10.0.0.2"], "10.0.0.1", "1.2.3.4");
        check(&["for=\"[2001:db8::1]:4711\""], "10.0.0.1", "2001:db8::1");
        check(&["for=1.2.3.4, for=10.0.0.2;host=\"a,b\""], "10.0.0.1", "1.2.3.4");
        check(&["for=1.2.3.4, for=_hidden"], "10.0.0.1", "10.0.0.1");
        check(&["for=1.2.3.4, proto=https"], "10.0.0.1", "10.0.0.1");
        check(&["for=1.2.3.4"], "9.9.9.9", "9.9.9.9");
    }

    #[test]
    fn a_long_header_is_followed_no_further_than_the_bound() {
        let long = ["1.2.3.4"].into_iter().chain(std::iter::repeat_n("10.0.0.2", 100)).collect::<Vec<_>>().join(",");
        check(ForwardedHeader::XForwardedFor, &[&long], "10.0.0.1", "10.0.0.2");
    }

    #[test]
    fn addresses_and_networks_are_configured_as_text() {
        let parsed: TrustedProxies =
            toml::from_str("networks = ['10.0.0.7', 'fd00::/8']\nheader = 'forwarded'").unwrap();
        assert!(parsed.trusts("10.0.0.7".parse().unwrap()) && !parsed.trusts("10.0.0.8".parse().unwrap()));
        let error = toml::from_str::<TrustedProxies>("networks = ['proxy.local']").unwrap_err().to_string();
        assert!(error.contains("neither an address (10.0.0.7) nor a network (10.0.0.0/8)"), "{error}");
    }
}
