//! What a salvage takes from the files, of an engine that does not open.

use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
};

use confluo_store::{
    CopyReport, DocumentStore, Engine, EngineStore, Finding, JournalConfig, Journaled, MemoryStore, StoreError, Wreck,
    WreckStore,
    contract::{append, expected, name, snapshot},
    keys, salvage_store,
};

use crate::disk::{Disk, Pairs, UNSYNCED};

/// All stays in the first file.
const CONFIG: JournalConfig = JournalConfig { seal_bytes: 8 << 20, ..UNSYNCED };

fn open(disk: &Disk, dir: &Path) -> EngineStore<Journaled<Disk>> {
    EngineStore::open(Journaled::open(disk.clone(), dir, CONFIG).expect("a sound store"), None).expect("a sound store")
}

/// All that an engine holds, but for the entry of the document that is lost.
fn what_is_left(disk: &Disk) -> Pairs {
    let mut left = Pairs::new();
    let all = disk.scan(&[], &[], &mut |key, value| {
        left.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    all.expect("memory reads");
    left.remove(&keys::catalogue("lost"));
    left
}

fn salvage(engine: &Pairs, files: &[(&str, &[u8])]) -> (MemoryStore, CopyReport) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    for (file, bytes) in files {
        fs::write(dir.path().join(file), bytes).expect("a scratch folder");
    }
    let copy = MemoryStore::new();
    let report = salvage_store(&read(dir.path(), engine), &copy).expect("there is room in memory");
    (copy, report)
}

fn read(dir: &Path, engine: &Pairs) -> WreckStore {
    let path = dir.join("engine");
    fs::write(&path, engine.values().flatten().copied().collect::<Vec<_>>()).expect("a scratch folder");
    let wreck = Wreck::read("disk", dir, File::open(path).expect("it was written"), |_, sink| {
        let mut offset = 0;
        for (key, value) in engine {
            sink.found(key, value, offset, 0);
            sink.is_current(key, value);
            offset += value.len() as u64;
        }
    });
    wreck.expect("what is left can always be read").into_store().expect("it can be read")
}

/// One document is lost and another was deleted, so that as many can be made out as the counters want.
fn check(case: &str, engine: &Pairs, files: &[(&str, &[u8])]) {
    let (copy, report) = salvage(engine, files);
    assert!(matches!(copy.load(&name("deleted")), Err(StoreError::MayBeLost { .. })), "{case}: it is back");
    assert!(copy.load(&name("kept")).is_ok_and(|kept| kept.is_some()), "{case}");
    assert_eq!((report.copied, report.incomplete.len(), report.failed.len()), (1, 0, 0), "{case}");
    let findings = copy.stats().findings;
    assert!(findings.contains(&Finding::Catalogue { found: 1, expected: 2 }), "{case}: {findings:?}");
}

#[test]
fn a_document_that_a_later_frame_deleted_does_not_come_back_in_the_place_of_one_that_is_lost() {
    for closes_between in [false, true] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let journal = || fs::read(dir.path().join("journal-0")).unwrap();
        open(&disk, dir.path()).append(&["lost", "kept"].map(|document| append(document, 1, 100))).unwrap();
        let before = what_is_left(&disk);
        let mut store = open(&disk, dir.path());
        store.append(&[append("deleted", 1, 100)]).unwrap();
        let put = journal();
        if closes_between {
            drop(store);
            store = open(&disk, dir.path());
        }
        let between = what_is_left(&disk);
        store.delete(&name("deleted")).unwrap();
        let removal = journal();
        drop(store);
        let after = what_is_left(&disk);
        if closes_between {
            check(
                "one was put aside after the other",
                &after,
                &[("journal-0.aside", &removal), ("journal-1.aside", &put)],
            );
            check("only the deletion is new", &between, &[("journal-0", &removal), ("journal-1", &put)]);
        } else {
            check("both were put aside", &after, &[("journal-0.aside", &removal)]);
            check("the engine has taken both", &after, &[("journal-0", &removal)]);
            check("both are new", &before, &[("journal-0", &removal), ("journal-0.aside", &put)]);
        }
    }
}

#[test]
fn records_that_were_removed_for_a_snapshot_come_back_where_that_is_lost() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = open(&disk, dir.path());
    for seq in 1..=2 {
        store.append(&[append("a", seq, 100)]).unwrap();
    }
    // It is written in parts, each a frame of its own, and the records are removed with the last.
    store.compact(&name("a"), snapshot(2, 3 << 20)).unwrap();
    let mut journal = fs::read(dir.path().join("journal-0")).unwrap();
    journal[1 << 19] ^= 1;
    drop(store);
    let mut engine = what_is_left(&disk);
    engine.retain(|key, _| keys::place(key).is_none());
    let (copy, report) = salvage(&engine, &[("journal-0.aside", &journal)]);
    assert_eq!((report.copied, report.incomplete.len()), (1, 1), "{report:?}");
    assert_eq!(copy.load(&name("a")).unwrap().unwrap().records, expected("a", 2, 0, 100).records);
}

/// A store with three commits in its journal, each a document, that the engine has not taken; the journal, and where each begins.
fn with_journal() -> (Pairs, Vec<u8>, Vec<usize>) {
    let (dir, disk) = (tempfile::tempdir().expect("a scratch folder"), Disk::default());
    drop(open(&disk, dir.path()));
    let engine = what_is_left(&disk);
    let store = open(&disk, dir.path());
    let mut begins = vec![0];
    for document in ["a", "b", "c"] {
        store.append(&[append(document, 1, 100)]).expect("a sound store");
        let at = begins[begins.len() - 1];
        let journal = fs::read(dir.path().join("journal-0")).expect("a sound store");
        begins.push(at + 17 + u32::from_le_bytes(journal[at + 13..at + 17].try_into().expect("four bytes")) as usize);
    }
    let journal = fs::read(dir.path().join("journal-0")).expect("a sound store");
    (engine, journal, begins)
}

/// Whether something of the journal is told to lack, and which documents there are.
fn look(engine: &Pairs, journal: &[u8]) -> (bool, Vec<String>) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    fs::write(dir.path().join("journal-0"), journal).expect("a scratch folder");
    let wreck = read(dir.path(), engine);
    let listed = wreck.list("", None, 10).expect("it can be read").documents;
    (wreck.engine().lacks_some(), listed.into_iter().map(|listed| listed.name.as_str().to_owned()).collect())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_frame_that_is_damaged_or_gone_is_told_where_the_engine_has_not_taken_it() {
    let (engine, journal, begins) = with_journal();
    assert_eq!(look(&engine, &journal), (false, names(&["a", "b", "c"])));
    let mut damaged = journal.clone();
    damaged[begins[1] + 50] ^= 1;
    assert_eq!(look(&engine, &damaged), (true, names(&["a", "c"])));
    assert_eq!(look(&engine, &journal[begins[1]..]), (true, names(&["b", "c"])));
    // A torn end is no damage.
    assert_eq!(look(&engine, &journal[..begins[3] - 1]), (false, names(&["a", "b"])));
    let mut has_taken = engine.clone();
    has_taken.insert(keys::JOURNAL.to_vec(), confluo_store::value::encode_journal(keys::JOURNAL, 100));
    assert!(!look(&has_taken, &damaged).0, "the engine has what the damage hit");
}

#[test]
fn a_frame_that_cannot_be_decoded_ends_no_salvage() {
    let (engine, mut journal, begins) = with_journal();
    let (at, end) = (begins[1], begins[2]);
    // The length of its first key.
    journal[at + 17] = 0xff;
    journal[at + 18] = 0xff;
    let checksum = crc32fast::hash(&[&journal[at..=at], &journal[at + 5..end]].concat());
    journal[at + 1..at + 5].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(look(&engine, &journal), (true, names(&["a", "c"])));
}

#[test]
fn a_file_that_cannot_be_read_ends_no_salvage() {
    let (engine, journal, _) = with_journal();
    for unreadable in ["journal-1", "watermark"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("journal-0"), &journal).unwrap();
        // Nobody reads one as a file.
        fs::create_dir(dir.path().join(unreadable)).unwrap();
        let wreck = read(dir.path(), &engine);
        assert_eq!(wreck.list("", None, 10).unwrap().documents.len(), 3);
        assert!(wreck.engine().lacks_some(), "{unreadable}");
    }
}
