//! What is chosen of what was found in an engine's file.

use std::{collections::BTreeMap, fs, fs::File, ops::ControlFlow, path::Path};

use confluo_protocol::Seq;
use confluo_store::{
    DocumentStore, Doubt, Engine, EngineStore, MemoryEngine, MemoryStore, SetAsideReason, Wreck, WreckStore,
    contract::{append, expected, name},
    keys::{self, DocumentNumber},
    salvage_store, value,
};

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store with the documents a and b.
fn pairs() -> Pairs {
    let store = EngineStore::open(MemoryEngine::default(), None).expect("it is empty");
    store.append(&["a", "b"].map(|document| append(document, 1, 100))).expect("it is healthy");
    let mut pairs = Pairs::new();
    let all = store.engine().scan(&[], &[], &mut |key, value| {
        pairs.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    all.expect("memory reads");
    pairs
}

/// The engine would have all of them but for one.
fn read(dir: &Path, pairs: &Pairs, replaced: &[u8]) -> WreckStore {
    let path = dir.join("engine");
    fs::write(&path, pairs.values().flatten().copied().collect::<Vec<_>>()).expect("a scratch folder");
    let wreck = Wreck::read("test", dir, File::open(path).expect("it was written"), |_, sink| {
        let mut offset = 0;
        for (key, value) in pairs {
            sink.found(key, value, offset, 0);
            if key != replaced {
                sink.is_current(key, value);
            }
            offset += value.len() as u64;
        }
    });
    wreck.expect("what is left can always be read").into_store().expect("it can be read")
}

#[test]
fn a_document_of_which_a_replaced_page_alone_tells_and_whose_head_is_gone_is_named() {
    let entry = keys::catalogue("a");
    for has_records in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut pairs = pairs();
        pairs.remove(&keys::head(DocumentNumber(1)));
        pairs.retain(|key, _| has_records || keys::document_number(key) != Some(DocumentNumber(1)));
        let wreck = read(dir.path(), &pairs, &entry);
        assert_eq!(wreck.engine().doubts(), [(name("a"), Doubt::MayBeDeleted)]);
        let copy = MemoryStore::new();
        let report = salvage_store(&wreck, &copy).unwrap();
        assert_eq!(copy.load(&name("b")).unwrap(), Some(expected("b", 1, 0, 100)));
        if has_records {
            assert_eq!((report.incomplete, report.failed.len()), (vec![name("a")], 0));
            assert_eq!(copy.load(&name("a")).unwrap().unwrap().records, expected("a", 1, 0, 100).records);
        } else {
            assert_eq!((report.incomplete.len(), &report.failed[0].0), (0, &name("a")));
        }
    }
}

#[test]
fn a_document_without_a_head_is_not_wanted_where_all_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut pairs = pairs();
    let store = EngineStore::open(MemoryEngine::default(), None).unwrap();
    store.append(&["x", "y", "deleted"].map(|document| append(document, 1, 100))).unwrap();
    let deleted = keys::catalogue("deleted");
    pairs.insert(deleted.clone(), store.engine().get(&deleted).unwrap().unwrap());
    let wreck = read(dir.path(), &pairs, &deleted);
    assert_eq!((wreck.engine().doubts(), wreck.load(&name("deleted")).unwrap()), (&[][..], None));
}

/// Whoever laid the file out would have so little take any amount of memory.
#[test]
fn parts_of_a_value_that_lie_in_each_other_are_none() {
    const PARTS: u32 = 4;
    const PART: usize = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    let of = keys::record(DocumentNumber(1), Seq(1));
    // As version 1 has it, which is not masked: its time, no authors, and an update of one letter.
    let content = [&[0, 0][..], &vec![b'x'; PARTS as usize * PART - 7]].concat();
    let checksum = crc32fast::hash(&[&[1][..], &of, &content].concat());
    let sealed = [&[1][..], &checksum.to_le_bytes(), &content].concat();
    assert!(value::decode_record(&of, &sealed, Seq(1)).is_ok());
    let mut pairs = pairs();
    pairs.remove(&keys::chunk(&of, 0));
    let path = dir.path().join("engine");
    let others: Vec<u8> = pairs.values().flatten().copied().collect();
    fs::write(&path, [&sealed[..PART + 100], &others].concat()).unwrap();
    let wreck = Wreck::read("test", dir.path(), File::open(path).unwrap(), |_, sink| {
        let mut offset = PART as u64 + 100;
        for (key, value) in &pairs {
            sink.found(key, value, offset, 0);
            sink.is_current(key, value);
            offset += value.len() as u64;
        }
        for part in 0..PARTS {
            let at = if part == 0 { 0 } else { 100 };
            sink.found(&keys::chunk(&of, part), &sealed[at..at + PART], at as u64, 0);
        }
    });
    let wreck = wreck.unwrap().into_store().unwrap();
    let loaded = wreck.load(&name("a")).unwrap().unwrap();
    assert_eq!((loaded.records.len(), loaded.set_aside[0].reason), (0, SetAsideReason::Missing));
    assert_eq!(wreck.load(&name("b")).unwrap(), Some(expected("b", 1, 0, 100)));
}
