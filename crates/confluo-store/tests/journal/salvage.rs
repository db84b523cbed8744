//! What a salvage takes from the files, of an engine that does not open.

use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
};

use confluo_store::{
    CopyReport, DocumentStore, Engine, EngineStore, Finding, JournalConfig, Journaled, MemoryStore, StoreError, Wreck,
    contract::{append, expected, name, snapshot},
    keys, salvage_store,
};

use crate::disk::{Disk, Pairs};

/// All stays in the first file.
const CONFIG: JournalConfig = JournalConfig { seal_bytes: 8 << 20, syncs: false };

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
    let path = dir.path().join("engine");
    fs::write(&path, engine.values().flatten().copied().collect::<Vec<_>>()).expect("a scratch folder");
    let wreck = Wreck::read("disk", dir.path(), File::open(path).expect("it was written"), |_, sink| {
        let mut offset = 0;
        for (key, value) in engine {
            sink.found(key, value, offset, 0);
            sink.is_current(key, value);
            offset += value.len() as u64;
        }
    });
    let wreck = wreck.expect("what is left can always be read").into_store().expect("it can be read");
    let copy = MemoryStore::new();
    let report = salvage_store(&wreck, &copy).expect("there is room in memory");
    (copy, report)
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
