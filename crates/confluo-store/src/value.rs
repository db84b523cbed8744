//! What stands at each key: a version, a checksum that binds the bytes to their key, then the fields.
//!
//! ```text
//! sealed = version (1 byte) · CRC-32 of version, key and what follows (4 bytes, little-endian) · mask (8) · masked fields
//! ```
//! Fields are lib0 varints, strings and byte arrays. They are masked by bytes that are drawn anew for each value, so that whoever
//! writes a document does not choose what stands in the files: else an update could hold what looks like a piece of the journal
//! or of an engine's log, and be taken for one where those were cut off. In version 1 there was no mask.
//!
//! A long sealed value is cut into chunks of [`crate::engine::MAX_VALUE_BYTES`], its key being what the chunks' keys start with.
//! So a value that was swapped with another, cut short or put together from two versions fails its checksum like one whose
//! bits flipped.

pub(crate) mod mask;

use bytes::Bytes;
use confluo_protocol::{DecodeError, LineageId, Reader, Seq, UpdateV1, UserId, Writer};

use crate::{Author, EncodedSnapshot, Finding, NewSnapshot, Record, UnixMillis, keys::DocumentNumber};

/// The newest version of values, and of the store as a whole, that this build reads and the one that it writes. Whatever an older
/// build would not understand raises it: another layout of a value, a new code of a finding, a new key, a new kind of frame.
pub const FORMAT_VERSION: u32 = 2;

const VERSION: u8 = FORMAT_VERSION as u8;
/// The last one whose fields stand there as they are.
const LAST_UNMASKED: u8 = 1;
pub(crate) const SEAL_BYTES: usize = 5;
const MASK_BYTES: usize = 8;

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Written by a newer build.
    #[error("a value has version {0}")]
    Newer(u8),
    /// Not what was written.
    #[error("a value fails its checksum or its structure")]
    Damaged,
}

impl From<DecodeError> for ValueError {
    fn from(_: DecodeError) -> Self {
        Self::Damaged
    }
}

/// The counters of the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// How many commits were applied.
    pub commits: u64,
    /// The number of the last document that was created.
    pub last_number: u64,
    /// How many documents there are.
    pub documents: u64,
}

/// What the catalogue says of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What stands for its name in keys.
    pub number: DocumentNumber,
    /// Who it is.
    pub lineage: LineageId,
    /// The time of its first record.
    pub created_at: UnixMillis,
}

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last record.
    pub seq: Seq,
    /// The current snapshot's generation; 0: there is none.
    pub generation: u32,
    /// The last record in the snapshot.
    pub through: Seq,
}

/// Encodes the store's format, usually [`FORMAT_VERSION`].
pub fn encode_format(key: &[u8], format: u32) -> Vec<u8> {
    let mut fields = Writer::default();
    fields.write_var_uint(u64::from(format));
    seal(key, &fields.finish())
}

/// The store's format.
pub fn decode_format(key: &[u8], sealed: &[u8]) -> Result<u32, ValueError> {
    let fields = unseal(key, sealed)?;
    let format = Reader::new(&fields).read_var_uint()?;
    u32::try_from(format).map_err(|_| ValueError::Damaged)
}

/// Encodes the number of the last frame of the journal that the engine has taken.
pub fn encode_journal(key: &[u8], through: u64) -> Vec<u8> {
    let mut fields = Writer::default();
    fields.write_var_uint(through);
    seal(key, &fields.finish())
}

/// The number of the last frame of the journal that the engine has taken.
pub fn decode_journal(key: &[u8], sealed: &[u8]) -> Result<u64, ValueError> {
    Ok(Reader::new(&unseal(key, sealed)?).read_var_uint()?)
}

/// Encodes what the store has lost.
pub fn encode_findings(key: &[u8], findings: &[Finding]) -> Vec<u8> {
    let mut fields = Writer::default();
    for finding in findings {
        match finding {
            Finding::RolledBack { found, acknowledged } => {
                fields.write_var_uint(0).write_var_uint(*found).write_var_uint(*acknowledged);
            }
            Finding::Catalogue { found, expected } => {
                fields.write_var_uint(1).write_var_uint(*found).write_var_uint(*expected);
            }
            Finding::Salvaged => {
                fields.write_var_uint(3);
            }
            // Its file says it.
            Finding::Journal { .. } | Finding::SetAside { .. } => {}
        }
    }
    seal(key, &fields.finish())
}

/// What the store has lost.
pub fn decode_findings(key: &[u8], sealed: &[u8]) -> Result<Vec<Finding>, ValueError> {
    let fields = unseal(key, sealed)?;
    let mut reader = Reader::new(&fields);
    let mut findings = Vec::new();
    while !reader.is_empty() {
        findings.push(match reader.read_var_uint()? {
            0 => Finding::RolledBack { found: reader.read_var_uint()?, acknowledged: reader.read_var_uint()? },
            1 => Finding::Catalogue { found: reader.read_var_uint()?, expected: reader.read_var_uint()? },
            // Its file was not always what says it.
            2 => Finding::SetAside { file: reader.read_var_str()?.into() },
            3 => Finding::Salvaged,
            _ => return Err(ValueError::Damaged),
        });
    }
    Ok(findings)
}

impl State {
    /// Encodes the counters.
    pub fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut fields = Writer::default();
        fields.write_var_uint(self.commits).write_var_uint(self.last_number).write_var_uint(self.documents);
        seal(key, &fields.finish())
    }

    /// Decodes the counters.
    pub fn decode(key: &[u8], sealed: &[u8]) -> Result<Self, ValueError> {
        let fields = unseal(key, sealed)?;
        let mut reader = Reader::new(&fields);
        Ok(Self {
            commits: reader.read_var_uint()?,
            last_number: reader.read_var_uint()?,
            documents: reader.read_var_uint()?,
        })
    }
}

impl Entry {
    /// Encodes the entry.
    pub fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut fields = Writer::default();
        fields.write_var_uint(self.number.0).write_raw(&self.lineage.0).write_var_uint(self.created_at.0);
        seal(key, &fields.finish())
    }

    /// Decodes an entry.
    pub fn decode(key: &[u8], sealed: &[u8]) -> Result<Self, ValueError> {
        let fields = unseal(key, sealed)?;
        let mut reader = Reader::new(&fields);
        Ok(Self {
            number: DocumentNumber(reader.read_var_uint()?),
            lineage: LineageId(reader.read_slice(16)?.try_into().map_err(|_| ValueError::Damaged)?),
            created_at: UnixMillis(reader.read_var_uint()?),
        })
    }
}

impl Head {
    /// Encodes the head.
    pub fn encode(self, key: &[u8]) -> Vec<u8> {
        let mut fields = Writer::default();
        fields.write_var_uint(self.seq.0).write_var_uint(u64::from(self.generation)).write_var_uint(self.through.0);
        seal(key, &fields.finish())
    }

    /// Decodes a head.
    pub fn decode(key: &[u8], sealed: &[u8]) -> Result<Self, ValueError> {
        let fields = unseal(key, sealed)?;
        let mut reader = Reader::new(&fields);
        Ok(Self {
            seq: Seq(reader.read_var_uint()?),
            generation: u32::try_from(reader.read_var_uint()?).map_err(|_| ValueError::Damaged)?,
            through: Seq(reader.read_var_uint()?),
        })
    }
}

/// Encodes a record; its seq is in its key.
pub fn encode_record(key: &[u8], record: &Record) -> Vec<u8> {
    let mut fields = Writer::with_capacity(record.update.0.len() + 32);
    fields.write_var_uint(record.at.0);
    write_authors(&mut fields, &record.authors);
    fields.write_raw(&record.update.0);
    seal(key, &fields.finish())
}

/// Decodes the record that stands at the key of `seq`.
pub fn decode_record(key: &[u8], sealed: &[u8], seq: Seq) -> Result<Record, ValueError> {
    let fields = unseal(key, sealed)?;
    let mut reader = Reader::new(&fields);
    let at = UnixMillis(reader.read_var_uint()?);
    let authors = read_authors(&mut reader)?;
    let update = UpdateV1(fields.slice(reader.position()..));
    Ok(Record { seq, at, authors, update })
}

/// Encodes a snapshot.
pub fn encode_snapshot(key: &[u8], snapshot: &NewSnapshot) -> Vec<u8> {
    let mut fields = Writer::with_capacity(snapshot.state.compressed.len() + 64);
    fields.write_var_uint(snapshot.through.0).write_var_uint(snapshot.at.0);
    write_authors(&mut fields, &snapshot.authors);
    fields.write_var_uint(snapshot.state.state_bytes).write_raw(&snapshot.state.compressed);
    seal(key, &fields.finish())
}

/// Decodes a snapshot, still compressed.
pub fn decode_snapshot(key: &[u8], sealed: &[u8]) -> Result<NewSnapshot, ValueError> {
    let fields = unseal(key, sealed)?;
    let mut reader = Reader::new(&fields);
    let through = Seq(reader.read_var_uint()?);
    let at = UnixMillis(reader.read_var_uint()?);
    let authors = read_authors(&mut reader)?;
    let state_bytes = reader.read_var_uint()?;
    let compressed = fields.slice(reader.position()..);
    let state = EncodedSnapshot { state_bytes, compressed };
    Ok(NewSnapshot { through, at, authors, state, keep_aside: Vec::new() })
}

fn write_authors(fields: &mut Writer, authors: &[Author]) {
    fields.write_var_uint(authors.len() as u64);
    for (client_id, user) in authors {
        fields.write_var_uint(*client_id).write_var_bytes(user.0.as_bytes());
    }
}

fn read_authors(reader: &mut Reader<'_>) -> Result<Vec<Author>, ValueError> {
    let count = reader.read_var_uint()?;
    if count > reader.remaining() / 2 {
        return Err(ValueError::Damaged);
    }
    (0..count).map(|_| Ok((reader.read_var_uint()?, UserId(reader.read_var_str()?.into())))).collect()
}

fn seal(key: &[u8], fields: &[u8]) -> Vec<u8> {
    let mask = mask::draw();
    let mut sealed = Vec::with_capacity(SEAL_BYTES + MASK_BYTES + fields.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&[0; SEAL_BYTES - 1]);
    sealed.extend_from_slice(&mask.to_le_bytes());
    sealed.extend_from_slice(fields);
    mask::apply(mask, &mut sealed[SEAL_BYTES + MASK_BYTES..]);
    let checksum = checksum(VERSION, key, &sealed[SEAL_BYTES..]);
    sealed[1..SEAL_BYTES].copy_from_slice(&checksum.to_le_bytes());
    sealed
}

/// The checksum comes first: a flipped version byte is damage, and only an intact value can be a newer one.
fn unseal(key: &[u8], sealed: &[u8]) -> Result<Bytes, ValueError> {
    let (Some(&version), Some(checksum_bytes), Some(content)) =
        (sealed.first(), sealed.get(1..SEAL_BYTES), sealed.get(SEAL_BYTES..))
    else {
        return Err(ValueError::Damaged);
    };
    if checksum_bytes != checksum(version, key, content).to_le_bytes() {
        return Err(ValueError::Damaged);
    }
    match version {
        LAST_UNMASKED => Ok(Bytes::copy_from_slice(content)),
        VERSION => {
            let (mask, fields) = content.split_first_chunk::<MASK_BYTES>().ok_or(ValueError::Damaged)?;
            let mut fields = fields.to_vec();
            mask::apply(u64::from_le_bytes(*mask), &mut fields);
            Ok(fields.into())
        }
        newer if newer > VERSION => Err(ValueError::Newer(newer)),
        _ => Err(ValueError::Damaged),
    }
}

/// Whether that was written at that key, by this build or a newer one.
pub(crate) fn is_sealed_for(key: &[u8], sealed: &[u8]) -> bool {
    !matches!(unseal(key, sealed), Err(ValueError::Damaged))
}

fn checksum(version: u8, key: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
