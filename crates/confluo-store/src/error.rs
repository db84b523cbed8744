//! What can go wrong with a store. Each text says what to do next; sources are kept and not repeated.

use std::{io, path::PathBuf, sync::Arc};

use confluo_protocol::{DocumentName, Seq};

use crate::EngineError;

/// Why the store did not do what it was asked. Cheap to clone: one failed commit is told to many rooms.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full.
    #[error("the disk of the data folder is full; free some space")]
    OutOfSpace {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The disk failed.
    #[error("the disk of the data folder failed; look at the system's log")]
    Io {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The user of this process may not read or write there.
    #[error(
        "this user may not read and write in the data folder; see who owns it and what is in it, or run confluo as that user"
    )]
    Forbidden {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Nothing can be written there.
    #[error("the file system of the data folder is read-only; mount it so that it can be written")]
    ReadOnly {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process uses the data folder.
    #[error("another process uses the store in {}; stop it, or choose another --data-dir", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The store or something in it was written by a newer build.
    #[error(
        "{what} has format {found} and this build reads up to {supported}; run a newer confluo (nothing was changed)"
    )]
    Newer {
        /// What it is.
        what: String,
        /// Its format.
        found: u32,
        /// The newest that this build reads.
        supported: u32,
    },
    /// The folder holds something else.
    #[error("{path} is not a store of this engine: {found}; choose another --data-dir or store.engine", path = path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
    /// The engine's own files are damaged, so that nothing of it can be read.
    #[error(
        "the store's files are damaged and cannot be opened ({detail}); keep a copy of the data folder, then restore a backup \
         (clients bring back what it lacks), or get out what is left with `confluo store salvage`"
    )]
    Damaged {
        /// What the engine said.
        detail: String,
    },
    /// One document cannot be read; the others can.
    #[error(
        "{what} of document {document:?} is damaged or missing; run `confluo doc verify`, then `confluo doc export --salvage` \
         for what is left, or restore a backup"
    )]
    Corrupt {
        /// Which document.
        document: DocumentName,
        /// Where, if one record is to blame.
        seq: Option<Seq>,
        /// `the snapshot`, `the head`, `the catalogue entry`.
        what: &'static str,
    },
    /// The engine cannot read what one document needs; the others are readable as far as is known.
    #[error(
        "document {document:?} cannot be read: the engine's files are damaged where it lies ({detail}); run `confluo doc verify`, \
         then `confluo doc export --salvage` for what is left, or restore a backup"
    )]
    Unreadable {
        /// Which document.
        document: DocumentName,
        /// What the engine said.
        detail: String,
    },
    /// There is no such document, and there may have been one.
    #[error(
        "document {document:?} is not there, and the store has lost something of which it may have been a part: it is not made \
         anew before that is acknowledged; see `confluo doc verify`, restore a backup, or run `confluo store acknowledge`"
    )]
    MayBeLost {
        /// Which document.
        document: DocumentName,
    },
    /// A record does not follow the head. A bug in the caller, or two owners of one document.
    #[error("record {} of document {document:?} does not follow its head {}; reload the document", found.0, head.0)]
    SeqConflict {
        /// Which document.
        document: DocumentName,
        /// The document's last record.
        head: Seq,
        /// The record that was to be appended.
        found: Seq,
    },
    /// A record belongs to another life of the document.
    #[error("document {document:?} has another lineage than the record: it was reset; reload it")]
    LineageConflict {
        /// Which document.
        document: DocumentName,
    },
    /// A snapshot ends after the head or before the last one.
    #[error(
        "a snapshot of document {document:?} through {} lies outside of {} to {}; make a new one",
        found.0, from.0, head.0
    )]
    SnapshotOutOfRange {
        /// Which document.
        document: DocumentName,
        /// Where it ends.
        found: Seq,
        /// Where the stored one ends.
        from: Seq,
        /// The document's last record.
        head: Seq,
    },
    /// There is nothing to compact.
    #[error("there is no document {document:?}; it may have been deleted meanwhile")]
    NoSuchDocument {
        /// Which document.
        document: DocumentName,
    },
    /// There is already a document of that name.
    #[error("there is already a document {document:?}; delete it first, or import under another name")]
    DocumentExists {
        /// Which document.
        document: DocumentName,
    },
    /// An earlier write failed, so nothing is served until the store was reopened.
    #[error(
        "the store is out of service since a write failed ({reason}); a server opens it again as soon as that works"
    )]
    Unhealthy {
        /// The failure.
        reason: String,
    },
}

impl StoreError {
    /// Whether the store as a whole is out of service (as opposed to one document or one call).
    pub fn is_store_wide(&self) -> bool {
        matches!(
            self,
            Self::OutOfSpace { .. }
                | Self::Io { .. }
                | Self::Forbidden { .. }
                | Self::ReadOnly { .. }
                | Self::Locked { .. }
                | Self::Damaged { .. }
                | Self::Unhealthy { .. }
        )
    }

    /// Whether it is no use to ask for another document.
    pub fn ends_reading(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Unhealthy { .. })
    }

    /// Damage that was met where one document lies is that document's.
    #[must_use]
    pub(crate) fn within(self, document: &DocumentName) -> Self {
        match self {
            Self::Damaged { detail } => Self::Unreadable { document: document.clone(), detail },
            other => other,
        }
    }

    /// Names the record where a document is corrupt.
    #[must_use]
    pub(crate) fn with_seq(self, at: Seq) -> Self {
        match self {
            Self::Corrupt { document, what, .. } => Self::Corrupt { document, seq: Some(at), what },
            other => other,
        }
    }
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Io(source) if is_out_of_space(&source) => Self::OutOfSpace { source: Arc::new(source) },
            EngineError::Io(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::Forbidden { source: Arc::new(source) }
            }
            EngineError::Io(source) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { source: Arc::new(source) }
            }
            EngineError::Io(source) => Self::Io { source: Arc::new(source) },
            EngineError::Locked(path) => Self::Locked { path },
            EngineError::Foreign { path, found } => Self::Foreign { path, found },
            EngineError::Newer { what, found, supported } => Self::Newer { what: what.to_owned(), found, supported },
            EngineError::Damaged(detail) => Self::Damaged { detail },
        }
    }
}

/// Engines wrap the system's error in their own, so its text is looked at where its code is lost.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    const ENOSPC: i32 = 28;
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || error.raw_os_error() == Some(ENOSPC)
        || error.to_string().contains("No space left on device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_told_apart() {
        let check = |kind: io::ErrorKind, advice: &str| {
            let error = StoreError::from(EngineError::Io(kind.into()));
            assert!(error.is_store_wide() && error.to_string().contains(advice), "{error}");
        };
        check(io::ErrorKind::StorageFull, "free some space");
        check(io::ErrorKind::PermissionDenied, "see who owns it");
        check(io::ErrorKind::ReadOnlyFilesystem, "read-only");
        check(io::ErrorKind::Other, "the system's log");
    }
}
