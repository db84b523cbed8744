//! Where each thing lies. All numbers are big-endian, so that byte order is their order.
//!
//! | key | value |
//! |---|---|
//! | `00 "format"` | the store's format |
//! | `00 "state"` | commits so far, the next document's number, how many documents there are |
//! | `00 "findings"` | what the store has lost, until somebody acknowledges it |
//! | `00 "journal"` | the last frame of the journal that the engine has taken |
//! | `01 name` | the catalogue: the document's number, lineage and creation time |
//! | `02 number 01 generation chunk` | the snapshot of that generation |
//! | `02 number 02 seq chunk` | a record |
//! | `02 number 03 seq chunk` | a record that was kept aside |
//! | `03 number` | the head: last seq, generation and end of the snapshot |
//!
//! A document's number (8 bytes) stands for its name (up to 512 bytes) in every key, and is never used again.
//! Heads lie far from records: an engine that loses or turns back a page cannot do so to both.

use confluo_protocol::{DocumentName, Seq};

/// The store's format.
pub const FORMAT: &[u8] = b"\0format";
/// Counters of the whole store.
pub const STATE: &[u8] = b"\0state";
/// What the store has lost and nobody acknowledged.
pub const FINDINGS: &[u8] = b"\0findings";
/// How much of the journal the engine has taken.
pub const JOURNAL: &[u8] = b"\0journal";
/// The first byte of every entry of the catalogue.
pub const CATALOGUE: u8 = 1;
const DOCUMENTS: u8 = 2;
const HEADS: u8 = 3;
const SNAPSHOT: u8 = 1;
const RECORD: u8 = 2;
const ASIDE: u8 = 3;

/// The number that stands for a document's name in keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentNumber(pub u64);

/// What a key within a document points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A chunk of the snapshot of a generation.
    Snapshot {
        /// Which snapshot.
        generation: u32,
        /// Which part of it.
        chunk: u32,
    },
    /// A chunk of a record.
    Record {
        /// Which record.
        seq: Seq,
        /// Which part of it.
        chunk: u32,
    },
    /// A chunk of a record that was kept aside.
    Aside {
        /// Which record.
        seq: Seq,
        /// Which part of it.
        chunk: u32,
    },
}

/// The catalogue's key for a name, or for a prefix of names.
pub fn catalogue(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(CATALOGUE);
    key.extend_from_slice(name.as_bytes());
    key
}

/// The name in a key of the catalogue, or `None` where it is not one.
pub fn catalogue_name(key: &[u8]) -> Option<DocumentName> {
    let [CATALOGUE, name @ ..] = key else { return None };
    DocumentName::new(std::str::from_utf8(name).ok()?).ok()
}

/// What all keys of a document start with.
pub fn document(number: DocumentNumber) -> Vec<u8> {
    let mut key = Vec::with_capacity(22);
    key.push(DOCUMENTS);
    key.extend_from_slice(&number.0.to_be_bytes());
    key
}

/// The key of the head.
pub fn head(number: DocumentNumber) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(HEADS);
    key.extend_from_slice(&number.0.to_be_bytes());
    key
}

/// The number in the key of a head, or `None` where it is not one.
pub fn head_number(key: &[u8]) -> Option<DocumentNumber> {
    let [HEADS, number @ ..] = key else { return None };
    Some(DocumentNumber(u64::from_be_bytes(number.try_into().ok()?)))
}

/// The number in the key of a part of a document, or `None` where it is not one.
pub fn document_number(key: &[u8]) -> Option<DocumentNumber> {
    place(key)?;
    Some(DocumentNumber(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?)))
}

/// The number in the key of a head or of a part of a document, or `None` where it is neither.
pub fn owner(key: &[u8]) -> Option<DocumentNumber> {
    head_number(key).or_else(|| document_number(key))
}

/// What the chunks of all snapshots start with.
pub fn snapshots(number: DocumentNumber) -> Vec<u8> {
    with_kind(number, SNAPSHOT)
}

/// What the chunks of a snapshot start with.
pub fn snapshot(number: DocumentNumber, generation: u32) -> Vec<u8> {
    let mut key = snapshots(number);
    key.extend_from_slice(&generation.to_be_bytes());
    key
}

/// What the chunks of all records start with.
pub fn records(number: DocumentNumber) -> Vec<u8> {
    with_kind(number, RECORD)
}

/// What the chunks of a record start with.
pub fn record(number: DocumentNumber, seq: Seq) -> Vec<u8> {
    let mut key = records(number);
    key.extend_from_slice(&seq.0.to_be_bytes());
    key
}

/// What the chunks of all records kept aside start with.
pub fn asides(number: DocumentNumber) -> Vec<u8> {
    with_kind(number, ASIDE)
}

/// What the chunks of a record kept aside start with.
pub fn aside(number: DocumentNumber, seq: Seq) -> Vec<u8> {
    let mut key = asides(number);
    key.extend_from_slice(&seq.0.to_be_bytes());
    key
}

/// The key of one chunk of something.
pub fn chunk(of: &[u8], chunk: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(of.len() + 4);
    key.extend_from_slice(of);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// What the keys of all chunks of a value start with, of the key of one; `None` where it is not one.
pub fn chunks_of(key: &[u8]) -> Option<&[u8]> {
    place(key).and(key.get(..key.len().checked_sub(size_of::<u32>())?))
}

/// What the keys of all that is of one kind in a document start with, of the key of one; `None` where it is not one.
pub fn kind_of(key: &[u8]) -> Option<&[u8]> {
    place(key).and(key.get(..1 + size_of::<u64>() + 1))
}

/// What a key within a document points at, or `None` where this build does not know.
pub fn place(key: &[u8]) -> Option<Place> {
    let [DOCUMENTS, _, _, _, _, _, _, _, _, kind, rest @ ..] = key else { return None };
    match (*kind, rest.len()) {
        (SNAPSHOT, 8) => {
            let (generation, chunk) = rest.split_at(4);
            Some(Place::Snapshot { generation: be_u32(generation)?, chunk: be_u32(chunk)? })
        }
        (RECORD | ASIDE, 12) => {
            let (seq, chunk) = rest.split_at(8);
            let (seq, chunk) = (Seq(u64::from_be_bytes(seq.try_into().ok()?)), be_u32(chunk)?);
            Some(if *kind == RECORD { Place::Record { seq, chunk } } else { Place::Aside { seq, chunk } })
        }
        _ => None,
    }
}

fn with_kind(number: DocumentNumber, kind: u8) -> Vec<u8> {
    let mut key = document(number);
    key.push(kind);
    key
}

fn be_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
