//! Pages that the disk does not give, under the engine and under a whole store.

use std::{fs, path::Path};

use confluo_store::{
    DocumentStore, Finding, StoreError,
    contract::{append, expected, name},
    keys::{self, DocumentNumber},
};

use super::*;
use crate::failing;

const PAGE_BYTES: usize = 4096;
const LEAF: u8 = 1;

/// It keeps nothing in memory.
fn config(dir: &Path) -> RedbConfig {
    RedbConfig { cache_capacity_bytes: 0, ..RedbConfig::new(dir) }
}

/// What a page holds, if it has pairs: how many, where each key and each value ends, all keys, all values.
fn pairs(page: &[u8]) -> Option<&[u8]> {
    let count = usize::from(u16::from_le_bytes([page[2], page[3]]));
    let (from, to) = (4, 4 + 2 * size_of::<u32>() * count);
    let end = u32::from_le_bytes(page.get(to - size_of::<u32>()..to)?.try_into().ok()?);
    page.get(from..end as usize).filter(|_| page[0] == LEAF)
}

/// Has the disk give no page any more that has a pair, or had one before it was free, whose key begins so.
fn turn_bad(dir: &Path, prefixes: &[&[u8]]) {
    let bytes = fs::read(dir.join(FILE)).expect("it was made");
    let pages = bytes.chunks_exact(PAGE_BYTES).zip((0..).step_by(PAGE_BYTES));
    let has = |pairs: &[u8], prefix: &[u8]| pairs.windows(prefix.len()).any(|bytes| bytes == prefix);
    let is_hit = |page: &[u8]| pairs(page).is_some_and(|pairs| prefixes.iter().any(|prefix| has(pairs, prefix)));
    let places: Vec<u64> = pages.filter(|(page, _)| is_hit(page)).map(|(_, place)| place).collect();
    assert!(!places.is_empty(), "redb keeps keys as they are");
    failing::bad(dir).lock().expect("no test panics with it").places = places;
}

fn recover(dir: &Path) {
    failing::bad(dir).lock().expect("no test panics with it").places.clear();
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number:04}").into_bytes()
}

/// Some thirty pages, each with some pairs.
fn fill(engine: &RedbEngine) -> Vec<u32> {
    let keys: Vec<_> = (0..300).collect();
    for number in &keys {
        let mut batch = Batch::default();
        batch.put(key(*number), vec![*number as u8; 300]);
        engine.commit(batch).expect("a sound file");
    }
    keys
}

fn is_whole(engine: &RedbEngine, number: u32) -> bool {
    engine.get(&key(number)).is_ok_and(|value| value == Some(vec![number as u8; 300]))
}

#[test]
fn a_page_that_the_disk_does_not_give_costs_what_lies_there_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let engine = RedbEngine::open(config(dir.path())).unwrap();
    let keys = fill(&engine);
    engine.reopen().unwrap();
    turn_bad(dir.path(), &[&key(150)]);
    for _ in 0..2 {
        let hit: Vec<_> = keys.iter().filter(|number| !is_whole(&engine, **number)).collect();
        assert!(hit.contains(&&150) && hit.len() < 30, "{hit:?}");
        assert!(hit.iter().all(|number| matches!(engine.get(&key(**number)), Err(EngineError::Damaged(_)))));
        let mut batch = Batch::default();
        batch.put(key(150), vec![1]);
        assert!(matches!(engine.commit(batch), Err(EngineError::Damaged(_))));
        let mut batch = Batch::default();
        batch.put(key(9_000), vec![1]);
        engine.commit(batch).unwrap();
        engine.reopen().unwrap();
    }
    drop(engine);
    // It opens without a look at all of its file.
    let engine = RedbEngine::open(config(dir.path())).unwrap();
    recover(dir.path());
    assert!(keys.iter().all(|number| is_whole(&engine, *number)), "nothing was written over it");
}

#[test]
fn removals_beside_a_page_that_the_disk_does_not_give_take_nothing_of_it_along() {
    let dir = tempfile::tempdir().unwrap();
    let engine = RedbEngine::open(config(dir.path())).unwrap();
    let keys = fill(&engine);
    engine.reopen().unwrap();
    turn_bad(dir.path(), &[&key(150)]);
    let hit: Vec<_> = keys.iter().copied().filter(|number| !is_whole(&engine, *number)).collect();
    let (first, last) = (hit[0], hit[hit.len() - 1]);
    let mut refused = 0;
    // On both sides, until what is left of the pages there would be joined with it.
    let removed: Vec<_> = (last + 1..last + 20).chain((first - 20..first).rev()).collect();
    for number in &removed {
        let mut batch = Batch::default();
        batch.remove(key(*number));
        let checked = engine.check_removal(&key(*number));
        let committed = engine.commit(batch);
        assert!(checked.is_err() || committed.is_ok(), "what it would come upon is known before: {number}");
        refused += u32::from(committed.is_err());
    }
    assert!(refused > 0, "nothing was to be joined with it");
    engine.reopen().unwrap();
    recover(dir.path());
    for number in &keys {
        assert!(is_whole(&engine, *number) || removed.contains(number), "{number}");
    }
}

#[test]
fn a_page_that_the_disk_does_not_give_under_a_journal_costs_what_lies_there() {
    let dir = tempfile::tempdir().unwrap();
    let open = || crate::open(config(dir.path())).unwrap();
    // A page has one record of them.
    let store = open();
    for seq in 1..=4 {
        store.append(&["a", "b", "c", "d", "e"].map(|title| append(title, seq, 3_000))).unwrap();
    }
    drop(store);
    let store = open();
    store.append(&["a", "b", "c", "d", "e"].map(|title| append(title, 5, 3_000))).unwrap();
    // What follows the last record of one document lies where the next one begins: here that of a on a sound page, that of b on a
    // bad one. And whoever looks for where d begins may begin at the end of c.
    let of_b = (2..=4_u64).map(|seq| [keys::records(DocumentNumber(2)), seq.to_be_bytes().to_vec()].concat());
    let prefixes: Vec<_> = of_b.chain([keys::records(DocumentNumber(3))]).collect();
    turn_bad(dir.path(), &prefixes.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let check = |store: &crate::RedbStore| {
        assert_eq!(store.stats().findings, [Finding::Journal { file: "journal-0.aside".to_owned() }]);
        for title in ["a", "e"] {
            assert_eq!(store.load(&name(title)).unwrap(), Some(expected(title, 5, 0, 3_000)));
        }
        for title in ["b", "c"] {
            assert!(store.load(&name(title)).is_err_and(|error| !error.is_store_wide()));
        }
    };
    // While the server runs, and after a restart.
    store.reopen().unwrap();
    check(&store);
    store.append(&[append("a", 6, 10)]).unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.load(&name("a")).unwrap().unwrap().head.0, 6);
    assert!(store.delete(&name("b")).unwrap());
    drop(store);
    recover(dir.path());
    let store = open();
    assert!(matches!(store.load(&name("b")), Err(StoreError::MayBeLost { .. })), "it was deleted");
    assert_eq!(store.load(&name("d")).unwrap(), Some(expected("d", 5, 0, 3_000)));
    assert!(store.load(&name("c")).unwrap().unwrap().records.len() >= 4, "nothing was taken along");
}
