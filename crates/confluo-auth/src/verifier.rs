//! A token to an identity: the signature first, then times, issuer and audience, then the claims.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Algorithm, AuthConfig, AuthConfigError, ClaimMapping, Grants, Identity, KeySet, Token, TokenError, UnixTime,
    claims::{Rounding, string, strings, time},
};

/// Verifies tokens. It holds no state of its own: share one, behind an `Arc`, among all connections.
///
/// A check costs one signature (HS: microseconds; ES, Ed, RSA: some hundred microseconds in release builds), so it
/// belongs on the connection's task but not on a per-message path.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<KeySet>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Duration,
    require_expiry: bool,
    max_token_lifetime: Option<Duration>,
    claims: ClaimMapping,
    default_grants: Grants,
}

/// The part of a JOSE header that matters. Repeated members are refused by serde; unknown ones are ignored, as RFC 7515
/// §4 wants, and so a `jwk`, `jku` or `x5c` in a token is never looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Verifier {
    /// A verifier by this configuration's rules, with these keys.
    pub fn new(config: &AuthConfig, keys: Arc<KeySet>) -> Result<Self, AuthConfigError> {
        config.validate()?;
        Ok(Self {
            keys,
            issuers: config.issuers.clone(),
            audiences: config.audiences.clone(),
            leeway: config.leeway,
            require_expiry: config.require_expiry,
            max_token_lifetime: config.max_token_lifetime,
            claims: config.claims.clone(),
            default_grants: Grants::from_config(&config.default_grants).map_err(AuthConfigError::DefaultGrants)?,
        })
    }

    /// The keys in force, for refreshing those of a JWKS.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Who this token stands for at `now`. Whether it was revoked is [`crate::Revocations::check`]'s to say.
    pub fn verify(&self, token: &Token, now: UnixTime) -> Result<Identity, TokenError> {
        let claims = self.signed_claims(token.reveal())?;
        self.check_times(&claims, now)?;
        self.check_issuer_and_audience(&claims)?;
        self.claims.identity(&claims, &self.default_grants)
    }

    /// The claims, once a key in force is known to have signed them. Nothing of them is read before.
    fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed("it has no dots"))?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed("it has only one dot"))?;
        if claims.contains('.') {
            return Err(TokenError::Malformed("it has more than two dots"));
        }
        let header =
            URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed("its header is not base64url"))?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| TokenError::Malformed("its header is not a JOSE header"))?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed("it has critical header extensions, and none is supported"));
        }
        let algorithm = Algorithm::from_name(&header.alg).ok_or(TokenError::UnsupportedAlgorithm)?;
        self.keys.check_signature(header.kid.as_deref(), algorithm, message.as_bytes(), signature)?;

        let claims =
            URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Malformed("its claims are not base64url"))?;
        serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed("its claims are not a JSON object"))
    }

    fn check_times(&self, claims: &Map<String, Value>, now: UnixTime) -> Result<(), TokenError> {
        let expires_at = time(claims, "exp", Rounding::Down)?;
        let issued_at = time(claims, "iat", Rounding::Down)?;
        let not_before = time(claims, "nbf", Rounding::Up)?;
        let missing = |claim: &str| TokenError::MissingClaim(claim.to_owned());

        match expires_at {
            None if self.require_expiry => return Err(missing("exp")),
            Some(expires_at) if now >= expires_at.plus(self.leeway) => {
                return Err(TokenError::Expired { seconds_ago: now.since(expires_at).as_secs() });
            }
            _ => {}
        }
        let latest = now.plus(self.leeway);
        if let Some(ahead) = not_before.filter(|not_before| *not_before > latest) {
            return Err(TokenError::NotYetValid { seconds_ahead: ahead.since(now).as_secs() });
        }
        if let Some(ahead) = issued_at.filter(|issued_at| *issued_at > latest) {
            return Err(TokenError::IssuedInTheFuture { seconds_ahead: ahead.since(now).as_secs() });
        }
        if let Some(max_token_lifetime) = self.max_token_lifetime {
            let lifetime = expires_at.ok_or_else(|| missing("exp"))?.since(issued_at.ok_or_else(|| missing("iat"))?);
            if lifetime > max_token_lifetime {
                return Err(TokenError::LivesTooLong { seconds: lifetime.as_secs() });
            }
        }
        Ok(())
    }

    fn check_issuer_and_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        if !self.issuers.is_empty() {
            let issuer = string(claims, "iss")?.ok_or_else(|| TokenError::MissingClaim("iss".to_owned()))?;
            if !self.issuers.iter().any(|allowed| allowed == issuer) {
                return Err(TokenError::WrongIssuer);
            }
        }
        match strings(claims, "aud")? {
            None if self.audiences.is_empty() => Ok(()),
            None => Err(TokenError::MissingClaim("aud".to_owned())),
            Some(audiences) if audiences.iter().any(|audience| self.audiences.iter().any(|ours| ours == audience)) => {
                Ok(())
            }
            Some(_) => Err(TokenError::WrongAudience),
        }
    }
}
