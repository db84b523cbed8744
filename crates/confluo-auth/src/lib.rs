//! Tokens to access: who is asking, and what they may do with which document.
//!
//! 1. [`token_source`] finds the token in a request; [`origin`] says whether a web page may connect without one of its
//!    own; [`trusted_proxies`] says from which address.
//! 2. [`verifier`] checks it against a [`key_set`], whose keys come from the [`config`] and from [`jwks`] documents.
//! 3. [`claims`] and [`grants`] make an [`identity`] of it: a user, and documents with an access each.
//! 4. [`revocation`] says whether it still counts, at the door and ever after.
//! 5. [`mint`](fn@mint) makes tokens for development and scripts.
//!
//! Invariants: no IO, no clock, no randomness, no runtime; `now` and files are handed in. An algorithm belongs to a key
//! and a token's header can only agree with it. Nothing of a token is believed before its signature is checked. No input
//! panics. A token and a secret are never printed. `jsonwebtoken` is known to this crate alone.

pub mod algorithm;
pub mod claims;
pub mod config;
pub mod grants;
pub mod identity;
pub mod jwks;
pub mod key;
pub mod key_set;
pub mod mint;
pub mod networks;
pub mod origin;
pub mod revocation;
pub mod time;
pub mod token;
pub mod token_error;
pub mod token_source;
pub mod trusted_proxies;
pub mod verifier;

pub use algorithm::Algorithm;
pub use claims::ClaimMapping;
pub use config::{
    AuthConfig, AuthConfigError, AuthMode, JwksSource, KeyConfig, Secret, SecretEncoding, UNPROTECTED_WORDS,
};
pub use grants::{GrantedAccess, Grants, GrantsError};
pub use identity::Identity;
pub use jwks::{Jwks, JwksError, SkipReason, SkippedKey};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use key_set::KeySet;
pub use mint::{MintError, MintRequest, mint};
pub use networks::Networks;
pub use origin::{Credentials, OriginPolicy, OriginRefused};
pub use revocation::{Revocation, RevocationReason, Revocations, RevocationsError, RevokeError};
pub use time::UnixTime;
pub use token::{MAX_TOKEN_BYTES, Token};
pub use token_error::TokenError;
pub use token_source::{TokenSource, TokenSources, redact_query, select_subprotocol};
pub use trusted_proxies::{ForwardedHeader, TrustedProxies};
pub use verifier::Verifier;
