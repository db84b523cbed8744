//! What a token allows, document by document.

use std::{collections::BTreeMap, fmt, sync::Arc};

use confluo_protocol::{Access, DocumentName, ids::MAX_DOCUMENT_NAME_BYTES};
use serde::{Deserialize, Serialize};

/// The most patterns in one token.
pub const MAX_GRANTS: usize = 256;

/// Document patterns, each with the access that it gives. Cloning shares them.
///
/// A pattern is a document's exact name; a prefix that ends in `/*`, as in `team/*`, for every name that begins with
/// `team/`; or `*` for every document. `*` has no meaning elsewhere and is refused there, so a document with a `*` in
/// its name is reached by prefixes only.
///
/// [`Grants::access`] compares the name with at most [`MAX_GRANTS`] patterns: microseconds at worst. A session has one
/// document, so keep its result (an `Option<Access>`, one byte) beside the session, compare that on every message, and
/// ask again only when the session's token changes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Write before read, so that the first match is the highest.
    patterns: Arc<[(Pattern, Access)]>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    Any,
    /// With the `/`, without the `*`.
    Prefix(Box<str>),
    Exact(Box<str>),
}

/// An access as configuration and tokens write it: `read` or `write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantedAccess {
    /// To see content and publish awareness.
    Read,
    /// To change content as well.
    Write,
}

/// Why grants cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantsError {
    /// They are not an object of patterns.
    #[error("grants are an object such as {{\"team/*\": \"write\", \"notes\": \"read\"}}")]
    NotAnObject,
    /// There are more than [`MAX_GRANTS`].
    #[error("{0} grants; at most {MAX_GRANTS} are allowed")]
    TooMany(usize),
    /// A pattern is empty, or longer than a document's name can be.
    #[error("a grant's pattern has {0} bytes; 1 to {MAX_DOCUMENT_NAME_BYTES} are allowed")]
    PatternLength(usize),
    /// A pattern has a `*` where it has no meaning, or a control character.
    #[error("a grant's pattern is a document's name, a prefix that ends in \"/*\", or \"*\": {0:?} is none")]
    Pattern(String),
    /// The access is neither `read` nor `write`.
    #[error("the access for {0:?} is neither \"read\" nor \"write\"")]
    Access(String),
}

impl Grants {
    /// No document at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Grants from pairs of pattern and access.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, Access)>) -> Result<Self, GrantsError> {
        let mut patterns = Vec::new();
        for (pattern, access) in pairs {
            patterns.push((Pattern::parse(pattern)?, access));
            if patterns.len() > MAX_GRANTS {
                return Err(GrantsError::TooMany(patterns.len()));
            }
        }
        patterns.sort_by(|(a, access_a), (b, access_b)| access_b.cmp(access_a).then_with(|| a.cmp(b)));
        Ok(Self { patterns: patterns.into() })
    }

    /// Grants as a token carries them: an object of pattern → `read` or `write`.
    pub fn from_claim(claim: &serde_json::Value) -> Result<Self, GrantsError> {
        let object = claim.as_object().ok_or(GrantsError::NotAnObject)?;
        if object.len() > MAX_GRANTS {
            return Err(GrantsError::TooMany(object.len()));
        }
        let mut pairs = Vec::with_capacity(object.len());
        for (pattern, access) in object {
            let access = GrantedAccess::deserialize(access).map_err(|_| GrantsError::Access(pattern.clone()))?;
            pairs.push((pattern.as_str(), access.into()));
        }
        Self::from_pairs(pairs)
    }

    pub(crate) fn from_config(grants: &BTreeMap<String, GrantedAccess>) -> Result<Self, GrantsError> {
        Self::from_pairs(grants.iter().map(|(pattern, access)| (pattern.as_str(), (*access).into())))
    }

    /// The highest access that any pattern gives to this document; `None` is no access at all.
    pub fn access(&self, document: &DocumentName) -> Option<Access> {
        self.patterns.iter().find(|(pattern, _)| pattern.matches(document.as_str())).map(|(_, access)| *access)
    }

    /// Whether no document is reachable.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The claim that reads back as these grants.
    pub fn to_claim(&self) -> serde_json::Value {
        // From the lowest access up: the same pattern given twice keeps the highest.
        let object: serde_json::Map<_, _> = self
            .patterns
            .iter()
            .rev()
            .map(|(pattern, access)| (pattern.to_string(), GrantedAccess::from(*access).name().into()))
            .collect();
        object.into()
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, GrantsError> {
        if text.is_empty() || text.len() > MAX_DOCUMENT_NAME_BYTES {
            return Err(GrantsError::PatternLength(text.len()));
        }
        let malformed = || GrantsError::Pattern(text.to_owned());
        if text.chars().any(char::is_control) {
            return Err(malformed());
        }
        let prefix = text.strip_suffix('*');
        match prefix {
            Some("") => Ok(Self::Any),
            Some(prefix) if prefix.ends_with('/') && !prefix.contains('*') => Ok(Self::Prefix(prefix.into())),
            None if !text.contains('*') => Ok(Self::Exact(text.into())),
            _ => Err(malformed()),
        }
    }

    fn matches(&self, document: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(prefix) => document.starts_with(&**prefix),
            Self::Exact(name) => document == &**name,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.patterns.iter().map(|(pattern, access)| (pattern.to_string(), access))).finish()
    }
}

impl GrantedAccess {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl From<GrantedAccess> for Access {
    fn from(granted: GrantedAccess) -> Self {
        match granted {
            GrantedAccess::Read => Self::Read,
            GrantedAccess::Write => Self::Write,
        }
    }
}

impl From<Access> for GrantedAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_matching_grant_counts() {
        let grants = Grants::from_claim(&json!({
            "team/*": "read", "team/plans": "write", "notes": "read", "a/*": "write", "a/b": "read", "größe/*": "write",
        }))
        .unwrap();
        let check = |name: &str, expected| {
            let document = DocumentName::new(name).unwrap();
            assert_eq!(grants.access(&document), expected, "{name}");
        };
        check("team/plans", Some(Access::Write));
        check("team/other", Some(Access::Read));
        check("team/", Some(Access::Read));
        check("team", None);
        check("teams/x", None);
        check("TEAM/x", None);
        check("notes", Some(Access::Read));
        check("notes/x", None);
        check("a/b", Some(Access::Write));
        check("größe/ü", Some(Access::Write));
        check("other", None);
    }

    #[test]
    fn a_star_is_every_document_and_nothing_is_none() {
        let document = DocumentName::new("any/thing").unwrap();
        assert_eq!(Grants::from_claim(&json!({"*": "read"})).unwrap().access(&document), Some(Access::Read));
        assert_eq!(Grants::from_claim(&json!({})).unwrap().access(&document), None);
        assert_eq!(Grants::none().access(&document), None);
    }

    #[test]
    fn malformed_grants_are_refused_by_name() {
        let check = |claim: serde_json::Value, error| assert_eq!(Grants::from_claim(&claim), Err(error), "{claim}");
        check(json!(["notes"]), GrantsError::NotAnObject);
        check(json!("*"), GrantsError::NotAnObject);
        check(json!(null), GrantsError::NotAnObject);
        check(json!({"a": "admin"}), GrantsError::Access("a".into()));
        check(json!({"a": "Write"}), GrantsError::Access("a".into()));
        check(json!({"a": true}), GrantsError::Access("a".into()));
        check(json!({"a": null}), GrantsError::Access("a".into()));
        check(json!({"": "read"}), GrantsError::PatternLength(0));
        check(json!({"x".repeat(513): "read"}), GrantsError::PatternLength(513));
        for pattern in ["team*", "*/x", "a/*/b", "**", "a/**", "*a/*", "a\nb"] {
            check(json!({ pattern: "read" }), GrantsError::Pattern(pattern.into()));
        }
        let many: serde_json::Map<_, _> = (0..257).map(|i| (format!("d{i}"), json!("read"))).collect();
        check(many.into(), GrantsError::TooMany(257));
    }

    #[test]
    fn the_claim_round_trips() {
        let claim = json!({"*": "read", "team/*": "write", "notes": "write"});
        assert_eq!(Grants::from_claim(&claim).unwrap().to_claim(), claim);
    }

    #[test]
    fn the_same_pattern_twice_keeps_the_highest() {
        let grants = Grants::from_pairs([("a", Access::Write), ("a", Access::Read)]).unwrap();
        assert_eq!(grants.to_claim(), json!({"a": "write"}));
    }
}
