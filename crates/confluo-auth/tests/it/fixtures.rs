//! The tokens of `fixtures/tokens`, made by `jose`: each is accepted, or refused for exactly the reason it was made for.

use std::{fmt::Write, io, path::Path, sync::Arc};

use confluo_auth::{AuthConfig, KeySet, Token, TokenError, UnixTime, Verifier};
use confluo_protocol::{Access, DocumentName};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Cases {
    pub(crate) now: u64,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: String,
    pub(crate) token: String,
}

pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tokens")).join(path))
}

pub(crate) fn cases() -> Cases {
    serde_json::from_slice(&read(Path::new("cases.json")).unwrap()).unwrap()
}

/// One key for each algorithm, called like it; those of RSA are the same key, pinned six ways.
pub(crate) fn config() -> AuthConfig {
    let mut text = "mode = 'token'\nissuers = ['https://issuer.example']\naudiences = ['confluo']\n".to_owned();
    for (algorithm, source) in [
        ("HS256", "secret_file = 'keys/hs256.secret'"),
        ("HS384", "secret_file = 'keys/hs384.secret'"),
        ("HS512", "secret_file = 'keys/hs512.secret'"),
        ("RS256", "public_key_file = 'keys/rsa.public.pem'"),
        ("RS384", "public_key_file = 'keys/rsa.public.pem'"),
        ("RS512", "public_key_file = 'keys/rsa.public.pem'"),
        ("PS256", "public_key_file = 'keys/rsa.public.pem'"),
        ("PS384", "public_key_file = 'keys/rsa.public.pem'"),
        ("PS512", "public_key_file = 'keys/rsa.public.pem'"),
        ("ES256", "public_key_file = 'keys/p256.public.pem'"),
        ("ES384", "public_key_file = 'keys/p384.public.pem'"),
        ("EdDSA", "public_key_file = 'keys/ed25519.public.pem'"),
    ] {
        writeln!(text, "[[keys]]\nkid = '{algorithm}'\nalgorithm = '{algorithm}'\n{source}").unwrap();
    }
    toml::from_str(&text).unwrap()
}

pub(crate) fn verifier(config: &AuthConfig) -> Verifier {
    Verifier::new(config, Arc::new(KeySet::new(config.verifying_keys(read).unwrap()))).unwrap()
}

#[test]
fn each_token_is_accepted_or_refused_for_the_reason_it_was_made_for() {
    let verifier = verifier(&config());
    let Cases { now, cases } = cases();
    assert!(cases.len() > 90);
    for Case { name, expected, token } in cases {
        let result = Token::new(&token).and_then(|token| verifier.verify(&token, UnixTime(now)));
        let kind = result.as_ref().map_or_else(TokenError::kind, |_| "ok");
        assert_eq!(kind, expected, "{name}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.close_code().code(), 4401, "{name}");
            assert!(error.client_reason().len() <= 123, "{name}");
        }
    }
}

#[test]
fn an_accepted_token_becomes_the_identity_that_it_describes() {
    let verifier = verifier(&config());
    let Cases { now, cases } = cases();
    let identity = |name: &str| {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        verifier.verify(&Token::new(&case.token).unwrap(), UnixTime(now)).unwrap()
    };

    let ada = identity("RS256 by its kid");
    assert_eq!(&*ada.user.0, "ada");
    assert_eq!(ada.display_name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(ada.colour.as_deref(), Some("#7c3aed"));
    assert!(ada.is_admin);
    assert_eq!(ada.token_id.as_deref(), Some("token-1"));
    assert_eq!((ada.issued_at, ada.expires_at), (Some(UnixTime(now - 60)), Some(UnixTime(now + 3600))));
    let access = |name: &str| ada.grants.access(&DocumentName::new(name).unwrap());
    assert_eq!((access("team/x"), access("notes"), access("other")), (Some(Access::Write), Some(Access::Read), None));
    assert_eq!(ada.session_ends_at(config().expiry_grace), Some(UnixTime(now + 3610)));

    let unicode = identity("unicode everywhere");
    assert_eq!((&*unicode.user.0, unicode.display_name.as_deref()), ("Ünï-😀", Some("名前 🎨")));
    assert_eq!(unicode.grants.access(&DocumentName::new("文書").unwrap()), Some(Access::Read));
}

#[test]
fn a_token_is_good_until_its_end_plus_leeway_and_not_a_second_longer() {
    let verifier = verifier(&config());
    let Cases { now, cases } = cases();
    let token = Token::new(&cases[0].token).unwrap();
    let end = now + 3600 + config().leeway.as_secs();
    assert!(verifier.verify(&token, UnixTime(end - 1)).is_ok());
    assert_eq!(verifier.verify(&token, UnixTime(end)), Err(TokenError::Expired { seconds_ago: 10 }));
    // Whoever was let out with 4501 at the end of the grace must not be let in with the same token.
    assert!(config().expiry_grace >= config().leeway);
}
