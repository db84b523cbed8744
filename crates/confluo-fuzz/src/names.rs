//! A document's name in a request's path.

use std::fmt::Write;

use confluo_protocol::{DocumentName, percent_decode};

/// A path is refused or names a document; the name that came of it, encoded again, names the same one, and no other
/// spelling of what is encoded is decoded twice.
pub fn name(bytes: &[u8]) {
    let decoded = percent_decode(bytes);
    assert!(decoded.len() <= bytes.len(), "decoding makes nothing longer");
    assert_eq!(percent_decode(encode(bytes).as_bytes()), bytes, "what was encoded once is decoded once");
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = DocumentName::from_request_path(path) else { return };
    assert!(!name.as_str().is_empty() && name.as_str().len() <= path.len());
    assert!(!name.as_str().chars().any(char::is_control), "{name:?}");
    assert_eq!(DocumentName::new(name.as_str()).as_ref(), Ok(&name));
    let encoded = encode(name.as_str().as_bytes());
    for path in [format!("/sync/{encoded}"), format!("sync/{encoded}"), format!("/{encoded}")] {
        assert_eq!(DocumentName::from_request_path(&path).as_ref(), Ok(&name), "{path}");
    }
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

/// Paths of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let long = "a".repeat(600);
    let paths = [
        "/sync/notes",
        "/notes",
        "notes",
        "/sync/team%2Fplan",
        "/sync/team/plan",
        "/sync/sync/twice",
        "/sync/%E6%96%87%E6%9B%B8",
        "/sync/%25%32%46",
        "/sync/%zz%",
        "/sync/%",
        "/sync/a%00b",
        "/sync/%ff",
        "/sync/..%2f..%2fetc",
        "/sync/",
        "/",
        "/sync/a+b%2B",
        "/sync/😀",
        "/sync/%F0%9F%98%80%CC%88",
    ];
    paths.into_iter().chain([long.as_str()]).map(|path| path.as_bytes().to_vec()).collect()
}
