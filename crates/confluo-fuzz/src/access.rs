//! Tokens and keys, and the headers that say who asks and from where.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use confluo_auth::{
    Algorithm, AuthConfig, Credentials, ForwardedHeader, Jwks, KeySet, Networks, OriginPolicy, Revocations, Token,
    TokenSources, TrustedProxies, UnixTime, Verifier, redact_query, select_subprotocol,
};
use serde_json::Value;

use crate::websocket::header_map;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokens")
}

struct Door {
    verifier: Verifier,
    now: UnixTime,
    /// Those that are to be accepted.
    good: Vec<String>,
}

/// A key of each kind of signature, those of `fixtures/tokens`.
static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let mut config = String::from("mode = 'token'\nissuers = ['https://issuer.example']\naudiences = ['confluo']\n");
    for (algorithm, key) in [
        ("HS256", "secret_file = 'keys/hs256.secret'"),
        ("RS256", "public_key_file = 'keys/rsa.public.pem'"),
        ("ES256", "public_key_file = 'keys/p256.public.pem'"),
        ("EdDSA", "public_key_file = 'keys/ed25519.public.pem'"),
    ] {
        let _ = write!(config, "[[keys]]\nkid = '{algorithm}'\nalgorithm = '{algorithm}'\n{key}\n");
    }
    let config: AuthConfig = toml::from_str(&config).expect("a configuration");
    let keys = config.verifying_keys(|path: &Path| std::fs::read(fixtures().join(path))).expect("keys");
    let cases = cases();
    let good = cases["cases"].as_array().expect("cases").iter().filter(|case| case["expected"] == "ok");
    Door {
        verifier: Verifier::new(&config, Arc::new(KeySet::new(keys))).expect("a verifier"),
        now: UnixTime(cases["now"].as_u64().expect("a time")),
        good: good.map(|case| case["token"].as_str().expect("a token").to_owned()).collect(),
    }
});

fn cases() -> Value {
    let text = std::fs::read(fixtures().join("cases.json")).expect("fixtures");
    serde_json::from_slice(&text).expect("JSON")
}

/// Only the very tokens that were issued are accepted, and no text makes anything panic.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = Token::new(text) else { return };
    let door = &*DOOR;
    if door.verifier.verify(&token, door.now).is_ok() {
        assert!(door.good.iter().any(|good| good == text), "nobody issued {text}");
    }
}

/// A set of keys, or a book of revocations, is read or refused; a book that was read is written and read again.
pub fn key_set(bytes: &[u8]) {
    for algorithm in [Algorithm::RS256, Algorithm::PS384] {
        let _ = Jwks::parse(bytes, algorithm);
    }
    let Ok(book) = Revocations::from_json(bytes, 100) else { return };
    let written = book.to_json();
    let again = Revocations::from_json(written.as_bytes(), 100).expect("what was written is read");
    assert_eq!((again.len(), again.to_json()), (book.len(), written));
}

/// The lines of `bytes` are a query, then headers: no token is left in what is logged, and nobody but a trusted proxy
/// speaks for another address.
pub fn headers(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    let headers = header_map(fields);
    let sources = TokenSources { cookie: Some("session".into()) };
    let logged = redact_query(query);
    if let Ok(Some((token, _))) = sources.find(&header_map(std::iter::empty()), Some(&logged)) {
        assert_eq!(token.reveal(), "<redacted>", "{query}");
    }
    let _ = sources.find(&headers, Some(query));
    assert!(matches!(select_subprotocol(&headers), None | Some("confluo")));
    let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let networks = Networks(vec!["127.0.0.0/8".parse().expect("a network")]);
        let proxies = TrustedProxies { networks, header };
        let _ = proxies.client_address(proxy, &headers);
        assert_eq!(proxies.client_address(stranger, &headers), stranger);
    }
    for allowed in [&[][..], &["https://app.example".to_owned()]] {
        let policy = OriginPolicy::new(allowed, false).expect("origins");
        let _ = policy.check(&headers, Credentials::Absent, None);
    }
}

/// Tokens that are good, and tokens that are bad in one way.
pub fn token_seeds() -> Vec<Vec<u8>> {
    let cases = cases();
    let cases = cases["cases"].as_array().expect("cases").iter();
    cases.map(|case| case["token"].as_str().expect("a token").as_bytes().to_vec()).collect()
}

/// Key sets and a book of revocations.
pub fn key_set_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> =
        ["jwks.json", "jwks-tokens.json"].map(|name| std::fs::read(fixtures().join(name)).expect("fixtures")).into();
    seeds.push(Revocations::new(10).to_json().into_bytes());
    seeds
}

/// Requests, as a query and headers.
pub fn header_seeds() -> Vec<Vec<u8>> {
    [
        "token=abcdefghijklmnop.abc.def&x=1\nauthorization: Bearer abcdefghijklmnop.abc.def\nhost: app.example",
        "a=b&%74oken=abcdefghijklmnopq.abc.def\ncookie: a=1; session=abc.def.ghi; b=\"2\"\norigin: https://app.example",
        "\nsec-websocket-protocol: confluo, confluo.token.abc.def.ghi\nx-forwarded-for: 203.0.113.7, 127.0.0.1",
        "\nforwarded: for=\"[2001:db8::1]:4711\";proto=https, for=127.0.0.1;by=_x\nx-forwarded-for: ::ffff:1.2.3.4:80",
        "token=\nforwarded: for=unknown, for=_hidden, for=\"a\\\"b\"\norigin: null\nhost: localhost:8787",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}
