//! The limits that somebody can reach, each counted apart.

/// A limit, by the setting that says how much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Sockets at once; one more is answered 503.
    Connections,
    /// The head of a request, in bytes or in headers: which of the two it was is not known.
    RequestHead,
    /// Time for the head of a request.
    RequestHeadTime,
    /// The body of a request.
    RequestBody,
    /// Plain requests that are being answered at once; one more is answered 503.
    Requests,
    /// Time for a plain answer.
    RequestTime,
    /// Time that the reader of an answer makes it wait.
    AnswerTime,
    /// Time for a TLS handshake.
    HandshakeTime,
    /// TLS handshakes in a second of one address.
    HandshakesPerAddress,
    /// Sockets at once of one address.
    ConnectionsPerAddress,
    /// Sessions at once of one user.
    ConnectionsPerUser,
    /// Upgrades in a second of one address, those that were only delayed not counted.
    UpgradesPerAddress,
    /// Plain requests in a second of one address, those that were only delayed not counted.
    RequestsPerAddress,
    /// Sockets of one address that wait for the end of their refusal; one more is cut off.
    RefusedPerAddress,
    /// Time to send a token.
    TokenTimeout,
    /// Bytes of a connection that has not shown a token yet.
    BytesBeforeToken,
    /// Tokens in a minute of one session.
    Tokens,
    /// The size of a message.
    MessageBytes,
    /// Messages in a second.
    Messages,
    /// Bytes in a second; what is counted is pauses in reading.
    Bytes,
    /// Bytes of large messages of all sessions together; what is counted is pauses in reading.
    InboundBytes,
    /// The size of a document.
    DocumentBytes,
    /// The size of a session's awareness states.
    AwarenessBytes,
    /// Awareness states in a second.
    Awareness,
    /// Client ids of one session.
    ClientIds,
    /// Sessions of one document.
    SessionsPerDocument,
    /// Documents in memory.
    DocumentsOpen,
    /// Documents created in an hour by one user or address.
    DocumentsCreated,
}

impl Limit {
    /// All of them, in their order.
    pub const ALL: [Self; 28] = [
        Self::Connections,
        Self::RequestHead,
        Self::RequestHeadTime,
        Self::RequestBody,
        Self::Requests,
        Self::RequestTime,
        Self::AnswerTime,
        Self::HandshakeTime,
        Self::HandshakesPerAddress,
        Self::ConnectionsPerAddress,
        Self::ConnectionsPerUser,
        Self::UpgradesPerAddress,
        Self::RequestsPerAddress,
        Self::RefusedPerAddress,
        Self::TokenTimeout,
        Self::BytesBeforeToken,
        Self::Tokens,
        Self::MessageBytes,
        Self::Messages,
        Self::Bytes,
        Self::InboundBytes,
        Self::DocumentBytes,
        Self::AwarenessBytes,
        Self::Awareness,
        Self::ClientIds,
        Self::SessionsPerDocument,
        Self::DocumentsOpen,
        Self::DocumentsCreated,
    ];

    /// The setting that an operator would change.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Connections => "http.max_connections",
            Self::RequestHead => "http.max_header_bytes, http.max_headers",
            Self::RequestHeadTime => "http.header_read_timeout",
            Self::RequestBody => "http.max_body_bytes",
            Self::Requests => "http.max_requests",
            Self::RequestTime => "http.request_timeout",
            Self::AnswerTime => "http.write_timeout",
            Self::HandshakeTime => "tls.handshake_timeout",
            Self::HandshakesPerAddress => "limits.max_upgrades_per_second, limits.max_requests_per_second",
            Self::ConnectionsPerAddress => "limits.max_connections_per_address",
            Self::ConnectionsPerUser => "limits.max_connections_per_user",
            Self::UpgradesPerAddress => "limits.max_upgrades_per_second",
            Self::RequestsPerAddress => "limits.max_requests_per_second",
            Self::RefusedPerAddress => "limits.max_refused_per_address",
            Self::TokenTimeout => "auth.token_timeout",
            Self::BytesBeforeToken => "limits.max_bytes_before_token",
            Self::Tokens => "limits.max_tokens_per_minute",
            Self::MessageBytes => "limits.max_message_bytes",
            Self::Messages => "limits.max_messages_per_second",
            Self::Bytes => "limits.max_bytes_per_second",
            Self::InboundBytes => "limits.max_inbound_bytes",
            Self::DocumentBytes => "limits.max_document_bytes",
            Self::AwarenessBytes => "limits.max_awareness_bytes",
            Self::Awareness => "limits.max_awareness_per_second",
            Self::ClientIds => "limits.max_client_ids_per_session",
            Self::SessionsPerDocument => "limits.max_sessions_per_document",
            Self::DocumentsOpen => "limits.max_documents_open",
            Self::DocumentsCreated => "limits.max_documents_created_per_hour",
        }
    }
}
