//! Keys are checked when they are loaded, pinned to one algorithm, and replaced while the server runs.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use confluo_auth::{
    Algorithm, AuthConfig, Jwks, JwksError, KeyError, KeySet, SkipReason, Token, TokenError, UnixTime, Verifier,
    VerifyingKey,
};

use crate::fixtures::{self, read};

fn file(path: &str) -> Vec<u8> {
    read(Path::new(path)).unwrap()
}

/// Takes its keys from a JWKS alone.
fn config() -> AuthConfig {
    let jwks = vec![toml::from_str("file = 'jwks.json'").expect("a source")];
    AuthConfig { keys: Vec::new(), jwks, ..fixtures::config() }
}

/// One token of each key of the JWKS, by its kid.
fn tokens() -> BTreeMap<String, String> {
    serde_json::from_slice(&file("jwks-tokens.json")).expect("tokens")
}

#[test]
fn a_jwks_brings_what_can_be_used_and_reports_the_rest() {
    let jwks = Jwks::parse(&file("jwks.json"), Algorithm::RS256).unwrap();
    let keys: Vec<_> = jwks.keys.iter().map(|key| (key.kid().unwrap(), key.algorithm().name())).collect();
    assert_eq!(
        keys,
        [
            ("rsa", "PS256"),
            ("rsa-without-alg", "RS256"),
            ("p256", "ES256"),
            ("p384", "ES384"),
            ("ed25519", "EdDSA"),
            ("secret", "HS256")
        ]
    );
    let skipped: Vec<_> = jwks.skipped.iter().map(|key| (key.kid.as_deref(), key.reason.clone())).collect();
    assert_eq!(
        skipped,
        [
            (Some("p521"), SkipReason::Unsupported),
            (Some("encryption"), SkipReason::Unsupported),
            (Some("wrapping"), SkipReason::OtherUse),
            (Some("short"), SkipReason::Key(KeyError::RsaSize(1024))),
            (Some("wrong-curve"), SkipReason::Key(KeyError::Invalid(Algorithm::ES384))),
            (Some("confused"), SkipReason::Key(KeyError::Invalid(Algorithm::HS256))),
            (Some("secret-without-alg"), SkipReason::SecretWithoutAlgorithm),
            (Some("cut"), SkipReason::Key(KeyError::Invalid(Algorithm::EdDSA))),
            (Some("post-quantum"), SkipReason::Unsupported),
            (None, SkipReason::NotAJwk),
        ]
    );
}

#[test]
fn keys_of_a_jwks_verify_and_are_replaced_whole() {
    let keys = Arc::new(KeySet::default());
    let verifier = Verifier::new(&config(), Arc::clone(&keys)).unwrap();
    let tokens = tokens();
    let now = UnixTime(fixtures::cases().now);
    let check = |expected: &str| {
        for (kid, token) in &tokens {
            let result = verifier.verify(&Token::new(token).unwrap(), now);
            assert_eq!(result.as_ref().map_or_else(TokenError::kind, |_| "ok"), expected, "{kid}: {result:?}");
        }
    };

    check("unknown_key");
    let jwks = Jwks::parse(&file("jwks.json"), Algorithm::RS256).unwrap();
    keys.replace_jwks("a", jwks.keys.clone());
    assert_eq!(keys.len(), 6);
    check("ok");
    // Another document's keys stand beside the first's.
    keys.replace_jwks("b", jwks.keys.clone());
    keys.replace_jwks("a", Vec::new());
    check("ok");
    keys.replace_jwks("b", Vec::new());
    assert!(keys.is_empty());
    check("unknown_key");
}

#[test]
fn keys_without_a_kid_do_not_keep_one_from_being_tried_that_the_token_names() {
    let secret = |byte| VerifyingKey::from_secret(None, Algorithm::HS256, &[byte; 32]).unwrap();
    let keys = KeySet::new((0..8).map(secret).collect());
    keys.replace_jwks("a", Jwks::parse(&file("jwks.json"), Algorithm::RS256).unwrap().keys);
    let verifier = Verifier::new(&config(), Arc::new(keys)).unwrap();
    let token = Token::new(&tokens()["secret"]).unwrap();
    verifier.verify(&token, UnixTime(fixtures::cases().now)).unwrap();
}

#[test]
fn a_kid_that_no_key_has_is_unknown_whatever_the_keys_without_one_say() {
    for (algorithm, secret) in [(Algorithm::HS256, vec![1; 32]), (Algorithm::HS512, vec![1; 64])] {
        let own = VerifyingKey::from_secret(None, algorithm, &secret).unwrap();
        let keys = Arc::new(KeySet::new(vec![own]));
        let verifier = Verifier::new(&config(), Arc::clone(&keys)).unwrap();
        let token = Token::new(&tokens()["secret"]).unwrap();
        let verify = || verifier.verify(&token, UnixTime(fixtures::cases().now)).map(drop);
        assert_eq!(verify(), Err(TokenError::UnknownKey), "{algorithm}");
        let of_its_kid = VerifyingKey::from_secret(Some("secret"), Algorithm::HS256, &[2; 32]).unwrap();
        keys.replace_jwks("a", vec![of_its_kid]);
        assert_eq!(verify(), Err(TokenError::BadSignature), "{algorithm}");
    }
}

#[test]
fn a_generation_ends_with_each_replacement() {
    let keys = KeySet::default();
    let first = keys.generation();
    assert_eq!(keys.generation(), first);
    keys.replace_jwks("a", Vec::new());
    assert_ne!(keys.generation(), first);
}

#[test]
fn a_jwks_that_would_lock_everyone_out_is_refused() {
    let parse = |document: &str| Jwks::parse(document.as_bytes(), Algorithm::RS256).unwrap_err();
    assert!(matches!(parse(r#"{"keys":[]}"#), JwksError::NoUsableKey(0)));
    assert!(matches!(parse(r#"{"keys":[{"kty":"X"}]}"#), JwksError::NoUsableKey(1)));
    assert!(matches!(parse("<html>"), JwksError::NotAJwks(_)));
    assert!(matches!(parse("[]"), JwksError::NotAJwks(_)));
    assert!(matches!(parse(&format!(r#"{{"keys":[{}0]}}"#, "0,".repeat(64))), JwksError::TooManyKeys(65)));
    assert!(matches!(parse(&" ".repeat(300_000)), JwksError::TooLarge(300_000)));
}

#[test]
fn a_key_that_does_not_fit_its_algorithm_is_refused_when_it_is_loaded() {
    use Algorithm::*;
    let check_pem = |algorithm, path: &str, error: KeyError| {
        let result = VerifyingKey::from_public_pem(None, algorithm, &file(path));
        assert_eq!(result.unwrap_err(), error, "{algorithm} {path}");
    };
    let not_pem = || KeyError::NotPem { expected: "-----BEGIN PUBLIC KEY-----" };
    check_pem(HS256, "keys/rsa.public.pem", KeyError::WrongKindFor(HS256));
    check_pem(RS256, "keys/p256.public.pem", KeyError::Invalid(RS256));
    check_pem(ES256, "keys/rsa.public.pem", KeyError::Invalid(ES256));
    check_pem(ES256, "keys/p384.public.pem", KeyError::Invalid(ES256));
    check_pem(ES384, "keys/p256.public.pem", KeyError::Invalid(ES384));
    check_pem(ES256, "keys/p521.public.pem", KeyError::Invalid(ES256));
    check_pem(ES256, "keys/ed25519.public.pem", KeyError::Invalid(ES256));
    check_pem(EdDSA, "keys/p256.public.pem", KeyError::Invalid(EdDSA));
    check_pem(RS256, "keys/rsa-1024.public.pem", KeyError::RsaSize(1024));
    check_pem(RS256, "keys/rsa.private.pem", not_pem());
    check_pem(EdDSA, "keys/ed25519.private.pem", not_pem());
    check_pem(RS256, "keys/hs512.secret", not_pem());

    let check_secret = |algorithm, secret: &[u8], error: KeyError| {
        assert_eq!(VerifyingKey::from_secret(None, algorithm, secret).unwrap_err(), error, "{algorithm}");
    };
    let short = |algorithm, bytes, needed| KeyError::SecretTooShort { algorithm, bytes, needed };
    check_secret(HS256, b"", short(HS256, 0, 32));
    check_secret(HS256, &[7; 31], short(HS256, 31, 32));
    check_secret(HS384, &[7; 47], short(HS384, 47, 48));
    check_secret(HS512, &[7; 63], short(HS512, 63, 64));
    check_secret(RS256, &[7; 64], KeyError::WrongKindFor(RS256));
    // Key confusion from the other side: a public key is no secret.
    check_secret(HS256, &file("keys/rsa.public.pem"), KeyError::WrongKindFor(HS256));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let key = VerifyingKey::from_secret(Some("k"), Algorithm::HS256, &[b'x'; 40]).unwrap();
    assert_eq!(format!("{key:?}"), r#"VerifyingKey { kid: Some("k"), algorithm: HS256, .. }"#);
}
