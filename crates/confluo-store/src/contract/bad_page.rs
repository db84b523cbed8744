//! A page that the engine cannot read, in the middle of a document or at its end: that document is told of and can be salvaged,
//! copied without, replaced and deleted; the others are whole, and so is what a journal has for them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{append, expected, name, noise, snapshot, without_masks, wreck::OpenWreck};
use crate::{DocumentStore, Finding, MemoryStore, StoreError, StoredDocument, copy_store, salvage_store};

const DOCUMENTS: u64 = 10;
const RECORDS: u64 = 20;
/// Together some 44 MB: an engine that looks at the end of its file when it opens does not get to see most of it.
const RECORD_BYTES: usize = 220_000;
/// The document that is hit; it was compacted through its second record.
const HIT: u64 = 3;
const THROUGH: u64 = 2;
/// What each document has in the journal, where there is one.
const JOURNALED: u64 = 2;

/// How to open the store under test in a folder.
pub type Open = fn(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError>;

/// Flips a bit of what is in the middle of a document, wherever `file` has it, and looks what can still be done with the store.
pub fn check(open: Open, file: &str) {
    let work = tempfile::tempdir().expect("a scratch folder");
    let sound = work.path().join("sound");
    without_masks(|| build(&*open(&sound).expect("an empty folder opens")));
    // sled notes at a start what its file holds. What is newer than that it reads when it opens, and then it refuses.
    drop(open(&sound).expect("it was closed"));
    let snapshot = snapshot(THROUGH, RECORD_BYTES).state.compressed;
    for (what, bytes) in [("record", &content(HIT, 11)[100_000..100_032]), ("snapshot", &snapshot[1_000..1_032])] {
        let dir = work.path().join(what);
        super::damage::copy_folder(&sound, &dir);
        harm_all(&dir.join(file), bytes, flip);
        let store = open(&dir).unwrap_or_else(|error| panic!("{what}: one page is no reason to refuse: {error}"));
        assert_eq!(store.list("", None, 100).expect("the catalogue is whole").documents.len(), DOCUMENTS as usize);
        let hit = hit_documents(&*store);
        assert!(
            hit.contains(&HIT) && hit.len() <= 2,
            "{what}: a page holds the ends of two documents at most: {hit:?}"
        );
        copy_without(&*store, &hit);
        for (place, index) in hit.iter().enumerate() {
            check_salvage(&*store, *index, what);
            let title = name(&title(*index));
            if place == 0 {
                store.replace(&title, &expected("a", 2, 0, 10)).expect("it needs nothing of what was there");
            } else {
                assert!(store.delete(&title).expect("it needs nothing of what was there"));
            }
        }
        drop(store);
        let store = open(&dir).expect("it opened before");
        let whole = (0..DOCUMENTS).filter(|index| document(&*store, *index) == Ok(Some(whole(*index))));
        assert_eq!(whole.count(), DOCUMENTS as usize - hit.len());
        assert_eq!(document(&*store, hit[0]), Ok(Some(expected("a", 2, 0, 10))), "{what}");
        assert_eq!((store.stats().documents, store.stats().unhealthy), (DOCUMENTS + 1 - hit.len() as u64, None));
    }
}

/// Harms the last page of a document of a store whose process was killed after it had removed what lies on both sides. An engine that
/// joins what is left there with a page that it cannot read must not take more along.
pub fn check_removals(open: Open, file: &str) {
    let work = tempfile::tempdir().expect("a scratch folder");
    let (running, killed) = (work.path().join("running"), work.path().join("killed"));
    without_masks(|| build(&*open(&running).expect("an empty folder opens")));
    drop(open(&running).expect("it was closed"));
    let store = open(&running).expect("it was closed");
    let removed = [HIT - 1, HIT + 1];
    for index in removed {
        assert!(store.delete(&name(&title(index))).expect("a healthy store"));
    }
    store.compact(&name(&title(HIT + 2)), snapshot(RECORDS, RECORD_BYTES)).expect("a healthy store");
    super::damage::copy_folder(&running, &killed);
    harm_all(&killed.join(file), &content(HIT, RECORDS)[RECORD_BYTES - 32..], flip);
    for start in 1..=2 {
        let store = open(&killed).unwrap_or_else(|error| panic!("start {start}: one page is no reason: {error}"));
        assert_eq!(store.stats().findings, [], "nobody has lost anything");
        for index in (0..DOCUMENTS).filter(|index| *index != HIT) {
            let wanted = match index {
                _ if removed.contains(&index) => None,
                _ if index == HIT + 2 => Some(expected(&title(index), RECORDS, RECORDS, RECORD_BYTES)),
                _ => Some(whole(index)),
            };
            assert!(document(&*store, index) == Ok(wanted), "start {start}: document {index}");
        }
    }
}

/// Harms the last page of a document of a store whose process was killed: its journal has records that belong on that page, and such
/// as do not. The engine opens, and fails when it comes to that page.
pub fn check_killed(open: Open, file: &str) {
    let work = tempfile::tempdir().expect("a scratch folder");
    let killed = build_killed(open, work.path(), 0);
    harm_all(&killed.join(file), &content(HIT, RECORDS)[RECORD_BYTES - 32..], flip);
    let mut kept = Vec::new();
    for start in 1..=2 {
        let store = open(&killed).unwrap_or_else(|error| panic!("start {start}: one page is no reason: {error}"));
        assert_eq!(store.stats().findings, [Finding::Journal { file: "journal-0.aside".to_owned() }]);
        assert_eq!(store.list("", None, 100).expect("the catalogue is whole").documents.len(), DOCUMENTS as usize);
        let not_whole: Vec<_> =
            (0..DOCUMENTS).filter(|index| document(&*store, *index) != Ok(Some(with_journal(*index)))).collect();
        assert!(not_whole.contains(&HIT) && not_whole.len() <= 2, "{not_whole:?}");
        for index in not_whole {
            let error = store.load(&name(&title(index))).expect_err("its last page cannot be read");
            assert!(!error.is_store_wide() && error.to_string().contains("--salvage"), "{error}");
            let stats = store.document_stats(&name(&title(index)));
            assert!(stats.is_err_and(|error| !error.is_store_wide()));
            let salvaged = store.salvage(&name(&title(index))).expect("what is left can be had").expect("it is there");
            assert_eq!(salvaged.head.0, RECORDS + JOURNALED, "it is known what is missing");
            assert!(!salvaged.set_aside.is_empty() && salvaged.records.len() as u64 >= RECORDS / 4);
        }
        let aside = fs::read(killed.join("journal-0.aside")).expect("it is named");
        assert!(start == 1 || aside == kept, "it stays as it was");
        kept = aside;
    }
    let lost = journaled(HIT, RECORDS + 1).record.update.0;
    assert!(!places_of(&kept, &lost).is_empty(), "what the engine did not take is kept");
    let store = open(&killed).expect("it opened before");
    store.replace(&name(&title(HIT)), &expected("a", 2, 0, 10)).expect("it needs nothing of what was there");
    assert_eq!(document(&*store, HIT), Ok(Some(expected("a", 2, 0, 10))));
}

/// The same where the engine looks at all of its file after a crash, and does not open then: nothing is written, and a salvage gets
/// everything from the other pages and from the journal. `harm` gets all of the file, and where it has the end of that
/// document's last record.
pub fn check_killed_and_refused(open: Open, open_wreck: OpenWreck, file: &str, harm: fn(&mut [u8], usize)) {
    let work = tempfile::tempdir().expect("a scratch folder");
    // The second time the engine is given what was written after the first, and its process is killed with that.
    let killed = build_killed(open, work.path(), 2);
    harm_all(&killed.join(file), &content(HIT, RECORDS)[RECORD_BYTES - 32..], harm);
    let journal = fs::read(killed.join("journal-0")).expect("it was killed");
    for _ in 1..=2 {
        let error = open(&killed).err().expect("it cannot read all of it");
        assert!(matches!(error, StoreError::Damaged { .. }) && error.to_string().contains("store salvage"), "{error}");
        assert!(fs::read(killed.join("journal-0")).expect("it was not taken") == journal);
    }
    let copy = MemoryStore::new();
    let wreck = open_wreck(&killed).expect("what is left can always be read");
    salvage_store(&wreck, &copy).expect("there is room in memory");
    let not_whole: Vec<_> =
        (0..DOCUMENTS).filter(|index| document(&copy, *index) != Ok(Some(with_journal(*index)))).collect();
    assert!(not_whole.iter().all(|index| *index == HIT), "{not_whole:?}");
}

/// A store as a process left it that was killed after so many reopenings.
fn build_killed(open: Open, work: &Path, reopenings: u32) -> PathBuf {
    let (running, killed) = (work.join("running"), work.join("killed"));
    without_masks(|| build(&*open(&running).expect("an empty folder opens")));
    drop(open(&running).expect("it was closed"));
    let store = open(&running).expect("it was closed");
    for _ in 0..reopenings {
        store.reopen().expect("a healthy store");
    }
    for seq in RECORDS + 1..=RECORDS + JOURNALED {
        for index in 0..DOCUMENTS {
            without_masks(|| store.append(&[journaled(index, seq)])).expect("a healthy store appends");
        }
    }
    super::damage::copy_folder(&running, &killed);
    killed
}

/// A document with what the journal has of it.
fn with_journal(index: u64) -> StoredDocument {
    let mut given = whole(index);
    given.head.0 += JOURNALED;
    given.records.extend((RECORDS + 1..=RECORDS + JOURNALED).map(|seq| journaled(index, seq).record));
    given
}

/// The documents that are not whole. Each says so itself.
fn hit_documents(store: &dyn DocumentStore) -> Vec<u64> {
    let is_hit = |index: &u64| match store.load(&name(&title(*index))) {
        Ok(Some(loaded)) if loaded == whole(*index) => false,
        Ok(loaded) => !loaded.expect("it is there").set_aside.is_empty(),
        Err(error) => !error.is_store_wide() && error.to_string().contains("--salvage"),
    };
    let hit: Vec<_> = (0..DOCUMENTS).filter(is_hit).collect();
    for index in 0..DOCUMENTS {
        match store.document_stats(&name(&title(index))) {
            Ok(stats) => assert_eq!(stats.expect("it is there").head.0, RECORDS),
            Err(error) => assert!(hit.contains(&index) && !error.is_store_wide(), "{error}"),
        }
    }
    hit
}

fn copy_without(store: &dyn DocumentStore, hit: &[u64]) {
    let copy = MemoryStore::new();
    let report = copy_store(store, &copy).expect("one document is no reason to stop");
    assert_eq!(report.incomplete.len() + report.failed.len(), hit.len());
    for index in (0..DOCUMENTS).filter(|index| !hit.contains(index)) {
        assert!(document(&copy, index) == Ok(Some(whole(index))), "document {index} is as it was");
    }
}

fn check_salvage(store: &dyn DocumentStore, index: u64, what: &str) {
    let salvaged = store.salvage(&name(&title(index))).expect("what is left can be had").expect("it is there");
    assert_eq!(salvaged.snapshot.is_some(), index == HIT && what == "record", "{what}");
    assert!(!salvaged.set_aside.is_empty());
    // A page holds several records.
    assert!(salvaged.records.len() as u64 >= RECORDS / 4, "{what}: {} records are left", salvaged.records.len());
    for record in &salvaged.records {
        assert_eq!(record.update.0, content(index, record.seq.0), "{what}");
    }
}

fn build(store: &dyn DocumentStore) {
    for index in 0..DOCUMENTS {
        let mut records = whole(index).records;
        if index == HIT {
            records.splice(0..0, (1..=THROUGH).map(|seq| append("a", seq, 10).record));
        }
        for record in records {
            let slice = [crate::Append { record, ..append(&title(index), 1, 0) }];
            store.append(&slice).expect("a healthy store appends");
        }
        if index == HIT {
            // Not the last that is written: sled does not open over damage at the end of its log.
            store.compact(&name(&title(HIT)), snapshot(THROUGH, RECORD_BYTES)).expect("within range");
        }
    }
}

fn whole(index: u64) -> StoredDocument {
    let mut whole = expected(&title(index), RECORDS, if index == HIT { THROUGH } else { 0 }, 0);
    for record in &mut whole.records {
        record.update.0 = content(index, record.seq.0);
    }
    whole
}

fn journaled(index: u64, seq: u64) -> crate::Append {
    let mut append = append(&title(index), seq, 0);
    append.record.update = noise(index * 1_000 + seq, 40);
    append
}

fn content(index: u64, seq: u64) -> bytes::Bytes {
    noise(index * 1_000 + seq, RECORD_BYTES).0
}

fn title(index: u64) -> String {
    format!("document {index}")
}

fn document(store: &dyn DocumentStore, index: u64) -> Result<Option<StoredDocument>, String> {
    store.load(&name(&title(index))).map_err(|error| error.to_string())
}

/// Flips a bit at a place.
fn flip(bytes: &mut [u8], place: usize) {
    bytes[place] ^= 1;
}

/// Everywhere: a log-structured engine has older copies too.
fn harm_all(file: &Path, wanted: &[u8], harm: fn(&mut [u8], usize)) {
    let mut bytes = fs::read(file).expect("the engine keeps its data in that file");
    let places: Vec<_> = places_of(&bytes, wanted);
    assert!(!places.is_empty(), "the engine keeps values as they are");
    for place in places {
        harm(&mut bytes, place);
    }
    fs::write(file, bytes).expect("the copy is ours");
}

fn places_of(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| **byte == wanted[0]).map(|(place, _)| place);
    candidates.filter(|place| bytes[*place..].starts_with(wanted)).collect()
}
