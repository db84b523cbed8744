//! Why a token is refused: one kind each for logs and metrics, one harmless sentence for the client.

use confluo_protocol::CloseCode;

use crate::{GrantsError, RevocationReason};

/// Why a token gives no access. `Display` is for the audit log and may name claims and keys, never the token;
/// [`TokenError::client_reason`] is what a client may read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// None came, by any way that is looked at.
    #[error("no token was sent")]
    Missing,
    /// Two different tokens came by two ways, so it is unclear who is asking.
    #[error("different tokens were sent in {first} and in {second}")]
    Conflicting {
        /// Where one stood.
        first: &'static str,
        /// Where the other stood.
        second: &'static str,
    },
    /// It is longer than [`crate::MAX_TOKEN_BYTES`].
    #[error("the token has {bytes} bytes; at most {} are read", crate::MAX_TOKEN_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It is not a compact JWS with a JSON header and JSON claims.
    #[error("the token is not a JWT: {0}")]
    Malformed(&'static str),
    /// Its algorithm is none that could ever be allowed; `none` is among them.
    #[error("the token is signed with an algorithm that is not supported")]
    UnsupportedAlgorithm,
    /// Its key is known, and pinned to another algorithm.
    #[error("the token says it is signed with {claimed}, but no key of that id is for {claimed}")]
    AlgorithmMismatch {
        /// What the token's header says.
        claimed: crate::Algorithm,
    },
    /// No key has its `kid`. The issuer may have rotated its keys: fetching the JWKS again may help.
    #[error("no key is known that the token names or could be signed with")]
    UnknownKey,
    /// No candidate key made this signature.
    #[error("the token's signature is not by the key that it names")]
    BadSignature,
    /// `exp` (plus leeway) is past.
    #[error("the token expired {seconds_ago} s ago")]
    Expired {
        /// Seconds since `exp`.
        seconds_ago: u64,
    },
    /// `nbf` (minus leeway) is yet to come.
    #[error("the token is not valid before {seconds_ahead} s from now")]
    NotYetValid {
        /// Seconds until `nbf`.
        seconds_ahead: u64,
    },
    /// `iat` (minus leeway) is yet to come: with such a clock no revocation by time would hold.
    #[error("the token was issued {seconds_ahead} s in the future; compare the issuer's clock with this machine's")]
    IssuedInTheFuture {
        /// Seconds until `iat`.
        seconds_ahead: u64,
    },
    /// From `iat` to `exp` is longer than `auth.max_token_lifetime`.
    #[error("the token is valid for {seconds} s, longer than auth.max_token_lifetime allows")]
    LivesTooLong {
        /// Its lifetime.
        seconds: u64,
    },
    /// `iss` is none of `auth.issuers`.
    #[error("the token's issuer is none of auth.issuers")]
    WrongIssuer,
    /// `aud` is none of `auth.audiences`, or it has one and none is configured (RFC 7519 §4.1.3).
    #[error("the token is for another audience than auth.audiences")]
    WrongAudience,
    /// A claim is needed and absent.
    #[error("the token lacks the claim {0}")]
    MissingClaim(String),
    /// A claim has the wrong type or is out of bounds.
    #[error("the token's claim {claim} {problem}")]
    MalformedClaim {
        /// Its name or JSON pointer.
        claim: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The grants claim cannot be read; refusing is clearer than granting less than was meant.
    #[error("the token's grants cannot be read")]
    MalformedGrants(#[source] GrantsError),
    /// It was valid, and somebody revoked it.
    #[error("the token was revoked: {0}")]
    Revoked(RevocationReason),
}

impl TokenError {
    /// Every token problem closes with 4401: a stock client must not come back with the same token.
    pub fn close_code(&self) -> CloseCode {
        CloseCode::Unauthorised
    }

    /// A stable name in snake case, for the audit log and as a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Conflicting { .. } => "conflicting",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) => "malformed",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmMismatch { .. } => "algorithm_mismatch",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::IssuedInTheFuture { .. } => "issued_in_the_future",
            Self::LivesTooLong { .. } => "lives_too_long",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim(_) => "missing_claim",
            Self::MalformedClaim { .. } => "malformed_claim",
            Self::MalformedGrants(_) => "malformed_grants",
            Self::Revoked(_) => "revoked",
        }
    }

    /// A sentence for the client that tells it what to do and nothing of this server's insides. It fits into a
    /// WebSocket close frame (at most 123 bytes).
    pub fn client_reason(&self) -> &'static str {
        match self {
            Self::Missing => "a token is needed",
            Self::Conflicting { .. } => "two different tokens were sent; send one",
            Self::TooLarge { .. } => "the token is too long",
            Self::Malformed(_) => "the token is not a JWT",
            // One answer for four: which keys and algorithms are in use concerns nobody who lacks a valid token.
            Self::UnsupportedAlgorithm | Self::AlgorithmMismatch { .. } | Self::UnknownKey | Self::BadSignature => {
                "the token's signature is not accepted"
            }
            Self::Expired { .. } => "the token has expired; get a fresh one",
            Self::NotYetValid { .. } | Self::IssuedInTheFuture { .. } => "the token is not valid yet",
            Self::LivesTooLong { .. } => "the token is valid for too long",
            Self::WrongIssuer | Self::WrongAudience => "the token is not meant for this server",
            Self::MissingClaim(_) | Self::MalformedClaim { .. } => "the token lacks a claim or has a malformed one",
            Self::MalformedGrants(_) => "the token's grants cannot be read",
            Self::Revoked(_) => "the token was revoked",
        }
    }

    /// Whether a newer copy of the issuer's keys could change the answer.
    pub fn may_be_cured_by_fresh_keys(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::BadSignature | Self::AlgorithmMismatch { .. })
    }
}
