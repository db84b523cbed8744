//! Each wrong setting is refused by its name, with what is allowed.

use std::{io, net::IpAddr};

use confluo_auth::{AuthConfig, AuthMode, Secret, TrustedProxies, UNPROTECTED_WORDS};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn parse(text: &str) -> AuthConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A chain of errors as the server prints it.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn the_defaults_are_valid_and_need_no_key() {
    let config = AuthConfig::default();
    config.validate().unwrap();
    assert_eq!(config, parse(""));
    assert_eq!(config.mode, AuthMode::None);
    assert!(config.require_expiry && config.default_grants.is_empty());
}

#[test]
fn what_is_valid_is_taken() {
    for text in [
        &format!("mode = 'token'\n[[keys]]\nalgorithm = 'HS256'\nsecret = '{SECRET}'"),
        "mode = 'token'\n[[jwks]]\nurl = 'https://issuer.example/jwks.json'\nrefresh = '1h'",
        "mode = 'token'\n[[jwks]]\nurl = 'http://127.0.0.1:9/jwks.json'",
        "mode = 'token'\n[[jwks]]\nfile = 'jwks.json'\nrsa_algorithm = 'PS256'",
        "leeway = '1m'\nexpiry_grace = '1m'\nmax_token_lifetime = '30days'",
        &format!("mode = 'token'\ncookie = '__Host-token'\n[[keys]]\nalgorithm = 'HS256'\nsecret = '{SECRET}'"),
        "mode = 'token'\n[[jwks]]\nfile = 'jwks.json'\n[claims]\nuser = '/profile/id'\n[default_grants]\n'*' = 'read'",
        "allowed_origins = ['https://app.example', 'http://localhost:5173']",
        &format!("unprotected = '{UNPROTECTED_WORDS}'"),
    ] {
        parse(text).validate().unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn what_is_wrong_names_its_setting_and_what_is_allowed() {
    let one_key = |rest: &str| format!("[[keys]]\nalgorithm = 'HS256'\n{rest}");
    let key = |rest: &str| format!("mode = 'token'\n{}", one_key(rest));
    let of_jwks = |rest: &str| format!("mode = 'token'\n[[jwks]]\n{rest}");
    let two_keys = |first: &str, second: &str| format!("{}\n{}", key(first), one_key(second));
    let (secret, with_kid) = (format!("secret = '{SECRET}'"), format!("kid = 'a'\nsecret = '{SECRET}'"));
    for (text, parts) in [
        ("mode = 'token'", ["auth.mode", "auth.keys or auth.jwks"]),
        ("unprotected = 'yes'", ["auth.unprotected", UNPROTECTED_WORDS]),
        ("leeway = '11m'", ["auth.leeway is 11m", "0s to 10m"]),
        ("token_timeout = '10ms'", ["auth.token_timeout is 10ms", "100ms to 1m"]),
        ("expiry_grace = '5s'", ["auth.expiry_grace is 5s", "from auth.leeway to 1h"]),
        ("max_token_lifetime = '0s'", ["auth.max_token_lifetime", "1s or more"]),
        ("mode = 'token'\ncookie = 'a b'\n[[jwks]]\nfile = 'a'", ["auth.cookie", "letters, digits"]),
        ("allowed_origins = ['*']", ["auth.allowed_origins", "https:// and a host"]),
        ("[claims]\nuser = ''", ["auth.claims.user", "JSON pointer"]),
        ("[claims]\nadmin_role = ''", ["auth.claims.admin_role", "such as"]),
        (&of_jwks("file = 'a'\n[default_grants]\n'a*' = 'read'"), ["auth.default_grants", "\"/*\""]),
        (&key(""), ["auth.keys[0]", "exactly one of"]),
        (&key("secret = 'a'\nsecret_file = 'b'"), ["auth.keys[0]", "exactly one of"]),
        (&key("secret = 'short'"), ["auth.keys[0]", "at least 32"]),
        (&key("secret = '%'\nencoding = 'base64'"), ["auth.keys[0]", "not base64"]),
        (&key("public_key = 'x'"), ["auth.keys[0]", "a shared secret, not a PEM"]),
        (&key("secret_file = 'gone'"), ["auth.keys[0]", "\"gone\""]),
        (&two_keys(&with_kid, &with_kid), ["auth.keys[1]", "kid \"a\""]),
        (&two_keys(&secret, &with_kid), ["auth.keys[0] has no kid", "each needs one"]),
        (&two_keys(&with_kid, &secret), ["auth.keys[1] has no kid", "each needs one"]),
        (&of_jwks(""), ["auth.jwks[0]", "exactly one of url, file"]),
        (&of_jwks("url = 'http://issuer.example/jwks'"), ["auth.jwks[0]", "https://"]),
        (&of_jwks("url = 'https://user:word@issuer.example/jwks'"), ["auth.jwks[0]", "https://"]),
        (&of_jwks("url = 'http://localhost/jwks'\nca_file = 'a'"), ["auth.jwks[0].ca_file", "https://"]),
        (&of_jwks("file = 'a'\nca_file = 'a'"), ["auth.jwks[0].ca_file", "https://"]),
        (&of_jwks("file = 'a'\ncooldown = '1ms'"), ["auth.jwks.cooldown", "100ms to 1h"]),
        (&of_jwks("file = 'a'\ntimeout = '2m'"), ["auth.jwks.timeout", "100ms to 1m"]),
        (&of_jwks("file = 'a'\nrsa_algorithm = 'HS256'"), ["auth.jwks[0].rsa_algorithm", "RS256"]),
        (&of_jwks("file = 'a'\nrefresh = '0s'"), ["auth.jwks.refresh", "1s or more"]),
    ] {
        let error = parse(text).verifying_keys(|_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        let message = chain(&error);
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
    }
}

#[test]
fn what_only_tokens_need_is_refused_where_none_is_asked_for() {
    for text in [
        &format!("[[keys]]\nalgorithm = 'HS256'\nsecret = '{SECRET}'"),
        "[[jwks]]\nfile = 'jwks.json'",
        "issuers = ['https://issuer.example']",
        "audiences = ['confluo']",
        "default_grants = { '*' = 'read' }",
        "cookie = 'session'",
    ] {
        let setting = text.trim_matches('[').split([' ', ']']).next().unwrap();
        let message = parse(text).validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("auth.{setting} is set, but auth.mode is \"none\"")), "{text}: {message}");
        assert!(message.contains("set auth.mode = \"token\", or remove"), "{text}: {message}");
    }
}

#[test]
fn unknown_settings_and_values_name_themselves() {
    for (text, part) in [
        ("mdoe = 'token'", "mdoe"),
        ("mode = 'open'", "`none` or `token`"),
        ("[[keys]]\nalgorithm = 'none'", "none"),
        ("[[keys]]\nalgorithm = 'HS256'\nsecrte = 'x'", "secrte"),
        ("[claims]\nsub = 'x'", "sub"),
        ("[default_grants]\na = 'admin'", "`read` or `write`"),
        ("leeway = 10", "leeway"),
    ] {
        let error = toml::from_str::<AuthConfig>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn without_tokens_only_loopback_is_allowed_unless_said_in_words() {
    let check = |text: &str, addresses: &[&str], allowed: bool| {
        let addresses = addresses.iter().map(|address| address.parse::<IpAddr>().unwrap());
        let proxies = TrustedProxies::default();
        let result = parse(text).check_exposure(addresses, &proxies);
        assert_eq!(result.is_ok(), allowed, "{text}: {result:?}");
    };
    let words = format!("unprotected = '{UNPROTECTED_WORDS}'");
    check("", &["127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"], true);
    check("", &["127.0.0.1", "192.168.0.2"], false);
    check("", &["0.0.0.0"], false);
    check("", &["::"], false);
    check(&words, &["0.0.0.0"], true);
    check("unprotected = 'yes'", &["0.0.0.0"], false);
    check("mode = 'token'", &["0.0.0.0"], true);
    let proxies: TrustedProxies = toml::from_str("networks = ['127.0.0.1']").unwrap();
    for (text, is_allowed) in [("", false), (&*words, true), ("mode = 'token'", true)] {
        let result = parse(text).check_exposure(["127.0.0.1".parse().unwrap()], &proxies);
        assert_eq!(result.is_ok(), is_allowed, "{text} behind a proxy: {result:?}");
    }
}

#[test]
fn secrets_are_read_in_each_encoding_and_never_written_out() {
    let text = |encoding: &str, secret: &str| {
        format!("mode = 'token'\n[[keys]]\nalgorithm = 'HS256'\nencoding = '{encoding}'\nsecret = '{secret}'")
    };
    for encoded in ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"] {
        assert_eq!(parse(&text("base64", encoded)).verifying_keys(|_| unreachable!()).unwrap().len(), 1, "{encoded}");
    }
    let config = parse(&text("text", SECRET));
    assert!(!format!("{config:?}").contains(SECRET));
    assert!(!toml::to_string(&config).unwrap().contains(SECRET));
    assert_eq!(format!("{:?}", Secret::new("x")), "<redacted>");
    let config = parse("[[jwks]]\nurl = 'https://issuer.example/jwks?key=hunter2'");
    let written = toml::to_string(&config).unwrap();
    assert!(written.contains("https://issuer.example/jwks") && !written.contains("hunter2"), "{written}");
}
