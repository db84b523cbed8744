//! A minted token is accepted by the server whose configuration it was minted with.

use std::{path::Path, time::Duration};

use confluo_auth::{
    Algorithm, AuthConfig, ClaimMapping, Grants, MintError, MintRequest, SigningKey, TokenError, UnixTime, mint,
};
use confluo_protocol::Access;

use crate::fixtures::{config, read, verifier};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn request() -> MintRequest {
    MintRequest {
        user: "ada".into(),
        display_name: Some("Ada".into()),
        colour: Some("#abc".into()),
        grants: Some(Grants::from_pairs([("team/*", Access::Write), ("x", Access::Read)]).unwrap()),
        is_admin: true,
        lifetime: Duration::from_secs(60),
        token_id: Some("t1".into()),
    }
}

fn check(config: &AuthConfig, key: &SigningKey) {
    let token = mint(config, key, &request(), NOW).unwrap();
    let identity = verifier(config).verify(&token, NOW).unwrap();
    assert_eq!(&*identity.user.0, "ada");
    assert_eq!(identity.display_name.as_deref(), Some("Ada"));
    assert_eq!(identity.colour.as_deref(), Some("#abc"));
    assert_eq!(Some(identity.grants), request().grants);
    assert!(identity.is_admin);
    assert_eq!((identity.issued_at, identity.expires_at), (Some(NOW), Some(UnixTime(NOW.0 + 60))));
    assert_eq!(identity.token_id.as_deref(), Some("t1"));
}

#[test]
fn a_minted_token_is_accepted_whatever_key_signs_it() {
    let config = config();
    check(&config, &config.signing_key(None, read).unwrap());
    check(&config, &config.signing_key(Some("HS512"), read).unwrap());
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        let path = match algorithm {
            Algorithm::ES256 => "keys/p256.private.pem",
            Algorithm::ES384 => "keys/p384.private.pem",
            Algorithm::EdDSA => "keys/ed25519.private.pem",
            _ => "keys/rsa.private.pem",
        };
        let pem = read(Path::new(path)).unwrap();
        check(&config, &SigningKey::from_private_pem(Some(algorithm.name()), algorithm, &pem).unwrap());
        let public = read(Path::new(&path.replace("private", "public"))).unwrap();
        assert!(SigningKey::from_private_pem(None, algorithm, &public).is_err());
    }
}

#[test]
fn claims_go_where_the_configuration_looks_for_them() {
    let claims = ClaimMapping {
        user: "/who/id".into(),
        name: "/who/full~1name".into(),
        grants: "https://example.com/grants".into(),
        role: "/realm_access/roles".into(),
        admin_role: "confluo-admin".into(),
        ..ClaimMapping::default()
    };
    let config = AuthConfig { claims, ..config() };
    check(&config, &config.signing_key(None, read).unwrap());
}

#[test]
fn claims_that_get_into_each_others_way_are_reported() {
    let key = config().signing_key(None, read).unwrap();
    let claims = ClaimMapping { user: "sub".into(), name: "/sub/name".into(), ..ClaimMapping::default() };
    let error = mint(&AuthConfig { claims, ..config() }, &key, &request(), NOW).unwrap_err();
    assert!(matches!(error, MintError::ClaimsCollide { setting: "name", .. }), "{error}");
    let claims = ClaimMapping { user: "exp".into(), ..ClaimMapping::default() };
    assert!(mint(&AuthConfig { claims, ..config() }, &key, &request(), NOW).is_err());
}

#[test]
fn default_grants_are_for_tokens_without_a_grants_claim_only() {
    let config = AuthConfig { default_grants: toml::from_str("'lobby/*' = 'read'").unwrap(), ..config() };
    let key = config.signing_key(None, read).unwrap();
    let grants_of = |grants| {
        let token = mint(&config, &key, &MintRequest { grants, ..request() }, NOW).unwrap();
        verifier(&config).verify(&token, NOW).unwrap().grants.to_claim()
    };
    assert_eq!(grants_of(None), serde_json::json!({"lobby/*": "read"}));
    assert_eq!(grants_of(Some(Grants::none())), serde_json::json!({}));
}

#[test]
fn a_longest_lifetime_is_enforced() {
    let config = AuthConfig { max_token_lifetime: Some(Duration::from_secs(59)), ..config() };
    let token = mint(&config, &config.signing_key(None, read).unwrap(), &request(), NOW).unwrap();
    assert_eq!(verifier(&config).verify(&token, NOW), Err(TokenError::LivesTooLong { seconds: 60 }));
}
