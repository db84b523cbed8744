//! Names and numbers, each validated where it is made.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// The longest document name, in bytes of UTF-8.
pub const MAX_DOCUMENT_NAME_BYTES: usize = 512;

/// The name under which a document is stored: 1 to 512 bytes of UTF-8 without control characters. `/` has no meaning of
/// its own beyond prefixes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentName(Arc<str>);

/// Why a text is not a document's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentNameError {
    /// The name is empty.
    #[error("a document's name is empty; append one to the address, as in /sync/my-document")]
    Empty,
    /// The name is longer than [`MAX_DOCUMENT_NAME_BYTES`].
    #[error("a document's name has {bytes} bytes; at most {MAX_DOCUMENT_NAME_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// The name holds a control character.
    #[error("a document's name holds the control character U+{0:04X}")]
    ControlCharacter(u32),
    /// The percent-decoded name is not UTF-8.
    #[error("a document's name is not valid UTF-8 after percent-decoding")]
    InvalidUtf8,
}

impl DocumentName {
    /// Checks and takes a name that is already decoded.
    pub fn new(name: &str) -> Result<Self, DocumentNameError> {
        if name.is_empty() {
            return Err(DocumentNameError::Empty);
        }
        if name.len() > MAX_DOCUMENT_NAME_BYTES {
            return Err(DocumentNameError::TooLong { bytes: name.len() });
        }
        if let Some(control) = name.chars().find(|c| c.is_control()) {
            return Err(DocumentNameError::ControlCharacter(control as u32));
        }
        Ok(Self(name.into()))
    }

    /// The name in a request's path: one leading `/` and then the prefix `sync/` are stripped once, the rest is
    /// percent-decoded once; a `%` without two hexadecimal digits stays itself.
    pub fn from_request_path(path: &str) -> Result<Self, DocumentNameError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_prefix("sync/").unwrap_or(path);
        let decoded = percent_decode(path.as_bytes());
        let name = std::str::from_utf8(&decoded).map_err(|_| DocumentNameError::InvalidUtf8)?;
        Self::new(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-decodes once; a `%` without two hexadecimal digits stays itself, and `+` stays too.
pub fn percent_decode(encoded: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Yjs client id: at most 53 bits.
pub type ClientId = u64;

/// A socket of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// One client's membership of one room, unique in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Store order number of a document's records: the first is 1, each next one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The seq after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Who a document is: drawn at random when it is created, and anew when it is reset. Two copies of different lineage
/// must never merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineageId(pub [u8; 16]);

impl LineageId {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for LineageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The `sub` of a token: who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub Arc<str>);

/// What a session may do with its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// It sees content, and may publish awareness unless the server is configured otherwise.
    Read,
    /// It may also change content.
    Write,
}

/// A Yjs update in encoding version 1. Not necessarily checked: see [`crate::update`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpdateV1(pub Bytes);

/// A Yjs state vector in encoding version 1. Not necessarily checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateVectorV1(pub Bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ad2_names_are_stripped_and_decoded_once() {
        let check = |path: &str, name: &str| {
            assert_eq!(DocumentName::from_request_path(path).as_ref().map(DocumentName::as_str), Ok(name), "{path}");
        };
        check("/sync/a", "a");
        check("/a", "a");
        check("/sync/sync/a", "sync/a");
        check("/sync/team/notes", "team/notes");
        check("/a%20b", "a b");
        check("/a%2520b", "a%20b");
        check("/100%", "100%");
        check("/%zz%4", "%zz%4");
        check("/sync/%F0%9F%98%80", "😀");
        check("/sync/a//b", "a//b");
    }

    #[test]
    fn ad3_names_out_of_bounds_are_refused() {
        let check = |path: &str, error| assert_eq!(DocumentName::from_request_path(path), Err(error), "{path}");
        check("/", DocumentNameError::Empty);
        check("/sync/", DocumentNameError::Empty);
        check("/%ff", DocumentNameError::InvalidUtf8);
        check("/a%0Ab", DocumentNameError::ControlCharacter(10));
        check("/a%C2%85", DocumentNameError::ControlCharacter(0x85));
        check(&"x".repeat(513), DocumentNameError::TooLong { bytes: 513 });
        assert!(DocumentName::from_request_path(&"x".repeat(512)).is_ok());
    }

    #[test]
    fn lineage_ids_round_trip() {
        let id = LineageId([0x0f; 16]);
        assert_eq!(LineageId::parse(&id.to_string()), Some(id));
        assert_eq!(LineageId::parse(""), None);
        assert_eq!(LineageId::parse(&"é".repeat(16)), None);
    }
}
