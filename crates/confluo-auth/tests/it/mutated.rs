//! No change to a token, and no text at all, is accepted or makes anything panic.

use std::sync::LazyLock;

use confluo_auth::{
    Algorithm, ForwardedHeader, Jwks, Networks, Revocations, Token, TokenSources, TrustedProxies, UnixTime, Verifier,
    redact_query, select_subprotocol,
};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::fixtures::{Cases, cases, config, verifier};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier(&config()));
static CASES: LazyLock<Cases> = LazyLock::new(cases);

#[derive(Debug, Clone)]
enum Mutation {
    Replace(char),
    Insert(char),
    Remove,
    CutHere,
    Repeat,
    SwapWithNext,
    FlipBit(u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let token_char = proptest::sample::select(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\u{0}é".chars().collect::<Vec<_>>(),
    );
    prop_oneof![
        token_char.clone().prop_map(Mutation::Replace),
        token_char.prop_map(Mutation::Insert),
        Just(Mutation::Remove),
        Just(Mutation::CutHere),
        Just(Mutation::Repeat),
        Just(Mutation::SwapWithNext),
        (0..7_u8).prop_map(Mutation::FlipBit),
    ]
}

fn mutate(token: &str, at: proptest::sample::Index, mutation: &Mutation) -> String {
    let mut chars: Vec<char> = token.chars().collect();
    if chars.is_empty() {
        return String::new();
    }
    let at = at.index(chars.len());
    match mutation {
        Mutation::Replace(c) => chars[at] = *c,
        Mutation::Insert(c) => chars.insert(at, *c),
        Mutation::Remove => drop(chars.remove(at)),
        Mutation::CutHere => chars.truncate(at),
        Mutation::Repeat => chars.extend_from_within(at..),
        Mutation::SwapWithNext => chars.swap(at, (at + 1) % token.chars().count()),
        Mutation::FlipBit(bit) => chars[at] = char::from_u32(chars[at] as u32 ^ 1 << bit).unwrap_or('?'),
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_mutated_token_never_verifies(
        which in any::<proptest::sample::Index>(),
        mutations in prop::collection::vec((any::<proptest::sample::Index>(), mutation()), 1..4),
    ) {
        let accepted: Vec<_> = CASES.cases.iter().filter(|case| case.expected == "ok").collect();
        let original = &accepted[which.index(accepted.len())].token;
        let mutated = mutations.iter().fold(original.clone(), |token, (at, how)| mutate(&token, *at, how));
        // A swap of two equal characters, or one change undone by another, is no change.
        if mutated != *original && let Ok(token) = Token::new(&mutated) {
            prop_assert!(VERIFIER.verify(&token, UnixTime(CASES.now)).is_err(), "{mutated}");
        }
    }

    #[test]
    fn no_text_makes_anything_panic(text in any::<String>(), bytes in any::<Vec<u8>>(), parts in "[a-zA-Z0-9_.-]{0,60}") {
        for text in [&text, &parts] {
            if let Ok(token) = Token::new(text) {
                prop_assert!(VERIFIER.verify(&token, UnixTime(0)).is_err());
            }
            redact_query(text);
        }
        let _ = Jwks::parse(&bytes, Algorithm::RS256);
        let _ = Revocations::from_json(&bytes, 10);
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "sec-websocket-protocol", "x-forwarded-for", "forwarded", "origin", "host"] {
            for value in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(name, value);
                }
            }
        }
        let _ = TokenSources { cookie: Some("a".into()) }.find(&headers, Some(&text));
        let _ = select_subprotocol(&headers);
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            let proxies = TrustedProxies { networks: Networks(vec!["0.0.0.0/0".parse().unwrap()]), header };
            let _ = proxies.client_address([127, 0, 0, 1].into(), &headers);
        }
        let _ = confluo_auth::OriginPolicy::new(&[text], true)
            .map(|policy| policy.check(&headers, confluo_auth::Credentials::Absent, None));
    }

    /// Signed by a real key, so that what comes after the signature is reached too.
    #[test]
    fn no_signed_claims_make_anything_panic(claims in "\\{(\"(exp|iat|nbf|aud|iss|sub|grants|role|name)\":(null|-?[0-9]{1,30}(e[0-9]{1,3})?|\"[a-z]{0,3}\"|\\[\\]|\\{\\}|true),?){0,8}\\}") {
        let (header, payload) = (encode(br#"{"alg":"HS256","kid":"HS256"}"#), encode(claims.trim_end_matches(",}").as_bytes()));
        let secret = crate::fixtures::read("keys/hs256.secret".as_ref()).unwrap();
        let key = jsonwebtoken::EncodingKey::from_secret(secret.trim_ascii());
        let message = format!("{header}.{payload}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        let _ = VERIFIER.verify(&Token::new(&format!("{message}.{signature}")).unwrap(), UnixTime(CASES.now));
    }
}

fn encode(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes)
}
