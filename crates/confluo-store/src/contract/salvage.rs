//! Salvage of what lies beside an engine's main file, and into a store that does not take everything.

use std::fs;

use super::{
    append,
    damage::{Open, copy_folder, document},
    expected, name, noise, scratch, without_masks,
    wreck::OpenWreck,
};
use crate::{DocumentStore, Doubt, Finding, MemoryStore, StoreError, salvage_store};

/// Documents that only the journal has come back, whatever the engine's file holds; those that only the engine had are gone with a word.
pub fn salvage_journal(open: Open, open_wreck: OpenWreck, file: &str) {
    const EACH: u64 = 5;
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let (running, killed) = (work.path().join("running"), work.path().join("killed"));
    let given: Vec<_> = (0..EACH).map(|index| append(&document(index), 1, 200)).collect();
    open(&running).and_then(|store| store.append(&given)).expect("a healthy store appends");
    let store = open(&running).expect("it was closed");
    for seq in 1..=3 {
        let new = (EACH..2 * EACH).map(|index| append(&document(index), seq, 200));
        let known = (0..EACH).map(|index| append(&document(index), seq + 1, 200));
        store.append(&new.chain(known).collect::<Vec<_>>()).expect("a healthy store appends");
    }
    copy_folder(&running, &killed);
    drop(store);
    let length = fs::metadata(killed.join(file)).expect("the engine keeps its data in that file").len();
    for bytes in [noise(7, length.min(300_000) as usize).0, vec![0; 300_000].into(), vec![].into()] {
        fs::write(killed.join(file), bytes).expect("the copy is ours");
        let wreck = open_wreck(&killed).expect("what is left can always be read");
        let copy = MemoryStore::new();
        let report = salvage_store(&wreck, &copy).expect("there is room in memory");
        assert_eq!((report.copied, report.incomplete.len(), report.failed.len()), (EACH, 0, 0));
        for index in EACH..2 * EACH {
            let title = document(index);
            assert_eq!(copy.load(&name(&title)).expect("it is there"), Some(expected(&title, 3, 0, 200)));
        }
        let expected = Finding::Catalogue { found: EACH, expected: 2 * EACH };
        assert!(copy.stats().findings.contains(&expected), "{:?}", copy.stats().findings);
        assert!(matches!(copy.load(&name(&document(0))), Err(StoreError::MayBeLost { .. })));
    }
}

/// What the engine has lost is found in a file of the journal that was kept aside. That is no newer than what the engine has.
pub fn salvage_what_was_kept_aside(open: Open, open_wreck: OpenWreck, file: &str) {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let dir = work.path().join("data");
    let titles = ["a", "deleted", "longer"];
    let store = open(&dir).expect("an empty folder opens");
    for seq in 1..=3 {
        let records: Vec<_> = titles.iter().map(|title| append(title, seq, 200)).collect();
        without_masks(|| store.append(&records)).expect("a healthy store appends");
    }
    let aside = fs::read(dir.join("journal-0")).expect("what was written is there first");
    store.append(&[append("longer", 4, 200)]).expect("a healthy store appends");
    assert!(store.delete(&name("deleted")).expect("a healthy store deletes"));
    drop(store);
    // More bits than a checksum finds.
    let lost = append("a", 2, 200).record.update.0;
    let mut bytes = fs::read(dir.join(file)).expect("the engine keeps its data in that file");
    let places: Vec<_> = (0..bytes.len() - lost.len()).filter(|place| bytes[*place..].starts_with(&lost)).collect();
    for place in places {
        bytes[place..place + 100].fill(0xEE);
    }
    fs::write(dir.join(file), bytes).expect("the store is closed");
    let salvage = || {
        let copy = MemoryStore::new();
        let wreck = open_wreck(&dir).expect("what is left can always be read");
        salvage_store(&wreck, &copy).expect("there is room in memory");
        (copy, wreck.engine().doubts().to_vec())
    };
    let is_whole = |copy: &MemoryStore| copy.load(&name("a")).is_ok_and(|a| a == Some(expected("a", 3, 0, 200)));
    assert!(!is_whole(&salvage().0), "nothing else has it");
    fs::write(dir.join("journal-0.aside"), aside).expect("the store is closed");
    // What cannot be read as a file is no reason to stop.
    fs::create_dir(dir.join("journal-1.aside")).expect("the folder is ours");
    let (copy, doubts) = salvage();
    assert!(is_whole(&copy));
    assert_eq!(copy.load(&name("longer")).expect("it is there"), Some(expected("longer", 4, 0, 200)));
    let is_back = !matches!(copy.load(&name("deleted")), Err(StoreError::MayBeLost { .. }));
    assert_eq!(doubts.contains(&(name("deleted"), Doubt::MayBeDeleted)), is_back, "{doubts:?}");
}

/// A document that the other store does not take is named, and the rest is salvaged.
pub fn salvage_into_what_does_not_take_all(open: Open, open_wreck: OpenWreck) {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let dir = work.path().join("data");
    open(&dir).and_then(|store| store.append(&["a", "b", "c"].map(|title| append(title, 1, 10)))).expect("it is empty");
    let wreck = open_wreck(&dir).expect("it is sound");
    let copy = MemoryStore::new();
    copy.append(&[append("b", 1, 20)]).expect("it is empty");
    let report = salvage_store(&wreck, &copy).expect("one document is no reason to stop");
    assert_eq!(report.copied, 2);
    assert!(matches!(&report.failed[..], [(b, StoreError::DocumentExists { .. })] if *b == name("b")));
    assert_eq!(copy.load(&name("c")).expect("it is there"), Some(expected("c", 1, 0, 10)));
}
