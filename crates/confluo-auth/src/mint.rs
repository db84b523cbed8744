//! Makes tokens for development and scripts.

use std::time::Duration;

use jsonwebtoken::Header;
use serde_json::{Map, Value};

use crate::{AuthConfig, Grants, SigningKey, Token, TokenError, UnixTime, claims::unescape};

/// What a minted token shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintRequest {
    /// The user.
    pub user: String,
    /// A name to show.
    pub display_name: Option<String>,
    /// A colour to show.
    pub colour: Option<String>,
    /// What it may do. `None` leaves the claim out, so that `auth.default_grants` apply.
    pub grants: Option<Grants>,
    /// Whether it has the admin role.
    pub is_admin: bool,
    /// From now to `exp`.
    pub lifetime: Duration,
    /// The `jti`, by which the token can be revoked alone; draw it at random.
    pub token_id: Option<String>,
}

/// Why a token cannot be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Two settings of `auth.claims` put a value into the same place, or one into the other.
    #[error("auth.claims.{setting} = {path:?} cannot be written: another claim is in the way")]
    ClaimsCollide {
        /// The setting.
        setting: &'static str,
        /// Its value.
        path: String,
    },
    /// The key could not sign.
    #[error("the key cannot sign")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The token would be longer than the server reads.
    #[error("the token cannot be used")]
    Unusable(#[source] TokenError),
}

/// Mints a token that a server with this configuration accepts, if it has the key: under its claim names, for its first
/// issuer and audience, issued at `now`.
pub fn mint(config: &AuthConfig, key: &SigningKey, request: &MintRequest, now: UnixTime) -> Result<Token, MintError> {
    let mut claims = Map::new();
    claims.insert("iat".into(), now.0.into());
    claims.insert("exp".into(), now.plus(request.lifetime).0.into());
    for (name, value) in
        [("iss", config.issuers.first()), ("aud", config.audiences.first()), ("jti", request.token_id.as_ref())]
    {
        if let Some(value) = value {
            claims.insert(name.into(), value.clone().into());
        }
    }
    for (setting, path) in config.claims.paths() {
        let value = match setting {
            "user" => Some(request.user.clone().into()),
            "name" => request.display_name.clone().map(Value::from),
            "colour" => request.colour.clone().map(Value::from),
            "grants" => request.grants.as_ref().map(Grants::to_claim),
            _ => request.is_admin.then(|| Value::from(vec![config.claims.admin_role.clone()])),
        };
        if let Some(value) = value {
            insert(&mut claims, path, value)
                .ok_or_else(|| MintError::ClaimsCollide { setting, path: path.to_owned() })?;
        }
    }
    let header = Header { kid: key.kid.as_deref().map(str::to_owned), ..Header::new(key.algorithm.in_jsonwebtoken()) };
    let token = jsonwebtoken::encode(&header, &claims, &key.key).map_err(|error| MintError::Signing(error.into()))?;
    Token::new(&token).map_err(MintError::Unusable)
}

/// Puts a value where [`crate::ClaimMapping`] will look for it, making the objects on the way.
fn insert(claims: &mut Map<String, Value>, path: &str, value: Value) -> Option<()> {
    let Some(pointer) = path.strip_prefix('/') else {
        return claims.insert(path.to_owned(), value).is_none().then_some(());
    };
    let mut steps: Vec<String> = pointer.split('/').map(unescape).collect();
    let last = steps.pop()?;
    let mut object = claims;
    for step in steps {
        object = object.entry(step).or_insert_with(|| Map::new().into()).as_object_mut()?;
    }
    object.insert(last, value).is_none().then_some(())
}
