//! From a token's claims to an identity, under the configured names.

use confluo_protocol::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Grants, Identity, TokenError, UnixTime, time::MAX_CLAIMED_TIME};

/// The longest `sub`, `jti` and issuer, in bytes.
const MAX_ID_BYTES: usize = 256;
/// The longest display name, in characters; the rest is cut.
const MAX_DISPLAY_NAME_CHARS: usize = 128;

/// Which claim says what. A name that begins with `/` is a JSON pointer (RFC 6901) into nested claims, as in
/// `/realm_access/roles`; any other is a top-level claim, as in `https://example.com/grants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimMapping {
    /// The user: a string of 1 to 256 bytes. Default `sub`.
    pub user: String,
    /// The display name. Default `name`.
    pub name: String,
    /// The colour. Default `colour`.
    pub colour: String,
    /// The grants. Default `grants`.
    pub grants: String,
    /// The role or roles: a string or an array of strings. Default `role`.
    pub role: String,
    /// The role that makes an admin. Default `admin`.
    pub admin_role: String,
}

impl Default for ClaimMapping {
    fn default() -> Self {
        Self {
            user: "sub".to_owned(),
            name: "name".to_owned(),
            colour: "colour".to_owned(),
            grants: "grants".to_owned(),
            role: "role".to_owned(),
            admin_role: "admin".to_owned(),
        }
    }
}

impl ClaimMapping {
    /// The claims by their setting's name, for checking and minting.
    pub(crate) fn paths(&self) -> [(&'static str, &str); 5] {
        [
            ("user", &self.user),
            ("name", &self.name),
            ("colour", &self.colour),
            ("grants", &self.grants),
            ("role", &self.role),
        ]
    }

    /// Reads an identity. `default_grants` are for a token without a grants claim.
    ///
    /// What decides about access is strict: a claim of the wrong type refuses the token. What is only shown is lenient:
    /// nobody is locked out over a name or a colour.
    pub(crate) fn identity(
        &self,
        claims: &Map<String, Value>,
        default_grants: &Grants,
    ) -> Result<Identity, TokenError> {
        let user = string(claims, &self.user)?.ok_or_else(|| TokenError::MissingClaim(self.user.clone()))?;
        let grants = match lookup(claims, &self.grants) {
            None => default_grants.clone(),
            Some(claim) => Grants::from_claim(claim).map_err(TokenError::MalformedGrants)?,
        };
        Ok(Identity {
            user: UserId(user.into()),
            display_name: lookup(claims, &self.name).and_then(Value::as_str).and_then(clean_name).map(Into::into),
            colour: lookup(claims, &self.colour).and_then(Value::as_str).filter(|text| is_colour(text)).map(Into::into),
            grants,
            is_admin: self.is_admin(claims)?,
            expires_at: time(claims, "exp", Rounding::Down)?,
            issued_at: time(claims, "iat", Rounding::Down)?,
            token_id: string(claims, "jti")?.map(Into::into),
        })
    }

    fn is_admin(&self, claims: &Map<String, Value>) -> Result<bool, TokenError> {
        let malformed = || malformed(&self.role, "is neither a string nor an array of strings");
        match lookup(claims, &self.role) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::String(role)) => Ok(*role == self.admin_role),
            Some(Value::Array(roles)) if roles.iter().all(Value::is_string) => {
                Ok(roles.iter().any(|role| role == self.admin_role.as_str()))
            }
            Some(_) => Err(malformed()),
        }
    }
}

/// To which side a time with a fraction goes: always the one that allows less.
#[derive(Clone, Copy)]
pub(crate) enum Rounding {
    Down,
    Up,
}

/// A claim that is a `NumericDate`: seconds, possibly with a fraction.
pub(crate) fn time(
    claims: &Map<String, Value>,
    name: &str,
    rounding: Rounding,
) -> Result<Option<UnixTime>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().ok_or_else(|| malformed(name, "is not a number"))?;
    let seconds = match rounding {
        Rounding::Down => seconds.floor(),
        Rounding::Up => seconds.ceil(),
    };
    if !(0.0..=MAX_CLAIMED_TIME.0 as f64).contains(&seconds) {
        return Err(malformed(name, "is not a time in seconds since 1970 (perhaps it is in milliseconds)"));
    }
    #[expect(clippy::cast_sign_loss, reason = "negative numbers are refused above")]
    Ok(Some(UnixTime(seconds as u64)))
}

/// A claim that is a string of 1 to 256 bytes without control characters.
pub(crate) fn string<'a>(claims: &'a Map<String, Value>, path: &str) -> Result<Option<&'a str>, TokenError> {
    let Some(value) = lookup(claims, path) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| malformed(path, "is not a string"))?;
    if text.is_empty() || text.len() > MAX_ID_BYTES {
        return Err(malformed(path, "is not 1 to 256 bytes long"));
    }
    if text.chars().any(char::is_control) {
        return Err(malformed(path, "holds a control character"));
    }
    Ok(Some(text))
}

/// A claim that is a string or an array of strings, as `aud` is.
pub(crate) fn strings<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<Vec<&'a str>>, TokenError> {
    let problem = || malformed(name, "is neither a string nor an array of strings");
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(many)) => {
            many.iter().map(|value| value.as_str().ok_or_else(problem)).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(problem()),
    }
}

fn malformed(claim: &str, problem: &'static str) -> TokenError {
    TokenError::MalformedClaim { claim: claim.to_owned(), problem }
}

fn lookup<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let Some(pointer) = path.strip_prefix('/') else { return claims.get(path) };
    let mut steps = pointer.split('/').map(unescape);
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Value::Object(object) => object.get(&step),
        Value::Array(array) => array.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

pub(crate) fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn clean_name(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|c| !c.is_control()).take(MAX_DISPLAY_NAME_CHARS).collect();
    let trimmed = visible.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Only what cannot escape from a style attribute.
fn is_colour(text: &str) -> bool {
    match text.strip_prefix('#') {
        Some(digits) => matches!(digits.len(), 3 | 4 | 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(mapping: &ClaimMapping, claims: &Value) -> Result<Identity, TokenError> {
        mapping.identity(claims.as_object().unwrap(), &Grants::none())
    }

    #[test]
    fn claims_are_found_by_name_and_by_pointer() {
        let mapping = ClaimMapping {
            user: "https://example.com/user".into(),
            name: "/profile/full~1name".into(),
            role: "/realm_access/roles".into(),
            ..ClaimMapping::default()
        };
        let identity = read(
            &mapping,
            &json!({
                "https://example.com/user": "ada", "profile": {"full/name": "Ada L."},
                "realm_access": {"roles": ["user", "admin"]},
            }),
        )
        .unwrap();
        assert_eq!(&*identity.user.0, "ada");
        assert_eq!(identity.display_name.as_deref(), Some("Ada L."));
        assert!(identity.is_admin);
    }

    #[test]
    fn what_is_only_shown_never_locks_anyone_out() {
        let check = |claims: Value, name: Option<&str>, colour: Option<&str>| {
            let identity = read(&ClaimMapping::default(), &claims).unwrap();
            assert_eq!(identity.display_name.as_deref(), name, "{claims}");
            assert_eq!(identity.colour.as_deref(), colour, "{claims}");
        };
        check(json!({"sub": "a", "name": " Zoë 😀\n", "colour": "#a1B2c3"}), Some("Zoë 😀"), Some("#a1B2c3"));
        check(json!({"sub": "a", "name": 7, "colour": ["red"]}), None, None);
        check(json!({"sub": "a", "name": "\u{1b}", "colour": "rebeccapurple"}), None, Some("rebeccapurple"));
        check(json!({"sub": "a", "colour": "red;background:url(//x)"}), None, None);
        check(json!({"sub": "a", "colour": "#12345"}), None, None);
        check(json!({"sub": "a", "name": "é".repeat(200)}), Some(&"é".repeat(128)), None);
    }

    #[test]
    fn what_decides_about_access_is_strict() {
        let check = |claims: Value, kind: &str| {
            assert_eq!(read(&ClaimMapping::default(), &claims).unwrap_err().kind(), kind, "{claims}");
        };
        check(json!({}), "missing_claim");
        check(json!({"sub": ""}), "malformed_claim");
        check(json!({"sub": 7}), "malformed_claim");
        check(json!({"sub": "a\u{0}b"}), "malformed_claim");
        check(json!({"sub": "x".repeat(257)}), "malformed_claim");
        check(json!({"sub": "a", "role": {"admin": true}}), "malformed_claim");
        check(json!({"sub": "a", "role": [1]}), "malformed_claim");
        check(json!({"sub": "a", "grants": "*"}), "malformed_grants");
        check(json!({"sub": "a", "grants": null}), "malformed_grants");
        check(json!({"sub": "a", "jti": 1}), "malformed_claim");
        check(json!({"sub": "a", "exp": "1700000000"}), "malformed_claim");
        check(json!({"sub": "a", "exp": 1_700_000_000_000_u64}), "malformed_claim");
        check(json!({"sub": "a", "exp": -1}), "malformed_claim");
        check(json!({"sub": "a", "iat": true}), "malformed_claim");
    }

    #[test]
    fn fractions_of_a_second_go_to_the_strict_side() {
        let claims = json!({"t": 99.5});
        let at = |rounding| time(claims.as_object().unwrap(), "t", rounding).unwrap();
        assert_eq!((at(Rounding::Down), at(Rounding::Up)), (Some(UnixTime(99)), Some(UnixTime(100))));
    }
}
