//! Why an update is refused, in words that help whoever wrote the client.

use crate::DecodeError;

/// Why an update of a client is refused. The client's fault; the session closes with [`crate::CloseCode::Malformed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The bytes are not a Yjs update in encoding V1.
    #[error("malformed update at byte {offset}: {reason}")]
    Malformed {
        /// How far the update was read, in bytes.
        offset: usize,
        /// What is wrong there.
        reason: Malformed,
    },
    /// The update is a Yjs update, and holds content that the server could not keep without loss.
    #[error("unsupported content in the update at byte {offset}: {what}")]
    Unsupported {
        /// How far the update was read, in bytes.
        offset: usize,
        /// The content's name in Yjs.
        what: &'static str,
    },
}

/// What is wrong with the bytes of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not even the encoding of its integers and strings.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// A count of things that cannot all be in the bytes that follow.
    #[error("a count is larger than what follows could hold")]
    CountBeyondInput,
    /// A client's section without a struct.
    #[error("a client's section has no structs")]
    EmptySection,
    /// Two sections of one client, in the structs or in the delete set.
    #[error("a client has two sections")]
    DuplicateClient,
    /// More clients than chance would bring have ids that end in the same bits.
    #[error(transparent)]
    CrowdedIds(#[from] super::CrowdedIds),
    /// A clock, or a clock plus a length, over [`crate::MAX_CLOCK`].
    #[error("a clock is larger than 2^30")]
    ClockTooLarge,
    /// A struct of length 0.
    #[error("a struct has no length")]
    EmptyStruct,
    /// An info byte with flags that its kind does not have.
    #[error("the info byte {0:#04x} of a struct has flags that do not go together")]
    InvalidFlags(u8),
    /// An item that names an item of its own client which is not older as its origin or parent.
    #[error("an item refers to an item of its own client that does not precede it")]
    RefersToLater,
    /// A flag that is neither 0 nor 1.
    #[error("the kind of a parent is neither 0 nor 1")]
    InvalidParentKind,
    /// Embedded values nested deeper than [`crate::UpdateLimits::max_nesting`].
    #[error("an embedded value is nested too deeply")]
    NestedTooDeeply,
    /// A subdocument whose options are not an object.
    #[error("the options of a subdocument are not an object")]
    InvalidDocOptions,
}

/// A refusal that does not know yet where in the bytes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed(Malformed),
    Unsupported(&'static str),
}

impl Fault {
    pub(super) fn at(self, offset: usize) -> UpdateError {
        match self {
            Self::Malformed(reason) => UpdateError::Malformed { offset, reason },
            Self::Unsupported(what) => UpdateError::Unsupported { offset, what },
        }
    }
}

impl From<Malformed> for Fault {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(Malformed::Encoding(error))
    }
}
