//! What a client knows of its connection, as a value that can be watched.

use std::time::Duration;

use confluo_protocol::{Access, LineageId};

use crate::StopReason;

/// The state of a client; [`crate::Client::watch_status`] follows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientStatus {
    /// Where the connection stands.
    pub connection: ConnectionState,
    /// How many connections have synced so far.
    pub times_synced: u64,
    /// The document's lineage, once the server has said it (see [`crate::Lineage`]).
    pub lineage: Option<LineageId>,
    /// What the token allows, once the server has answered one that was sent in-band.
    pub access: Option<Access>,
    /// The server's last words about permission, if it denied something.
    pub denied: Option<String>,
}

/// Where a client's connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// The socket is being opened.
    #[default]
    Connecting,
    /// The socket is open; the first step 2 has not arrived.
    Syncing,
    /// The server's whole document has arrived.
    Synced,
    /// The last connection ended; the next attempt comes after a wait.
    Waiting {
        /// Why it ended, in words.
        because: String,
        /// The length of the wait.
        wait: Duration,
    },
    /// The client does not come back.
    Stopped(StopReason),
}
