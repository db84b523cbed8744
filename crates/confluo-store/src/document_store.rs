//! The trait that everything durable stands behind, and the data that goes in and comes out.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confluo_protocol::{ClientId, DocumentName, LineageId, Seq, UpdateV1, UserId};

use crate::{EncodedSnapshot, StoreError};

/// Where documents are kept. Synchronous: call it from a committer thread or a blocking thread, never from an async one.
///
/// Order of calls: the appends of one document come one after another. Everything else may run at any time, from any
/// thread; a load sees exactly what was acknowledged before it began.
///
/// After [`StoreError::OutOfSpace`] or [`StoreError::Io`] from a writing call the store is unhealthy: every call
/// answers [`StoreError::Unhealthy`] until [`DocumentStore::reopen`] succeeds.
pub trait DocumentStore: Send + Sync + 'static {
    /// Appends all of them, in order, with one sync of the disk. They are durable when it returns `Ok`; on a conflict
    /// nothing of the slice is written and the error names the document, so that the rest can be tried again without it.
    fn append(&self, records: &[Append]) -> Result<(), StoreError>;

    /// The snapshot and the records after it in seq order, with a report of what could not be read. `None`: there is no
    /// such document. A snapshot that cannot be read is an error; so is a document that is not there while the store knows
    /// that it has lost some ([`StoreError::MayBeLost`]), or it would be made anew in its place.
    fn load(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError>;

    /// As [`DocumentStore::load`], for repair: reports even a damaged snapshot or head in
    /// [`StoredDocument::set_aside`] and returns whatever can still be read.
    fn salvage(&self, name: &DocumentName) -> Result<Option<StoredDocument>, StoreError>;

    /// Puts a snapshot in the place of the records up to [`NewSnapshot::through`], atomically. Later records, also those
    /// appended meanwhile, stay.
    fn compact(&self, name: &DocumentName, snapshot: NewSnapshot) -> Result<(), StoreError>;

    /// Writes a whole document with the seqs it had elsewhere; refused if there is one of that name.
    fn import(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError>;

    /// As [`DocumentStore::import`], in the place of the document of that name if there is one: whatever fails, there is the
    /// old document or the new one, whole.
    fn replace(&self, name: &DocumentName, document: &StoredDocument) -> Result<(), StoreError>;

    /// Removes the document; `false` if there was none.
    fn delete(&self, name: &DocumentName) -> Result<bool, StoreError>;

    /// The documents whose names start with `prefix`, in order of their names, after `after`, at most `limit`.
    fn list(&self, prefix: &str, after: Option<&DocumentName>, limit: usize) -> Result<Page, StoreError>;

    /// What one document takes. Reads the document's keys; `None`: there is no such document.
    fn document_stats(&self, name: &DocumentName) -> Result<Option<DocumentStats>, StoreError>;

    /// What the store takes and how it fares. Cheap.
    fn stats(&self) -> StoreStats;

    /// Forgets what was wrong when the store was opened, and returns it. From then on a document that is not there is a new one,
    /// unless a file that was kept aside stands for what is left of [`StoreStats::findings`].
    fn acknowledge(&self) -> Result<Vec<Finding>, StoreError>;

    /// Writes down what is wrong with what is going to be put in: it then stands until it is acknowledged.
    fn note_findings(&self, findings: &[Finding]) -> Result<(), StoreError>;

    /// Tries to become healthy again: drops every handle, opens anew, and writes a probe to the disk. Harmless on a healthy
    /// store.
    fn reopen(&self) -> Result<(), StoreError>;
}

/// Milliseconds since 1970, as the caller's clock has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub u64);

impl From<SystemTime> for UnixMillis {
    /// Times before 1970 become 0.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64))
    }
}

impl From<UnixMillis> for SystemTime {
    fn from(millis: UnixMillis) -> Self {
        UNIX_EPOCH + Duration::from_millis(millis.0)
    }
}

/// Which user a Yjs client id belongs to.
pub type Author = (ClientId, UserId);

/// A record on its way to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Whose record it is.
    pub document: DocumentName,
    /// Seq 1 creates the document with this lineage; every later record must carry the same.
    pub lineage: LineageId,
    /// The record; its seq must be the document's head plus one.
    pub record: Record,
}

/// One durable step of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the document's order.
    pub seq: Seq,
    /// When it was made.
    pub at: UnixMillis,
    /// The owners of the client ids that appear in this record for the first time.
    pub authors: Vec<Author>,
    /// The change. Opaque to the store.
    pub update: UpdateV1,
}

/// What [`DocumentStore::load`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Who the document is.
    pub lineage: LineageId,
    /// The time of its first record.
    pub created_at: UnixMillis,
    /// The seq of the last record that was acknowledged, whether or not it could be read.
    pub head: Seq,
    /// The state up to some seq, if the document was compacted.
    pub snapshot: Option<StoredSnapshot>,
    /// The records after the snapshot.
    pub records: Vec<Record>,
    /// What should be there and is missing or damaged. Empty for a sound document.
    pub set_aside: Vec<SetAside>,
}

/// A document's whole state up to some seq, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// The last record in it.
    pub through: Seq,
    /// When it was made.
    pub at: UnixMillis,
    /// The owners of all client ids in it that are known.
    pub authors: Vec<Author>,
    /// The state as one update.
    pub state: UpdateV1,
}

/// What [`DocumentStore::compact`] puts in the place of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// The last record in it; at most the head, at least the last snapshot's.
    pub through: Seq,
    /// When it was made.
    pub at: UnixMillis,
    /// The owners of all client ids in it that are known.
    pub authors: Vec<Author>,
    /// The state, from [`crate::encode_snapshot`].
    pub state: EncodedSnapshot,
    /// Records that are *not* in it because they could not be applied: their bytes are kept aside instead of dropped.
    pub keep_aside: Vec<Seq>,
}

/// Something of a document that could not be given to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Which record, or `None` for the snapshot or the head.
    pub seq: Option<Seq>,
    /// Why.
    pub reason: SetAsideReason,
}

/// Why something was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetAsideReason {
    /// The record was acknowledged and is not there.
    Missing,
    /// Its checksum or its structure is wrong.
    Damaged,
    /// A newer build wrote it.
    Newer,
    /// A compaction kept its bytes aside, because they could not be applied then.
    KeptAside,
    /// It lies beyond the head, so the head is not the newest one.
    BeyondHead,
    /// The snapshot is damaged or not there.
    Snapshot,
    /// The head is damaged or not there.
    Head,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.reason {
            SetAsideReason::Missing => "is missing",
            SetAsideReason::Damaged => "is damaged",
            SetAsideReason::Newer => "was written by a newer confluo",
            SetAsideReason::KeptAside => "could not be applied and is kept aside",
            SetAsideReason::BeyondHead => "lies beyond the document's head",
            SetAsideReason::Snapshot => return f.write_str("the snapshot is damaged or missing"),
            SetAsideReason::Head => return f.write_str("the document's head is damaged or missing"),
        };
        match self.seq {
            Some(seq) => write!(f, "record {} {text}", seq.0),
            None => write!(f, "a record {text}"),
        }
    }
}

/// One answer of [`DocumentStore::list`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The documents, in order of their names.
    pub documents: Vec<Listed>,
    /// Whether there are more; ask again with the last name as `after`.
    pub more: bool,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: DocumentName,
    /// Who it is, or `None` where its entry is damaged; loading it says more.
    pub lineage: Option<LineageId>,
}

/// What one document takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentStats {
    /// Who it is.
    pub lineage: LineageId,
    /// The time of its first record.
    pub created_at: UnixMillis,
    /// Its last seq.
    pub head: Seq,
    /// The last record in its snapshot, 0 without one.
    pub snapshot_through: Seq,
    /// The snapshot's size on disk.
    pub snapshot_bytes: u64,
    /// The records after the snapshot.
    pub records: u64,
    /// Their size on disk.
    pub record_bytes: u64,
}

/// What the store takes and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// `memory`, `sled`, `redb`.
    pub engine: &'static str,
    /// How many documents there are.
    pub documents: u64,
    /// How much disk the engine uses, as far as it can say.
    pub disk_bytes: u64,
    /// Why the store refuses to work, if it does.
    pub unhealthy: Option<String>,
    /// What was wrong when it was opened, now or earlier, until [`DocumentStore::acknowledge`]. Someone should look;
    /// `confluo doc verify` says more.
    pub findings: Vec<Finding>,
}

/// Something wrong with the store as a whole that it could open in spite of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The engine opened without its newest commits although they were on disk.
    RolledBack {
        /// The last commit that it has.
        found: u64,
        /// The last commit that was acknowledged.
        acknowledged: u64,
    },
    /// Entries of the catalogue are damaged or gone.
    Catalogue {
        /// How many documents there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// Something in the journal was damaged, or the engine could not read the page where it belongs.
    Journal {
        /// The file in the data folder that keeps what was in it.
        file: String,
    },
    /// A file of the engine was damaged, and it could do without.
    SetAside {
        /// The name under which it is kept.
        file: String,
    },
    /// The store was filled with what could be salvaged from one that did not open, or copied from another, and not to the end.
    Salvaged,
}

impl Finding {
    /// Whether documents may be gone because of it.
    pub fn may_miss_documents(&self) -> bool {
        match self {
            Self::RolledBack { .. } | Self::Catalogue { .. } | Self::Journal { .. } | Self::Salvaged => true,
            Self::SetAside { .. } => false,
        }
    }

    /// Whether it stands for as long as a file is there, and so needs no other memory, and ends with no acknowledgement.
    pub(crate) fn stands_with_its_file(&self) -> bool {
        matches!(self, Self::Journal { .. } | Self::SetAside { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { found, acknowledged } => write!(
                f,
                "the store's file was damaged: the last {} commits that were on disk are gone; clients that are ahead \
                 bring their edits back; restore a backup for the rest",
                acknowledged - found
            ),
            Self::Catalogue { found, expected } => write!(
                f,
                "the catalogue lists {found} documents where there should be {expected}; restore a backup, or export \
                 what is there with `confluo doc export`"
            ),
            Self::Journal { file } => write!(
                f,
                "the journal was damaged, or the engine's file where it belongs: some of the newest commits are gone, and \
                 what it held is kept in {file}; clients that are ahead bring their edits back; restore a backup for the rest, \
                 then remove that file"
            ),
            Self::Salvaged => f.write_str(
                "the store holds what could be salvaged or copied from another, and may lack documents and their newest records; if \
                 the other still opens, copy again into an empty folder; else restore a backup of what is missing, and run `confluo \
                 doc verify`",
            ),
            Self::SetAside { file } => write!(
                f,
                "a file of the engine was damaged and is kept as {file:?}; the engine made it anew from the others, so look at \
                 the disk, and remove that file when nobody needs it"
            ),
        }
    }
}
