//! Where to connect, as whom, and how patiently.

use std::{fmt, time::Duration};

use confluo_protocol::LineageId;

use crate::{AddressError, Authorities, Backoff, address::Address};

/// Everything that a [`crate::Client`] needs to know; [`ClientConfig::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(crate) address: Address,
    /// Who may vouch for the server of a `wss://` address. Default: the authorities that Mozilla trusts.
    pub authorities: Authorities,
    /// Sent as `?token=` with each connection; [`crate::Client::set_token`] replaces it.
    pub token: Option<Token>,
    /// Whether the server is asked for the document's lineage, or told which one this copy has. A server other than
    /// Confluo ignores it.
    pub lineage: Lineage,
    /// The client id of the document; drawn at random if `None`.
    pub client_id: Option<u64>,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// An attempt that is not open after this is given up. Default 10 s.
    pub connect_timeout: Duration,
    /// A connection on which nothing arrives for this long is given up; a server sends something every 20–30 s.
    /// Default 45 s.
    pub silence_timeout: Duration,
    /// How often the own awareness state is sent again, so that others don't take it for dead (they wait 30 s).
    /// Default 15 s.
    pub awareness_renewal: Duration,
    /// The largest message that is accepted. Default 256 MiB: the server decides what a document may be.
    pub max_message_bytes: usize,
    /// How many commands may wait for the document's task; a caller beyond it waits. Default 64.
    pub command_capacity: usize,
    /// While this many messages wait to be sent, no further command is taken. Default 1,024.
    pub outbound_capacity: usize,
}

/// A bearer token. Its `Debug` says nothing, so that it reaches no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What the client says about its copy's lineage when it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lineage {
    /// Nothing, as a stock client. A document that was reset meanwhile merges with the old copy.
    #[default]
    Unsaid,
    /// Asks for it (`?lineage=`), keeps the answer, and says it on later connections: a reset is then refused with 4409.
    Ask,
    /// Says it from the first connection on: for a copy that was loaded from elsewhere.
    Known(LineageId),
}

impl ClientConfig {
    /// The defaults, for a document's address: `ws://host[:port]/path[?query]`, or `wss://` for TLS.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        Ok(Self {
            address: Address::parse(url)?,
            authorities: Authorities::default(),
            token: None,
            lineage: Lineage::default(),
            client_id: None,
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(45),
            awareness_renewal: Duration::from_secs(15),
            max_message_bytes: 256 << 20,
            command_capacity: 64,
            outbound_capacity: 1024,
        })
    }
}
