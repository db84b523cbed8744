//! One key, pinned to one algorithm and checked when it is loaded, so that no bad key waits for its first token.

use std::fmt;

use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk},
};

use crate::{Algorithm, algorithm::Family};

/// The shortest RSA modulus, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus that the signature library verifies, in bits.
const MAX_RSA_BITS: usize = 4096;

/// A key that verifies tokens of exactly one algorithm. The algorithm is the key's property: a token's header can only
/// agree with it.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A key that signs tokens, for development and scripts.
pub struct SigningKey {
    pub(crate) kid: Option<Box<str>>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
}

/// Why something is not a key for its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Short secrets can be guessed offline from a single token.
    #[error(
        "the secret for {algorithm} has {bytes} bytes and needs at least {needed}; `openssl rand -base64 {needed}` makes one"
    )]
    SecretTooShort {
        /// The algorithm.
        algorithm: Algorithm,
        /// The secret's length.
        bytes: usize,
        /// What it needs.
        needed: usize,
    },
    /// A secret was given for an asymmetric algorithm, or a PEM for a symmetric one. Taking it would let anyone who
    /// knows the public key sign tokens.
    #[error("{0} needs {expected}", expected = if .0.is_symmetric() { "a shared secret, not a PEM" } else { "a public key as PEM, not a shared secret" })]
    WrongKindFor(Algorithm),
    /// The text is no PEM of the expected sort.
    #[error(
        "not a PEM that begins with {expected}; `openssl pkey -pubout` and `openssl x509 -pubkey` make public ones"
    )]
    NotPem {
        /// The line that it must have.
        expected: &'static str,
    },
    /// The PEM or JWK holds something else than a key for this algorithm.
    #[error("not a valid key for {0}")]
    Invalid(Algorithm),
    /// The RSA modulus is too short to be safe or too long to be verified.
    #[error("the RSA key has {0} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed")]
    RsaSize(usize),
}

impl VerifyingKey {
    /// A shared secret for HS256, HS384 or HS512, at least as long as the hash.
    pub fn from_secret(kid: Option<&str>, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(algorithm, secret)?;
        Self::checked(kid, algorithm, DecodingKey::from_secret(secret))
    }

    /// A public key in PEM (`PUBLIC KEY`, for RSA also `RSA PUBLIC KEY`). Private keys and certificates are refused.
    pub fn from_public_pem(kid: Option<&str>, algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm.family() {
            Family::Secret => return Err(KeyError::WrongKindFor(algorithm)),
            Family::Rsa if has_line(pem, "-----BEGIN RSA PUBLIC KEY-----") => DecodingKey::from_rsa_pem(pem),
            _ if !has_line(pem, "-----BEGIN PUBLIC KEY-----") => {
                return Err(KeyError::NotPem { expected: "-----BEGIN PUBLIC KEY-----" });
            }
            Family::Rsa => DecodingKey::from_rsa_pem(pem),
            Family::EllipticCurve => DecodingKey::from_ec_pem(pem),
            Family::Edwards => DecodingKey::from_ed_pem(pem),
        };
        Self::checked(kid, algorithm, key.map_err(|_| KeyError::Invalid(algorithm))?)
    }

    pub(crate) fn from_jwk(kid: Option<&str>, algorithm: Algorithm, jwk: &Jwk) -> Result<Self, KeyError> {
        let key = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Invalid(algorithm))?;
        if algorithm.is_symmetric() {
            check_secret(algorithm, key.try_get_as_bytes().map_err(|_| KeyError::Invalid(algorithm))?)?;
        }
        Self::checked(kid, algorithm, key)
    }

    fn checked(kid: Option<&str>, algorithm: Algorithm, key: DecodingKey) -> Result<Self, KeyError> {
        let invalid = |_| KeyError::Invalid(algorithm);
        if key.family() != algorithm.in_jsonwebtoken().family() {
            return Err(KeyError::Invalid(algorithm));
        }
        match algorithm.family() {
            // The library slices the first 32 bytes without looking, and would panic at the first token.
            Family::Edwards if key.try_get_as_bytes().map_err(invalid)?.len() != 32 => {
                return Err(KeyError::Invalid(algorithm));
            }
            // The library parses an RSA key only at the first token, and takes any size.
            Family::Rsa => check_rsa_size(algorithm, &key)?,
            _ => {}
        }
        // Verifying an empty signature fails as a *result*; a key that does not fit fails as an *error*.
        jsonwebtoken::crypto::verify("", b"", &key, algorithm.in_jsonwebtoken()).map_err(invalid)?;
        Ok(Self { kid: kid.map(Into::into), algorithm, key })
    }

    /// The key's id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm whose signatures it accepts.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn made(&self, signature: &str, message: &[u8]) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.key, self.algorithm.in_jsonwebtoken()).unwrap_or(false)
    }
}

impl SigningKey {
    /// A shared secret.
    pub fn from_secret(kid: Option<&str>, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(algorithm, secret)?;
        Ok(Self { kid: kid.map(Into::into), algorithm, key: EncodingKey::from_secret(secret) })
    }

    /// A private key as PKCS#8 PEM (`PRIVATE KEY`, for RSA also `RSA PRIVATE KEY`).
    pub fn from_private_pem(kid: Option<&str>, algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm.family() {
            Family::Secret => return Err(KeyError::WrongKindFor(algorithm)),
            Family::Rsa if has_line(pem, "-----BEGIN RSA PRIVATE KEY-----") => EncodingKey::from_rsa_pem(pem),
            _ if !has_line(pem, "-----BEGIN PRIVATE KEY-----") => {
                return Err(KeyError::NotPem { expected: "-----BEGIN PRIVATE KEY-----" });
            }
            Family::Rsa => EncodingKey::from_rsa_pem(pem),
            Family::EllipticCurve => EncodingKey::from_ec_pem(pem),
            Family::Edwards => EncodingKey::from_ed_pem(pem),
        };
        let key = key.map_err(|_| KeyError::Invalid(algorithm))?;
        jsonwebtoken::crypto::sign(b"", &key, algorithm.in_jsonwebtoken()).map_err(|_| KeyError::Invalid(algorithm))?;
        Ok(Self { kid: kid.map(Into::into), algorithm, key })
    }
}

fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), KeyError> {
    match algorithm.min_secret_bytes() {
        None => Err(KeyError::WrongKindFor(algorithm)),
        Some(needed) if secret.len() < needed => {
            Err(KeyError::SecretTooShort { algorithm, bytes: secret.len(), needed })
        }
        // A public key pasted where a secret belongs is the classic confusion: everybody knows that "secret".
        Some(_) if secret.trim_ascii_start().starts_with(b"-----BEGIN ") => Err(KeyError::WrongKindFor(algorithm)),
        Some(_) => Ok(()),
    }
}

fn check_rsa_size(algorithm: Algorithm, key: &DecodingKey) -> Result<(), KeyError> {
    let jwk = Jwk::from_decoding_key(key, None).map_err(|_| KeyError::Invalid(algorithm))?;
    let AlgorithmParameters::RSA(rsa) = jwk.algorithm else { return Err(KeyError::Invalid(algorithm)) };
    let modulus = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, rsa.n)
        .map_err(|_| KeyError::Invalid(algorithm))?;
    let significant: &[u8] = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let bits = significant.len() * 8 - significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) { Ok(()) } else { Err(KeyError::RsaSize(bits)) }
}

fn has_line(pem: &[u8], line: &str) -> bool {
    pem.split(|byte| *byte == b'\n').any(|candidate| candidate.trim_ascii() == line.as_bytes())
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
