//! A JWKS document (RFC 7517) to keys. Fetching and reading it is the caller's.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;

use crate::{Algorithm, KeyError, VerifyingKey};

/// The longest JWKS document that is parsed, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;
/// The most keys that one JWKS may bring.
pub const MAX_JWKS_KEYS: usize = 64;

/// What a JWKS brought: the keys that can be used, and why each other one cannot.
#[derive(Debug)]
pub struct Jwks {
    /// The usable keys, in the document's order.
    pub keys: Vec<VerifyingKey>,
    /// One for each key that was left out, to be logged.
    pub skipped: Vec<SkippedKey>,
}

/// A key of a JWKS that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the document, from 0.
    pub index: usize,
    /// Its id, if it could be read.
    pub kid: Option<String>,
    /// Why it is not used.
    pub reason: SkipReason,
}

/// Why a key of a JWKS is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It is not a JWK at all.
    #[error("not a JWK")]
    NotAJwk,
    /// Its type, curve or algorithm is none of ours.
    #[error("its type, curve or algorithm is not supported")]
    Unsupported,
    /// It says that it is for encryption, or for anything but verifying.
    #[error("not a key for verifying signatures")]
    OtherUse,
    /// A shared secret must say its algorithm, or any of three would do.
    #[error("a symmetric key without \"alg\"")]
    SecretWithoutAlgorithm,
    /// It is unsafe or does not fit its algorithm.
    #[error(transparent)]
    Key(KeyError),
}

/// Why a JWKS is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It is longer than [`MAX_JWKS_BYTES`].
    #[error("the JWKS has {0} bytes; at most {MAX_JWKS_BYTES} are read")]
    TooLarge(usize),
    /// It is not an object with an array `keys`.
    #[error("the JWKS is not a JSON object with an array \"keys\"")]
    NotAJwks(#[source] serde_json::Error),
    /// It has more keys than [`MAX_JWKS_KEYS`].
    #[error("the JWKS has {0} keys; at most {MAX_JWKS_KEYS} are allowed")]
    TooManyKeys(usize),
    /// None of its keys can be used; replacing good keys by none would lock everyone out.
    #[error("the JWKS has no key that can be used, of {0}")]
    NoUsableKey(usize),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Reads a JWKS. Each key is pinned: to its `alg`; without one to what its curve implies; an RSA key without one (as
    /// some providers publish them) to `rsa_algorithm`. What cannot be used is skipped and reported.
    pub fn parse(document: &[u8], rsa_algorithm: Algorithm) -> Result<Self, JwksError> {
        if document.len() > MAX_JWKS_BYTES {
            return Err(JwksError::TooLarge(document.len()));
        }
        let Document { keys: values } = serde_json::from_slice(document).map_err(JwksError::NotAJwks)?;
        if values.len() > MAX_JWKS_KEYS {
            return Err(JwksError::TooManyKeys(values.len()));
        }
        let total = values.len();
        let mut jwks = Self { keys: Vec::new(), skipped: Vec::new() };
        for (index, value) in values.into_iter().enumerate() {
            let kid = value.get("kid").and_then(serde_json::Value::as_str).map(str::to_owned);
            match usable_key(value, kid.as_deref(), rsa_algorithm) {
                Ok(key) => jwks.keys.push(key),
                Err(reason) => jwks.skipped.push(SkippedKey { index, kid, reason }),
            }
        }
        if jwks.keys.is_empty() {
            return Err(JwksError::NoUsableKey(total));
        }
        Ok(jwks)
    }
}

fn usable_key(
    value: serde_json::Value,
    kid: Option<&str>,
    rsa_algorithm: Algorithm,
) -> Result<VerifyingKey, SkipReason> {
    // Read before the library's own reading, which folds unknown names into one.
    let named = match value.get("alg") {
        None => None,
        Some(name) => Some(name.as_str().and_then(Algorithm::from_name).ok_or(SkipReason::Unsupported)?),
    };
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| SkipReason::NotAJwk)?;
    let for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let may_verify =
        jwk.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !for_signatures || !may_verify {
        return Err(SkipReason::OtherUse);
    }
    let implied = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => rsa_algorithm,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => named.ok_or(SkipReason::SecretWithoutAlgorithm)?,
        _ => return Err(SkipReason::Unsupported),
    };
    VerifyingKey::from_jwk(kid, named.unwrap_or(implied), &jwk).map_err(SkipReason::Key)
}
