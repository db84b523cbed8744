//! Keys as the configuration writes them, and how they become keys that verify or sign.

use std::{
    collections::HashSet,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize, Serializer};

use super::{AuthConfig, AuthConfigError, choice};
use crate::{Algorithm, SigningKey, VerifyingKey, algorithm::Family};

/// One key: an algorithm, and exactly one of the four places that it can come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The id that a token names in its header. A key without one may verify any token of its algorithm; where there are
    /// several, each has one.
    pub kid: Option<String>,
    /// The one algorithm that the key is for.
    #[serde(deserialize_with = "choice")]
    pub algorithm: Algorithm,
    /// A shared secret, for HS256, HS384 and HS512.
    pub secret: Option<Secret>,
    /// A file that holds the secret; white space round it is dropped.
    pub secret_file: Option<PathBuf>,
    /// How the secret is written. Default `text`: its bytes are the secret.
    #[serde(default, deserialize_with = "choice")]
    pub encoding: SecretEncoding,
    /// A public key in PEM, for the other algorithms.
    pub public_key: Option<String>,
    /// A file that holds the public key in PEM.
    pub public_key_file: Option<PathBuf>,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretEncoding {
    /// The text's bytes are the secret.
    #[default]
    Text,
    /// Base64 or base64url, with or without padding.
    Base64,
}

/// A JWKS document: exactly one of `url` and `file`. Whoever runs the server fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksSource {
    /// Where to fetch it: `https`, or `http` on loopback. Redirects are not followed. It is written out without its query,
    /// which may hold what opens it.
    #[serde(serialize_with = "serialize_without_query")]
    pub url: Option<String>,
    /// Where to read it.
    pub file: Option<PathBuf>,
    /// The authorities, in PEM, one of which must have signed the certificate of `url`, in place of those that Mozilla trusts.
    pub ca_file: Option<PathBuf>,
    /// How often to fetch or read it again. Default 10 min, at least 1 s.
    #[serde(with = "humantime_serde", default = "JwksSource::default_refresh")]
    pub refresh: Duration,
    /// How long after one try the next may follow, whether it failed or a token names an unknown key. Default 10 s, from
    /// 100 ms to 1 h.
    #[serde(with = "humantime_serde", default = "JwksSource::default_cooldown")]
    pub cooldown: Duration,
    /// How long a fetch may take, the name's lookup and TLS included. Default 5 s, from 100 ms to 1 min.
    #[serde(with = "humantime_serde", default = "JwksSource::default_timeout")]
    pub timeout: Duration,
    /// What an RSA key without an `alg` is pinned to. Default RS256.
    #[serde(default = "JwksSource::default_rsa_algorithm", deserialize_with = "choice")]
    pub rsa_algorithm: Algorithm,
}

impl JwksSource {
    fn default_refresh() -> Duration {
        Duration::from_secs(600)
    }

    fn default_cooldown() -> Duration {
        Duration::from_secs(10)
    }

    fn default_timeout() -> Duration {
        Duration::from_secs(5)
    }

    fn default_rsa_algorithm() -> Algorithm {
        Algorithm::RS256
    }

    /// The source's name for logs. The query of a URL, which may hold what opens it, is left out.
    pub fn name(&self) -> String {
        match (&self.url, &self.file) {
            (Some(url), _) => without_query(url).to_owned(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => String::new(),
        }
    }

    fn validate(&self, index: usize) -> Result<(), AuthConfigError> {
        let has_one_place = match (&self.url, &self.file) {
            (Some(url), None) => is_allowed_url(url),
            (None, Some(_)) => true,
            _ => false,
        };
        if !has_one_place {
            return Err(AuthConfigError::JwksSource { index });
        }
        if self.ca_file.is_some() && !self.url.as_ref().is_some_and(|url| url.starts_with("https:")) {
            return Err(AuthConfigError::JwksAuthorities { index });
        }
        if self.rsa_algorithm.family() != Family::Rsa {
            return Err(AuthConfigError::JwksRsaAlgorithm { index });
        }
        let (shortest, minute, hour) = (Duration::from_millis(100), Duration::from_secs(60), Duration::from_secs(3600));
        for (setting, value, range, allowed) in [
            ("auth.jwks.refresh", self.refresh, Duration::from_secs(1)..=Duration::MAX, "1s or more is allowed"),
            ("auth.jwks.cooldown", self.cooldown, shortest..=hour, "100ms to 1h is allowed"),
            ("auth.jwks.timeout", self.timeout, shortest..=minute, "100ms to 1m is allowed"),
        ] {
            if !range.contains(&value) {
                return Err(AuthConfigError::Duration { setting, value, allowed });
            }
        }
        Ok(())
    }
}

/// A secret that is never printed: neither by `Debug` nor when the configuration is written out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<redacted>")
    }
}

impl AuthConfig {
    /// The configuration's keys. `read_file` is the caller's, so that this crate does no IO.
    pub fn verifying_keys(
        &self,
        read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Vec<VerifyingKey>, AuthConfigError> {
        self.validate()?;
        let load = |(index, key): (usize, &KeyConfig)| {
            let material = key.material(index, &read_file)?;
            let kid = key.kid.as_deref();
            if key.is_secret() {
                VerifyingKey::from_secret(kid, key.algorithm, &material)
            } else {
                VerifyingKey::from_public_pem(kid, key.algorithm, &material)
            }
            .map_err(|source| AuthConfigError::Key { index, source })
        };
        self.keys.iter().enumerate().map(load).collect()
    }

    /// The key to mint a token with: the shared secret of that `kid`, or the first shared secret there is. For a
    /// private key in PEM see [`SigningKey::from_private_pem`].
    pub fn signing_key(
        &self,
        kid: Option<&str>,
        read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<SigningKey, AuthConfigError> {
        let (index, key) = self
            .keys
            .iter()
            .enumerate()
            .find(|(_, key)| key.is_secret() && (kid.is_none() || key.kid.as_deref() == kid))
            .ok_or_else(|| AuthConfigError::NoSigningKey { kid: kid.map(str::to_owned) })?;
        let secret = key.material(index, &read_file)?;
        SigningKey::from_secret(key.kid.as_deref(), key.algorithm, &secret)
            .map_err(|source| AuthConfigError::Key { index, source })
    }
}

impl KeyConfig {
    fn is_secret(&self) -> bool {
        self.secret.is_some() || self.secret_file.is_some()
    }

    fn material(
        &self,
        index: usize,
        read_file: &impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Vec<u8>, AuthConfigError> {
        let read = |path: &PathBuf| {
            read_file(path).map_err(|source| AuthConfigError::KeyFile { index, path: path.clone(), source })
        };
        let secret = match (&self.secret, &self.secret_file, &self.public_key, &self.public_key_file) {
            (Some(secret), None, None, None) => secret.0.clone().into_bytes(),
            (None, Some(file), None, None) => read(file)?.trim_ascii().to_vec(),
            (None, None, Some(pem), None) => return Ok(pem.clone().into_bytes()),
            (None, None, None, Some(file)) => return read(file),
            _ => return Err(AuthConfigError::KeySource { index }),
        };
        match self.encoding {
            SecretEncoding::Text => Ok(secret),
            SecretEncoding::Base64 => decode_base64(&secret).ok_or(AuthConfigError::SecretEncoding { index }),
        }
    }
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn serialize_without_query<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_deref().map(without_query).serialize(serializer)
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut unpadded = text.trim_ascii();
    while let Some(shorter) = unpadded.strip_suffix(b"=") {
        unpadded = shorter;
    }
    STANDARD_NO_PAD.decode(unpadded).or_else(|_| URL_SAFE_NO_PAD.decode(unpadded)).ok()
}

pub(super) fn validate_keys(keys: &[KeyConfig]) -> Result<(), AuthConfigError> {
    let mut kids = HashSet::new();
    for (index, key) in keys.iter().enumerate() {
        let sources =
            [key.secret.is_some(), key.secret_file.is_some(), key.public_key.is_some(), key.public_key_file.is_some()];
        if sources.into_iter().filter(|given| *given).count() != 1 {
            return Err(AuthConfigError::KeySource { index });
        }
        if key.kid.is_none() && keys.len() > 1 {
            return Err(AuthConfigError::NoKid { index });
        }
        if let Some(kid) = key.kid.as_ref().filter(|kid| !kids.insert(kid.as_str())) {
            return Err(AuthConfigError::RepeatedKid { index, kid: kid.clone() });
        }
    }
    Ok(())
}

pub(super) fn validate_jwks(jwks: &[JwksSource]) -> Result<(), AuthConfigError> {
    jwks.iter().enumerate().try_for_each(|(index, source)| source.validate(index))
}

/// Keys that come over plain HTTP from another machine could be anyone's.
fn is_allowed_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    // A name and password there would be sent nowhere.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return false;
    }
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => crate::origin::is_loopback_host(host),
        _ => false,
    }
}
