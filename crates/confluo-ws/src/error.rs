//! What can go wrong on a connection, and which close code says so.

/// Why a connection cannot go on. Whatever it is, the socket yields nothing more; say so with
/// [`WebSocket::close`](crate::WebSocket::close) where [`WsError::close_code`] names a code.
#[derive(Debug, thiserror::Error)]
pub enum WsError {
    /// Reading or writing the stream failed.
    #[error("the stream failed")]
    Io(#[from] std::io::Error),
    /// The stream ended without a close frame.
    #[error("the peer went away without a close frame")]
    ConnectionLost,
    /// The connection is closed or closing; only [`WebSocket::close`](crate::WebSocket::close) is left to call.
    #[error("the connection is already closing")]
    AlreadyClosed,
    /// The peer sent more than [`Limits::max_message_bytes`](crate::Limits::max_message_bytes) in one message.
    #[error("a message is longer than {limit} bytes")]
    MessageTooLarge {
        /// The limit it exceeded, in bytes.
        limit: usize,
    },
    /// A text message or a close reason is not UTF-8 (RFC 6455, section 8.1).
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// The peer broke the framing rules; what follows in its stream has no meaning.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl WsError {
    /// The status code of RFC 6455, section 7.4.1, for this error; `None` where nobody is left to be told.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Io(_) | Self::ConnectionLost | Self::AlreadyClosed => None,
            Self::Protocol(_) => Some(1002),
            Self::InvalidUtf8 => Some(1007),
            Self::MessageTooLarge { .. } => Some(1009),
        }
    }
}

/// Which framing rule the peer broke (RFC 6455, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set, but no extension was negotiated.
    #[error("a reserved bit is set without an extension")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves.
    #[error("unknown opcode {0:#x}")]
    UnknownOpcode(u8),
    /// A client's frame must be masked.
    #[error("a client's frame is not masked")]
    Unmasked,
    /// A server's frame must not be masked.
    #[error("a server's frame is masked")]
    Masked,
    /// A control frame longer than 125 bytes.
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A control frame in fragments.
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A length with its highest bit set.
    #[error("a frame's length has its highest bit set")]
    LengthOverflow,
    /// A length in more bytes than it needs.
    #[error("a frame's length is not in its shortest form")]
    LengthNotMinimal,
    /// A continuation where no message has begun.
    #[error("a continuation frame without a message to continue")]
    UnexpectedContinuation,
    /// A new message before the last fragment of the one before.
    #[error("a new message began inside a fragmented one")]
    UnfinishedMessage,
    /// A close frame with one byte of payload.
    #[error("a close frame has a payload of one byte")]
    CloseTooShort,
    /// A close code that must not be sent.
    #[error("close code {0} must not appear in a frame")]
    CloseCode(u16),
}
