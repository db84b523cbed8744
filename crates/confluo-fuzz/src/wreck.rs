//! What is left of a store's main file, read without its engine.
//!
//! The first byte says what the rest is: the file as it is, or, for sled, messages with checksums that hold, so that what is behind
//! them is read. Files of engines are mostly zeros, and their seeds end where the rest is.

use std::{fs, path::Path};

use confluo_protocol::DocumentName;
use confluo_store::{Append, DocumentStore, MemoryStore, StoreError, WreckStore, salvage_store};
use confluo_store_redb::RedbConfig;
use confluo_store_sled::SledConfig;

use crate::stored::{self, UNSEALED};

const SLED_FILE: &str = "db";
const REDB_FILE: &str = "confluo.redb";
/// A segment's header, of which only its number is read.
const HEADER_BYTES: usize = 20;
const SEGMENT_BYTES: u64 = 16 << 20;

/// sled's log holds these bytes, or (by the first byte) messages of them.
pub fn sled_log(bytes: &[u8]) {
    let Some((&which, rest)) = bytes.split_first() else { return };
    if which < UNSEALED {
        check(SLED_FILE, &log_of(rest.split(|byte| *byte == 0xff)), confluo_store_sled::open_wreck);
    } else {
        check(SLED_FILE, rest, confluo_store_sled::open_wreck);
    }
}

/// redb's file holds these bytes.
pub fn redb_file(bytes: &[u8]) {
    check(REDB_FILE, bytes, confluo_store_redb::open_wreck);
}

/// Whatever it holds, it can be read and all that is found salvaged, or it is said why not, and it is only read.
fn check(file: &str, bytes: &[u8], open_wreck: fn(&Path) -> Result<WreckStore, StoreError>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(file);
    fs::write(&path, bytes).expect("a file");
    if let Ok(wreck) = open_wreck(dir.path()) {
        let copy = MemoryStore::new();
        salvage_store(&wreck, &copy).expect("there is room in memory");
        let mut after = None;
        while let Some(document) = copy.list("", after.as_ref(), 1).expect("a map can be read").documents.pop() {
            copy.load(&document.name).expect("what was taken can be read").expect("what is listed is there");
            after = Some(document.name);
        }
    }
    assert!(fs::read(path).expect("a file") == bytes, "it is only read");
}

/// A log with one segment and these messages: of each its kind, its page, and what it holds.
pub fn log_of<'a>(messages: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut fields = ((u64::MAX >> 1) ^ SEGMENT_BYTES).to_le_bytes().to_vec();
    fields.resize(HEADER_BYTES - 4, 0);
    let header = [&(!crc32fast::hash(&fields)).to_le_bytes()[..], &fields].concat();
    header.into_iter().chain(messages.flat_map(message)).collect()
}

/// As `confluo_store_sled` describes it.
fn message(bytes: &[u8]) -> Vec<u8> {
    let [kind, page, content @ ..] = bytes else { return bytes.to_vec() };
    let head = [&[*kind, 250][..], &(content.len() as u32).to_le_bytes()[..3], &[1, *page % 8]].concat();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(content);
    checksum.update(&head);
    [&(!checksum.finalize()).to_le_bytes()[..], &head, content].concat()
}

/// A log of some commits, and messages of each kind.
pub fn sled_seeds() -> Vec<Vec<u8>> {
    let node = [&[8, 1, 0, 0, 0, 2][..], &[2, 4, 0], &[0, 0, 2, 1, b'a', 1, b'b', 1, b'x', 1, b'y']].concat();
    let set = [&[10, 1, 0, 5][..], b"state", &[3], b"abc"].concat();
    let messages = [&node[..], &set, &[10, 1, 1, 1, b'a'], &[4, 1], &[3, 0, 9, 0, 0, 0, 0, 0, 0, 0]];
    let small = [&[0][..], &messages.join(&0xff)].concat();
    let log = written(SLED_FILE, |dir| Box::new(confluo_store_sled::open(SledConfig::new(dir)).expect("it is empty")));
    vec![small, [&[UNSEALED], &log[..]].concat()]
}

/// A file of some commits.
pub fn redb_seeds() -> Vec<Vec<u8>> {
    vec![written(REDB_FILE, |dir| Box::new(confluo_store_redb::open(RedbConfig::new(dir)).expect("it is empty")))]
}

/// What a store's main file holds after some commits, without the zeros at its end.
fn written(file: &str, open: fn(&Path) -> Box<dyn DocumentStore>) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    for seq in 1..=3 {
        // Closed each time: the engine is given each commit.
        let store = open(dir.path());
        let records = ["notes", "plan"]
            .map(|name| Append { document: DocumentName::new(name).expect("a name"), ..stored::append(seq) });
        store.append(&records).expect("a sound store appends");
    }
    let mut bytes = fs::read(dir.path().join(file)).expect("the engine keeps its data in that file");
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}
