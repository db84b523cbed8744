//! The client's address behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
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
    ///
    /// What a client wrote stands left of what proxies appended, so nothing is read from the left: no byte of a client's
    /// can change how the rest is taken apart.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = |name: HeaderName| headers.get_all(name).iter().rev().map(HeaderValue::as_bytes);
        match self.header {
            ForwardedHeader::XForwardedFor => {
                // It knows no quotes.
                let lines = lines(HeaderName::from_static("x-forwarded-for"));
                self.walk_back(peer, lines.flat_map(|line| line.rsplit(|byte| *byte == b',')).map(address))
            }
            ForwardedHeader::Forwarded => {
                let lines = lines(header::FORWARDED);
                self.walk_back(peer, lines.flat_map(|line| rsplit_outside_quotes(line, b',')).map(forwarded_for))
            }
        }
    }

    /// From the peer over `hops`, the last one first.
    fn walk_back(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = hops.take(MAX_HOPS);
        while self.trusts(client)
            && let Some(Some(address)) = hops.next()
        {
            client = address.to_canonical();
        }
        client
    }

    /// Whether this address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.contain(address)
    }
}

/// The `for` of one element of `Forwarded`, if it is well-formed and has one.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut node = None;
    for pair in rsplit_outside_quotes(element, b';') {
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        let value = unquoted(value[1..].trim_ascii())?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
            return None;
        }
    }
    address(node?)
}

/// What stands in quotes, with its escapes, or without quotes. None if it is neither.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let Some(quoted) = value.strip_prefix(b"\"") else { return (!value.contains(&b'"')).then_some(value) };
    let inner = quoted.strip_suffix(b"\"")?;
    let is_bare = |index: usize| inner[index] == b'"' && !is_escaped(&inner[..index]);
    (!is_escaped(inner) && !(0..inner.len()).any(is_bare)).then_some(inner)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}

/// The parts from right to left. What is appended has its quotes in pairs, so a lone quote further left changes nothing.
fn rsplit_outside_quotes(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        for (index, byte) in text.iter().enumerate().rev() {
            if *byte == b'"' {
                is_quoted = !is_quoted || is_escaped(&text[..index]);
            } else if *byte == separator && !is_quoted {
                rest = Some(&text[..index]);
                return Some(&text[index + 1..]);
            }
        }
        rest = None;
        Some(text)
    })
}

/// Whether what comes after `before`, within quotes, is escaped.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
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
            // As a client may send it: any byte from 0x80 on is one that a header may have.
            let latin: Vec<u8> = line.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
            headers.append(name, HeaderValue::from_bytes(&latin).unwrap());
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
    fn nothing_that_a_client_writes_hides_what_the_proxy_appends() {
        let check = |header, appended: &str| {
            for written in
                ["\"", "\"6.6.6.6", "6.6.6.6\"", "6.6.6.6, \"", "\"\\", "\\", "\u{e9}", "\u{ff}6.6.6.6", ";", "=", ","]
            {
                check(header, &[&format!("{written}, {appended}")], "10.0.0.1", "1.2.3.4");
                check(header, &[written, appended], "10.0.0.1", "1.2.3.4");
                check(header, &[&format!("for={written}, {appended}")], "10.0.0.1", "1.2.3.4");
                check(header, &[&format!("for=6.6.6.6;host={written}, {appended}")], "10.0.0.1", "1.2.3.4");
            }
        };
        check(ForwardedHeader::XForwardedFor, "1.2.3.4");
        check(ForwardedHeader::XForwardedFor, "1.2.3.4, 10.0.0.2");
        check(ForwardedHeader::Forwarded, "for=1.2.3.4");
        check(ForwardedHeader::Forwarded, "for=\"1.2.3.4:80\";host=\"a,b;for=6.6.6.6\\\"\", for=10.0.0.2");
    }

    #[test]
    fn an_element_of_forwarded_that_is_not_well_formed_names_nobody() {
        for element in [
            "for=6.6.6.6;host=\"",
            "for=6.6.6.6;host=\"a\"b",
            "for=6.6.6.6;host=a\"b\"",
            "for=6.6.6.6;for=7.7.7.7",
            "for=6.6.6.6;nonsense",
        ] {
            check(ForwardedHeader::Forwarded, &[element], "10.0.0.1", "10.0.0.1");
        }
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
