//! What can go wrong, and what to do about it.

use confluo_protocol::CloseCode;

/// An address that the client cannot use. Its query, which may hold a token, is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a document's address: {reason}")]
pub struct AddressError {
    /// Without its query.
    pub(crate) url: String,
    pub(crate) reason: &'static str,
}

/// Why a call on a [`crate::Client`] did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The client has stopped for good; the document can still be read.
    #[error("the client has stopped")]
    Stopped(#[source] StopReason),
    /// The server refused some of the writes that preceded; they are in this copy only. The token may allow reading only.
    #[error("the server refused some of these edits; they exist in this copy only")]
    WritesRefused,
    /// A closure panicked in the document's task.
    #[error("the closure panicked")]
    ClosurePanicked,
}

/// Why a client does not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// [`crate::Client::close`] was called, or every handle was dropped.
    #[error("it was closed by its owner")]
    ClosedByOwner,
    /// The server closed with a code from 4400 to 4499, which means: not again with these credentials and this copy.
    #[error("the server closed the connection for good: {code}{}{} {reason}", if name.is_some() { " " } else { "" }, name.map_or("", CloseCode::name))]
    ClosedByServer {
        /// The close code.
        code: u16,
        /// What the code means, if this version knows it.
        name: Option<CloseCode>,
        /// The server's words.
        reason: String,
    },
    /// The server answered the upgrade with 401 or 403.
    #[error("the server refused the connection with HTTP status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

/// Why a connection ended that may be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("could not connect")]
    Connect(#[source] std::io::Error),
    #[error("no TLS with the server, which must prove to be the host of the address to one of the trusted authorities")]
    Tls(#[source] std::io::Error),
    #[error("the connection was not open in time")]
    ConnectTimeout,
    #[error("the server did not accept the upgrade: {0}")]
    Upgrade(String),
    #[error("the server refused the upgrade with HTTP status {0}")]
    Refused(u16),
    #[error("the connection broke")]
    Broken(#[source] std::io::Error),
    #[error("nothing was heard for too long")]
    Silence,
    #[error("the server sent what is not the protocol")]
    Malformed(#[source] confluo_protocol::DecodeError),
    #[error("the server sent an update that cannot be applied: {0}")]
    BadUpdate(String),
    #[error("the server closed with code {code}: {reason}")]
    Closed { code: u16, reason: String },
}

impl ConnectionError {
    /// The reason to stop for good, if this is one.
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        match self {
            Self::Closed { code, reason } if (4400..4500).contains(code) => Some(StopReason::ClosedByServer {
                code: *code,
                name: CloseCode::ALL.into_iter().find(|known| known.code() == *code),
                reason: reason.clone(),
            }),
            Self::Refused(status @ (401 | 403)) => Some(StopReason::Refused { status: *status }),
            _ => None,
        }
    }
}
