//! Values that must never be printed.

use std::{fmt, fs, io, path::Path};

use serde::{Deserialize, Serialize, Serializer};

/// A secret from the configuration: it shows itself as `[secret]` in logs, errors and `confluo config print`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret that stands in the file at `path`, without surrounding white space.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read_to_string(path).map(|text| Self(text.trim().to_owned()))
    }

    /// The value itself; the name says that the caller answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret, in a time that does not tell how much of it was right.
    pub fn matches(&self, candidate: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), candidate.as_bytes());
        let difference = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
        ours.len() == theirs.len() && std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_to_nobody_but_who_asks() {
        let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#""[secret]""#);
        assert_eq!(secret.expose(), "hunter2");
        assert!(secret.matches("hunter2"));
        for wrong in ["", "hunter", "hunter3", "hunter22"] {
            assert!(!secret.matches(wrong), "{wrong}");
        }
    }
}
