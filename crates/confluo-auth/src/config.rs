//! The `[auth]` section of the configuration.
//!
//! ```toml
//! [auth]
//! mode = "token"
//! audiences = ["confluo"]
//!
//! [[auth.keys]]
//! kid = "2026-01"
//! algorithm = "HS256"
//! secret_file = "/run/secrets/confluo"
//! ```

mod keys;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

pub use keys::{JwksSource, KeyConfig, Secret, SecretEncoding};
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer};

use crate::{ClaimMapping, GrantedAccess, Grants, GrantsError, KeyError, TrustedProxies};

/// What `auth.unprotected` must say, word for word, for a server without tokens to listen beyond loopback.
pub const UNPROTECTED_WORDS: &str = "anyone may read and change every document";

/// Who may come in, and by what token. Every duration is written as `10s`, `5m`, `1h`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Whether a token is needed. Default `none`, which only loopback may have; see [`AuthConfig::check_exposure`].
    #[serde(deserialize_with = "choice")]
    pub mode: AuthMode,
    /// With `mode = "none"` beyond loopback: exactly [`UNPROTECTED_WORDS`].
    pub unprotected: Option<String>,
    /// Keys by secret or PEM. Several may be in force at once: add the new one, wait until the last token of the old one
    /// has expired, remove the old one.
    pub keys: Vec<KeyConfig>,
    /// JWKS documents by file or URL.
    pub jwks: Vec<JwksSource>,
    /// The accepted `iss`. Default empty: not checked.
    pub issuers: Vec<String>,
    /// The accepted `aud`. Default empty: then a token that has an `aud` is refused, since it is for somebody else.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be off, for `exp`, `nbf` and `iat`. Default 10 s, at most 10 min.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// How long a live session may outlive its token's `exp` while the client gets a fresh one. Default 10 s, at least
    /// `leeway` (or a returning client would be let in and thrown out again), at most 1 h.
    #[serde(with = "humantime_serde")]
    pub expiry_grace: Duration,
    /// How long a connection that brought no token may take to send one in-band, as its first message. Default 5 s, from
    /// 100 ms to 1 min.
    #[serde(with = "humantime_serde")]
    pub token_timeout: Duration,
    /// Whether a token must have `exp`. Default true; a token without one is good until it is revoked.
    pub require_expiry: bool,
    /// The longest time from `iat` to `exp`; with it, both are needed. Default none. It also lets old revocations be
    /// forgotten: see [`crate::Revocations::prune`].
    #[serde(with = "humantime_serde")]
    pub max_token_lifetime: Option<Duration>,
    /// Which claim says what.
    pub claims: ClaimMapping,
    /// What a valid token *without* a grants claim may do. Default nothing.
    pub default_grants: BTreeMap<String, GrantedAccess>,
    /// The cookie that may carry the token. Default none: cookies are not looked at.
    pub cookie: Option<String>,
    /// Origins, such as `https://app.example.com`, that may connect where origins are enforced (by cookie, or without
    /// tokens), beside the server's own.
    pub allowed_origins: Vec<String>,
}

/// Whether a token is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everyone may read and write every document.
    #[default]
    None,
    /// A valid token is needed, and says what it may do.
    Token,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            mode: AuthMode::None,
            unprotected: None,
            keys: Vec::new(),
            jwks: Vec::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(10),
            expiry_grace: Duration::from_secs(10),
            token_timeout: Duration::from_secs(5),
            require_expiry: true,
            max_token_lifetime: None,
            claims: ClaimMapping::default(),
            default_grants: BTreeMap::new(),
            cookie: None,
            allowed_origins: Vec::new(),
        }
    }
}

/// What is wrong with the section. Each names its setting and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// Tokens are needed, and none could ever be verified.
    #[error("auth.mode = \"token\" needs at least one entry in auth.keys or auth.jwks")]
    NoKeys,
    /// Somebody set up tokens, and nobody is asked for one.
    #[error("{0} is set, but auth.mode is \"none\": set auth.mode = \"token\", or remove {0}")]
    Unused(&'static str),
    /// A server without tokens would be open to a network.
    #[error(
        "auth.mode = \"none\" lets everyone in, so it may listen on loopback only, not on {address}; set auth.mode = \
         \"token\" and a key, or auth.unprotected = \"{UNPROTECTED_WORDS}\""
    )]
    Exposed {
        /// The first address that is not loopback.
        address: IpAddr,
    },
    /// A server without tokens would be open to whoever a proxy lets through.
    #[error(
        "auth.mode = \"none\" lets everyone in, and trusted_proxies.networks says that others come through a proxy; set \
         auth.mode = \"token\" and a key, or auth.unprotected = \"{UNPROTECTED_WORDS}\""
    )]
    ExposedByProxy,
    /// The words are other words.
    #[error("auth.unprotected must be exactly \"{UNPROTECTED_WORDS}\", or absent")]
    WrongWords,
    /// A duration is out of its bounds.
    #[error("{setting} is {}; {allowed}", humantime(*.value))]
    Duration {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A claim's name is empty.
    #[error("auth.claims.{0} is empty; it is a claim's name, or a JSON pointer such as /realm_access/roles")]
    EmptyClaim(&'static str),
    /// The admin role is empty.
    #[error("auth.claims.admin_role is empty; it is the role that makes an admin, such as \"admin\"")]
    EmptyAdminRole,
    /// The default grants cannot be read.
    #[error("auth.default_grants cannot be read")]
    DefaultGrants(#[source] GrantsError),
    /// The cookie's name has characters that a cookie's name cannot have.
    #[error("auth.cookie is {0:?}; a cookie's name has letters, digits and !#$%&'*+-.^_`|~ only")]
    Cookie(String),
    /// An entry is not an origin.
    #[error(
        "auth.allowed_origins has {0:?}; an origin is http:// or https:// and a host, with a port if unusual, no path"
    )]
    Origin(String),
    /// A key must come from exactly one place.
    #[error("auth.keys[{index}] must have exactly one of secret, secret_file, public_key, public_key_file")]
    KeySource {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A key's file cannot be read.
    #[error("auth.keys[{index}] cannot be read from {path:?}")]
    KeyFile {
        /// Its place in the list, from 0.
        index: usize,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret is not in its encoding.
    #[error("auth.keys[{index}] says encoding = \"base64\", and its secret is not base64")]
    SecretEncoding {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A key does not fit its algorithm.
    #[error("auth.keys[{index}] is not usable")]
    Key {
        /// Its place in the list, from 0.
        index: usize,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// Of several keys one has no id.
    #[error("auth.keys[{index}] has no kid; where there are several keys, each needs one of its own")]
    NoKid {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Two keys have the same id.
    #[error("auth.keys[{index}] has the kid {kid:?} of an earlier key; each needs one of its own")]
    RepeatedKid {
        /// The later one's place in the list, from 0.
        index: usize,
        /// The id.
        kid: String,
    },
    /// A JWKS must come from exactly one place.
    #[error(
        "auth.jwks[{index}] must have exactly one of url, file; a url begins with https:// (or http:// on loopback)"
    )]
    JwksSource {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Authorities are named where no certificate is shown.
    #[error("auth.jwks[{index}].ca_file goes with a url that begins with https:// only")]
    JwksAuthorities {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// An RSA default for a JWKS is no RSA algorithm.
    #[error("auth.jwks[{index}].rsa_algorithm must be one of RS256, RS384, RS512, PS256, PS384, PS512")]
    JwksRsaAlgorithm {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// No key can sign.
    #[error("no key of auth.keys can sign{}; a token is minted with a secret, or with a private key in PEM", .kid.as_ref().map(|kid| format!(" as {kid:?}")).unwrap_or_default())]
    NoSigningKey {
        /// The id that was asked for.
        kid: Option<String>,
    },
}

impl AuthConfigError {
    /// The setting that it is about, as `auth.keys`.
    pub fn setting(&self) -> String {
        match self {
            Self::NoKeys | Self::Exposed { .. } | Self::ExposedByProxy => "auth.mode".to_owned(),
            // Of an entry of a list the list is the setting.
            Self::Duration { setting, .. } if setting.starts_with("auth.jwks.") => "auth.jwks".to_owned(),
            Self::Unused(setting) | Self::Duration { setting, .. } => (*setting).to_owned(),
            Self::WrongWords => "auth.unprotected".to_owned(),
            Self::EmptyClaim(claim) => format!("auth.claims.{claim}"),
            Self::EmptyAdminRole => "auth.claims.admin_role".to_owned(),
            Self::DefaultGrants(_) => "auth.default_grants".to_owned(),
            Self::Cookie(_) => "auth.cookie".to_owned(),
            Self::Origin(_) => "auth.allowed_origins".to_owned(),
            Self::KeySource { .. }
            | Self::KeyFile { .. }
            | Self::SecretEncoding { .. }
            | Self::Key { .. }
            | Self::NoKid { .. }
            | Self::RepeatedKid { .. }
            | Self::NoSigningKey { .. } => "auth.keys".to_owned(),
            Self::JwksSource { .. } | Self::JwksAuthorities { .. } | Self::JwksRsaAlgorithm { .. } => {
                "auth.jwks".to_owned()
            }
        }
    }
}

impl AuthConfig {
    /// Checks every setting on its own and together, and tells the first problem. Files are not read here; see
    /// [`AuthConfig::verifying_keys`].
    pub fn validate(&self) -> Result<(), AuthConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// The same, and tells all problems; of the keys, and of the sources of keys, the first.
    pub fn problems(&self) -> Vec<AuthConfigError> {
        let mut problems = Vec::new();
        if self.mode == AuthMode::Token && self.keys.is_empty() && self.jwks.is_empty() {
            problems.push(AuthConfigError::NoKeys);
        }
        problems.extend(self.unused().map(AuthConfigError::Unused));
        if self.unprotected.as_deref().is_some_and(|words| words != UNPROTECTED_WORDS) {
            problems.push(AuthConfigError::WrongWords);
        }
        problems.extend(self.durations_out_of_bounds());
        let empty_claims = self.claims.paths().into_iter().filter(|(_, path)| matches!(*path, "" | "/"));
        problems.extend(empty_claims.map(|(claim, _)| AuthConfigError::EmptyClaim(claim)));
        if self.claims.admin_role.is_empty() {
            problems.push(AuthConfigError::EmptyAdminRole);
        }
        problems.extend(Grants::from_config(&self.default_grants).err().map(AuthConfigError::DefaultGrants));
        let cookie = self.cookie.iter().filter(|name| !is_cookie_name(name));
        problems.extend(cookie.cloned().map(AuthConfigError::Cookie));
        problems.extend(crate::OriginPolicy::new(&self.allowed_origins, false).err());
        problems.extend(keys::validate_keys(&self.keys).err());
        problems.extend(keys::validate_jwks(&self.jwks).err());
        problems
    }

    /// What is set of tokens where none is looked at. Whoever set it forgot the mode, and would stand wide open.
    fn unused(&self) -> impl Iterator<Item = &'static str> {
        let of_tokens = [
            ("auth.keys", !self.keys.is_empty()),
            ("auth.jwks", !self.jwks.is_empty()),
            ("auth.issuers", !self.issuers.is_empty()),
            ("auth.audiences", !self.audiences.is_empty()),
            ("auth.default_grants", !self.default_grants.is_empty()),
            ("auth.cookie", self.cookie.is_some()),
        ];
        let is_looked_at = self.mode == AuthMode::Token;
        of_tokens.into_iter().filter_map(move |(setting, is_set)| (is_set && !is_looked_at).then_some(setting))
    }

    fn durations_out_of_bounds(&self) -> impl Iterator<Item = AuthConfigError> {
        let check = |setting, value: Duration, ok: bool, allowed| {
            (!ok).then_some(AuthConfigError::Duration { setting, value, allowed })
        };
        let (leeway, grace) = (self.leeway, self.expiry_grace);
        let leeway_fits = leeway <= Duration::from_secs(600);
        let grace_fits = (leeway..=Duration::from_secs(3600)).contains(&grace);
        let timeout = self.token_timeout;
        let timeout_fits = (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&timeout);
        let lifetime = self.max_token_lifetime.unwrap_or(Duration::from_secs(3600));
        let lifetime_fits = lifetime >= Duration::from_secs(1);
        let checked = [
            check("auth.leeway", leeway, leeway_fits, "0s to 10m are allowed"),
            check("auth.expiry_grace", grace, grace_fits, "from auth.leeway to 1h is allowed"),
            check("auth.token_timeout", timeout, timeout_fits, "100ms to 1m is allowed"),
            check("auth.max_token_lifetime", lifetime, lifetime_fits, "1s or more is allowed"),
        ];
        checked.into_iter().flatten()
    }

    /// Refuses `mode = "none"` on an address that others can reach, or behind a proxy that is named, unless the operator
    /// wrote [`UNPROTECTED_WORDS`]. Call it with the addresses that the server is about to listen on. It cannot know of a
    /// proxy on this machine that opens loopback to the world and is not named.
    pub fn check_exposure(
        &self,
        listens_on: impl IntoIterator<Item = IpAddr>,
        proxies: &TrustedProxies,
    ) -> Result<(), AuthConfigError> {
        if self.mode == AuthMode::Token || self.unprotected.as_deref() == Some(UNPROTECTED_WORDS) {
            return Ok(());
        }
        match listens_on.into_iter().find(|address| !address.to_canonical().is_loopback()) {
            Some(address) => Err(AuthConfigError::Exposed { address }),
            None if !proxies.networks.is_empty() => Err(AuthConfigError::ExposedByProxy),
            None => Ok(()),
        }
    }
}

/// Reads a word as a variant of `T`, so that the error names all words that are allowed, whatever the format.
fn choice<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let word = String::deserialize(deserializer)?;
    T::deserialize(word.into_deserializer())
}

fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn humantime(duration: Duration) -> String {
    humantime_serde::re::humantime::format_duration(duration).to_string()
}
