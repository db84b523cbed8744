//! What lies on the disk: values of a store, and frames of the journal before it.
//!
//! A checksum that fails is found at once, so mutants are also sealed anew: then what is behind the checksum is read.

use std::{ops::ControlFlow, sync::LazyLock};

use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1, UserId};
use confluo_store::{
    Append, Batch, DocumentStore, Engine, EngineStore, JournalConfig, Journaled, MemoryEngine, MemoryStore,
    NewSnapshot, Record, StoredDocument, UnixMillis, encode_snapshot, keys,
};

/// From here on the first byte says that the value stands as it is, with the checksum that it brings.
pub(crate) const UNSEALED: u8 = 128;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A sound store: one document with a snapshot and records, and what it loads as.
static SOUND: LazyLock<(Pairs, StoredDocument)> = LazyLock::new(|| {
    let store = MemoryStore::new();
    for seq in 1..=4 {
        store.append(&[append(seq)]).expect("a sound store appends");
        if seq == 2 {
            let state = encode_snapshot(&update(2));
            let snapshot =
                NewSnapshot { through: Seq(2), at: UnixMillis(9), authors: author(2), state, keep_aside: vec![Seq(1)] };
            store.compact(&document(), snapshot).expect("a sound store compacts");
        }
    }
    let loaded = store.salvage(&document()).expect("a sound store loads").expect("there is a document");
    (pairs(store.engine()), loaded)
});

fn document() -> DocumentName {
    DocumentName::new("notes").expect("a name")
}

fn update(seq: u64) -> UpdateV1 {
    UpdateV1(vec![seq as u8; 20].into())
}

fn author(seq: u64) -> Vec<(u64, UserId)> {
    vec![(seq << 30, UserId("ann".into()))]
}

pub(crate) fn append(seq: u64) -> Append {
    let record = Record { seq: Seq(seq), at: UnixMillis(seq), authors: author(seq), update: update(seq) };
    Append { document: document(), lineage: LineageId([7; 16]), record }
}

fn pairs(engine: &MemoryEngine) -> Pairs {
    let mut pairs = Pairs::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.scan(&[], &[], visit).expect("a map can be read");
    pairs
}

/// One value of a sound store becomes another: the first byte says which, and whether it is sealed anew. The store opens or
/// says why not, and a value that fails its checksum is never served as if nothing were wrong.
pub fn value(bytes: &[u8]) {
    let Some((&which, rest)) = bytes.split_first() else { return };
    let (pairs, sound) = &*SOUND;
    let at = usize::from(which % UNSEALED) % pairs.len();
    let key = &pairs[at].0;
    let value = if which < UNSEALED { seal(key, rest) } else { rest.to_vec() };
    let mut batch = Batch::default();
    for (place, (key, sound)) in pairs.iter().enumerate() {
        batch.put(key.clone(), if place == at { value.clone() } else { sound.clone() });
    }
    let engine = MemoryEngine::default();
    engine.commit(batch).expect("a map takes everything");
    let Ok(store) = EngineStore::open(engine, None) else { return };
    let loaded = store.load(&document());
    let salvaged = store.salvage(&document());
    let _ = store.list("", None, 10);
    let _ = store.document_stats(&document());
    if which >= UNSEALED && keys::catalogue_name(key).is_none() {
        for found in [&loaded, &salvaged].into_iter().flatten().flatten() {
            assert!(found.set_aside.len() > sound.set_aside.len() || found == sound, "damage is served: {found:?}");
        }
    }
    if let Ok(Some(found)) = loaded {
        let mut next = append(found.head.0.saturating_add(1));
        next.lineage = found.lineage;
        if store.append(&[next]).is_ok() {
            let state = encode_snapshot(&update(1));
            let through = found.head;
            let snapshot =
                NewSnapshot { through, at: UnixMillis(1), authors: Vec::new(), state, keep_aside: Vec::new() };
            let _ = store.compact(&document(), snapshot);
            let _ = store.load(&document());
        }
    }
    let _ = store.delete(&document());
}

/// The journal's file holds these bytes, or (by the first byte) frames of them: it opens or says why not, and opens again.
pub fn journal(bytes: &[u8]) {
    let Some((&which, rest)) = bytes.split_first() else { return };
    let file = if which < UNSEALED {
        let pieces = rest.split(|byte| *byte == 0xff);
        pieces.zip(1..).flat_map(|(changes, number)| journal_frame(number, changes)).collect()
    } else {
        rest.to_vec()
    };
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("journal-0"), file).expect("a file");
    let config = JournalConfig { syncs: false, ..JournalConfig::default() };
    let Ok(journaled) = Journaled::open(MemoryEngine::default(), dir.path(), config) else { return };
    let _ = journaled.get(keys::FORMAT).expect("a map can be read");
    drop(journaled);
    assert!(
        Journaled::open(MemoryEngine::default(), dir.path(), config).is_ok(),
        "what was taken is gone from the file"
    );
}

/// As `confluo_store::value` describes it.
fn seal(key: &[u8], fields: &[u8]) -> Vec<u8> {
    let checksum = checksum(&[&[1], key, fields]);
    [&[1], &checksum[..], fields].concat()
}

/// As `confluo_store::journal` describes it.
fn journal_frame(number: u64, changes: &[u8]) -> Vec<u8> {
    let rest = [&number.to_le_bytes()[..], &(changes.len() as u32).to_le_bytes(), changes].concat();
    let checksum = checksum(&[&[1], &rest]);
    [&[1], &checksum[..], &rest].concat()
}

fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_le_bytes()
}

/// Each value of a sound store, as it is and without its seal.
pub fn value_seeds() -> Vec<Vec<u8>> {
    let values = SOUND.0.iter().zip(0..UNSEALED);
    values
        .flat_map(|((_, value), at)| [[&[at], &value[5..]].concat(), [&[at | UNSEALED], &value[..]].concat()])
        .collect()
}

/// Journals of a few commits.
pub fn journal_seeds() -> Vec<Vec<u8>> {
    // Two keys, of which one gets a value and one is removed.
    let changes = [&[3][..], b"key", &[1, 5], b"value", &[5], b"other", &[0]].concat();
    let frames = [journal_frame(1, &changes), journal_frame(2, b"\x01a\x00")].concat();
    vec![
        [&[0], &changes[..]].concat(),
        [&[0], &changes[..], &[0xff], &changes].concat(),
        [&[UNSEALED], &frames[..]].concat(),
        [&[UNSEALED], &frames[..], &[0; 100]].concat(),
    ]
}
