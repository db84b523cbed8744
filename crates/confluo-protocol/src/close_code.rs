//! Why the server ends a session: one table, pinned by `fixtures/close-codes.json` and shared with the browser client.

/// A WebSocket close code with its meaning. Stock clients stop for good at 4400–4499 and come back after any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum CloseCode {
    /// The server is going away; come back to the next one.
    GoingAway = 1001,
    /// A bug in the server; come back.
    InternalError = 1011,
    /// The client sent bytes that are not this protocol, or an update that cannot be taken.
    Malformed = 4400,
    /// No valid token at the door, or it was revoked.
    Unauthorised = 4401,
    /// The token is valid and does not allow this.
    Forbidden = 4403,
    /// There is no such document, and the client may not create it. Reserved: nothing sends it, as a first write creates.
    NoSuchDocument = 4404,
    /// The client's copy has another lineage: the document was reset.
    DocumentReset = 4409,
    /// A message or the document would exceed its limit.
    TooLarge = 4413,
    /// The token expired on a live session; come back with a fresh one.
    TokenExpired = 4501,
    /// The store cannot make edits durable now; come back.
    StorageUnavailable = 4503,
    /// Nothing was heard for too long.
    NoSignOfLife = 4508,
    /// Too many messages or connections; come back more slowly.
    SlowDown = 4529,
}

impl CloseCode {
    /// Every code, in ascending order.
    pub const ALL: [Self; 12] = [
        Self::GoingAway,
        Self::InternalError,
        Self::Malformed,
        Self::Unauthorised,
        Self::Forbidden,
        Self::NoSuchDocument,
        Self::DocumentReset,
        Self::TooLarge,
        Self::TokenExpired,
        Self::StorageUnavailable,
        Self::NoSignOfLife,
        Self::SlowDown,
    ];

    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// A stable name in kebab case, for logs, metrics and clients.
    pub fn name(self) -> &'static str {
        match self {
            Self::GoingAway => "going-away",
            Self::InternalError => "internal-error",
            Self::Malformed => "malformed",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::NoSuchDocument => "no-such-document",
            Self::DocumentReset => "document-reset",
            Self::TooLarge => "too-large",
            Self::TokenExpired => "token-expired",
            Self::StorageUnavailable => "storage-unavailable",
            Self::NoSignOfLife => "no-sign-of-life",
            Self::SlowDown => "slow-down",
        }
    }

    /// Whether a stock client stops for good (4400–4499).
    pub fn is_permanent(self) -> bool {
        (4400..4500).contains(&self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl1_the_table_equals_the_fixture_that_clients_read() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../fixtures/close-codes.json")).unwrap();
        let table: Vec<_> = CloseCode::ALL
            .iter()
            .map(|code| serde_json::json!({"code": code.code(), "name": code.name(), "permanent": code.is_permanent()}))
            .collect();
        assert_eq!(fixture, serde_json::Value::Array(table));
    }
}
