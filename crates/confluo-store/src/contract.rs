//! The suite that every store passes. An engine's tests call [`check_all`] with a way to open, close and open again.

pub mod bad_page;
pub mod damage;
pub mod disk_full;
pub mod every_call;
pub mod latency;
pub mod old_store;
pub mod power_cut;
pub mod salvage;
pub mod wreck;

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc, thread};

use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1, UserId};

use crate::{
    Append, DocumentStore, NewSnapshot, Record, StoreError, StoredDocument, StoredSnapshot, UnixMillis, copy_store,
    encode_snapshot, value::mask,
};

/// What is written on this thread meanwhile stands in the files as it is, for tests that look for it there.
pub fn without_masks<T>(write: impl FnOnce() -> T) -> T {
    mask::off::without_masks(write)
}

/// A store under test that can be closed and opened again. A memory store hands out the same store again.
pub trait Subject {
    /// Opens what the last [`Subject::open`] closed; the first time, an empty store.
    fn open(&mut self) -> Arc<dyn DocumentStore>;
}

impl<F: FnMut() -> Arc<dyn DocumentStore>> Subject for F {
    fn open(&mut self) -> Arc<dyn DocumentStore> {
        self()
    }
}

type Check = fn(&mut dyn Subject);

/// Each rule with its check.
pub const RULES: &[(&str, Check)] = &[
    ("an unknown document is none, not empty", unknown_documents_are_none),
    ("what was appended is there after opening again", appended_records_stay),
    ("a record that does not follow is refused and nothing of its slice is written", conflicts_write_nothing),
    ("a compaction replaces what it covers and drops no later record", compaction_keeps_later_records),
    ("a snapshot out of range is refused", snapshots_out_of_range_are_refused),
    ("a record that could not be applied is kept aside", records_are_kept_aside),
    ("values of any size come back as they were", values_of_any_size),
    ("a deleted document is gone and its name is free for another lineage", deleting_frees_the_name),
    ("lists go in order, by prefix and by pages", lists_are_paged),
    ("names of any kind do not mix", names_do_not_mix),
    ("an imported document keeps its seqs, and none is overwritten", imports_keep_seqs),
    ("a replacement takes the place of whatever is there", replacements_take_the_place),
    ("a copy is the same", copies_are_the_same),
    ("statistics tell what is there", statistics),
    ("appends and compactions in a race lose nothing", races_lose_nothing),
    ("loads during writes see whole documents", loads_see_whole_documents),
    ("reopening a healthy store is harmless", reopening_is_harmless),
];

/// Runs every rule on a store of its own. A panic names the rule.
pub fn check_all<S: Subject>(mut make: impl FnMut() -> S) {
    for (rule, check) in RULES {
        let mut subject = make();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| check(&mut subject)));
        assert!(result.is_ok(), "the store breaks a rule: {rule}");
    }
}

/// The lineage of documents under test.
pub const LINEAGE: LineageId = LineageId([7; 16]);

/// A document's name.
pub fn name(text: &str) -> DocumentName {
    DocumentName::new(text).expect("a test uses valid names")
}

/// Bytes that differ by seed and do not compress.
pub fn noise(seed: u64, length: usize) -> UpdateV1 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    UpdateV1(bytes.into())
}

/// A record of a document whose content follows from its place.
pub fn append(document: &str, seq: u64, length: usize) -> Append {
    let authors = if seq % 2 == 1 { vec![(seq, UserId("ann".into()))] } else { Vec::new() };
    let record = Record { seq: Seq(seq), at: UnixMillis(1_000 + seq), authors, update: noise(seq, length) };
    Append { document: name(document), lineage: LINEAGE, record }
}

/// A snapshot whose content follows from its end.
pub fn snapshot(through: u64, length: usize) -> NewSnapshot {
    NewSnapshot {
        through: Seq(through),
        at: UnixMillis(9_000 + through),
        authors: vec![(1, UserId("ann".into()))],
        state: encode_snapshot(&noise(1_000_000 + through, length)),
        keep_aside: Vec::new(),
    }
}

/// What [`DocumentStore::load`] must give after records 1 to `head` and a snapshot through `through` (0: none).
pub fn expected(document: &str, head: u64, through: u64, length: usize) -> StoredDocument {
    let stored = (through > 0).then(|| StoredSnapshot {
        through: Seq(through),
        at: UnixMillis(9_000 + through),
        authors: vec![(1, UserId("ann".into()))],
        state: noise(1_000_000 + through, length),
    });
    StoredDocument {
        lineage: LINEAGE,
        created_at: UnixMillis(1_001),
        head: Seq(head),
        snapshot: stored,
        records: (through + 1..=head).map(|seq| append(document, seq, length).record).collect(),
        set_aside: Vec::new(),
    }
}

fn fill(store: &dyn DocumentStore, document: &str, seqs: std::ops::RangeInclusive<u64>, length: usize) {
    let records: Vec<_> = seqs.map(|seq| append(document, seq, length)).collect();
    store.append(&records).expect("a healthy store appends");
}

fn load(store: &dyn DocumentStore, document: &str) -> Option<StoredDocument> {
    store.load(&name(document)).expect("a healthy store loads")
}

fn unknown_documents_are_none(subject: &mut dyn Subject) {
    let store = subject.open();
    assert_eq!(load(&*store, "a"), None);
    assert!(!store.delete(&name("a")).expect("deleting nothing is no error"));
    assert!(matches!(store.compact(&name("a"), snapshot(1, 10)), Err(StoreError::NoSuchDocument { .. })));
    store.append(&[]).expect("an empty slice is fine");
    assert_eq!(store.stats().documents, 0);
}

fn appended_records_stay(subject: &mut dyn Subject) {
    let store = subject.open();
    let both = [append("a", 1, 10), append("b", 1, 10), append("a", 2, 10)];
    store.append(&both).expect("a slice may hold several documents and several records of one");
    fill(&*store, "a", 3..=5, 10);
    drop(store);
    let store = subject.open();
    assert_eq!(load(&*store, "a"), Some(expected("a", 5, 0, 10)));
    assert_eq!(load(&*store, "b"), Some(expected("b", 1, 0, 10)));
    fill(&*store, "a", 6..=6, 10);
    assert_eq!(load(&*store, "a"), Some(expected("a", 6, 0, 10)));
}

fn conflicts_write_nothing(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=2, 10);
    for seq in [0, 1, 2, 4, u64::from(u32::MAX)] {
        let error = store.append(&[append("b", 1, 10), append("a", seq, 10)]).expect_err("it does not follow");
        assert!(matches!(error, StoreError::SeqConflict { head: Seq(2), .. }), "{error}");
    }
    assert!(matches!(store.append(&[append("c", 2, 10)]), Err(StoreError::SeqConflict { head: Seq(0), .. })));
    let stranger = Append { lineage: LineageId([8; 16]), ..append("a", 3, 10) };
    assert!(matches!(store.append(&[append("b", 1, 10), stranger]), Err(StoreError::LineageConflict { .. })));
    assert_eq!(load(&*store, "a"), Some(expected("a", 2, 0, 10)));
    assert_eq!(load(&*store, "b"), None);
    assert_eq!(store.stats().documents, 1);
}

fn compaction_keeps_later_records(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=10, 10);
    store.compact(&name("a"), snapshot(7, 10)).expect("within range");
    assert_eq!(load(&*store, "a"), Some(expected("a", 10, 7, 10)));
    store.compact(&name("a"), snapshot(7, 10)).expect("the same again");
    store.compact(&name("a"), snapshot(10, 10)).expect("up to the head");
    assert_eq!(load(&*store, "a"), Some(expected("a", 10, 10, 10)));
    fill(&*store, "a", 11..=12, 10);
    drop(store);
    assert_eq!(load(&*subject.open(), "a"), Some(expected("a", 12, 10, 10)));
}

fn snapshots_out_of_range_are_refused(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=5, 10);
    store.compact(&name("a"), snapshot(3, 10)).expect("within range");
    for through in [0, 2, 6] {
        let error = store.compact(&name("a"), snapshot(through, 10)).expect_err("out of range");
        assert!(matches!(error, StoreError::SnapshotOutOfRange { from: Seq(3), head: Seq(5), .. }), "{error}");
    }
    assert_eq!(load(&*store, "a"), Some(expected("a", 5, 3, 10)));
}

fn records_are_kept_aside(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=5, 100_000);
    store.compact(&name("a"), NewSnapshot { keep_aside: vec![Seq(2)], ..snapshot(4, 10) }).expect("within range");
    let loaded = load(&*store, "a").expect("it is there");
    assert_eq!(loaded.set_aside.len(), 1);
    assert_eq!(loaded.set_aside[0].seq, Some(Seq(2)));
    assert_eq!(loaded.records, expected("a", 5, 4, 100_000).records);
}

fn values_of_any_size(subject: &mut dyn Subject) {
    let store = subject.open();
    let lengths = [0, 1, 65_000, 65_526, 65_536, 65_537, 131_072, 3_000_000];
    for (index, length) in lengths.into_iter().enumerate() {
        let document = format!("{index}");
        fill(&*store, &document, 1..=2, length);
        assert_eq!(load(&*store, &document), Some(expected(&document, 2, 0, length)), "{length}");
        store.compact(&name(&document), snapshot(1, length)).expect("within range");
    }
    drop(store);
    let store = subject.open();
    for (index, length) in lengths.into_iter().enumerate() {
        let document = format!("{index}");
        assert_eq!(load(&*store, &document), Some(expected(&document, 2, 1, length)), "{length}");
    }
}

fn deleting_frees_the_name(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=5, 10);
    fill(&*store, "ab", 1..=1, 10);
    store.compact(&name("a"), snapshot(3, 10)).expect("within range");
    assert!(store.delete(&name("a")).expect("it is there"));
    assert_eq!(load(&*store, "a"), None);
    let again = Append { lineage: LineageId([9; 16]), ..append("a", 1, 10) };
    store.append(&[again]).expect("the name is free");
    drop(store);
    let store = subject.open();
    let loaded = load(&*store, "a").expect("it is there");
    assert_eq!((loaded.lineage, loaded.head, loaded.snapshot), (LineageId([9; 16]), Seq(1), None));
    assert_eq!(load(&*store, "ab"), Some(expected("ab", 1, 0, 10)));
    assert_eq!(store.stats().documents, 2);
}

fn lists_are_paged(subject: &mut dyn Subject) {
    let store = subject.open();
    let names = ["a", "team/a", "team/b", "team/b/c", "team/é", "team0", "z"];
    for document in names.iter().rev() {
        fill(&*store, document, 1..=1, 10);
    }
    let list = |prefix: &str, after: Option<&str>, limit| {
        let page = store.list(prefix, after.map(name).as_ref(), limit).expect("a healthy store lists");
        (page.documents.iter().map(|listed| listed.name.as_str().to_owned()).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(list("", None, 100), (names.map(String::from).to_vec(), false));
    assert_eq!(list("team/", None, 2), (vec!["team/a".into(), "team/b".into()], true));
    assert_eq!(list("team/", Some("team/b"), 2), (vec!["team/b/c".into(), "team/é".into()], false));
    assert_eq!(list("team/", Some("a"), 1), (vec!["team/a".into()], true));
    assert_eq!(list("team/", Some("z"), 1), (Vec::new(), false));
    assert_eq!(list("nobody", None, 1), (Vec::new(), false));
    assert_eq!(list("", None, 0), (Vec::new(), true));
}

fn names_do_not_mix(subject: &mut dyn Subject) {
    let store = subject.open();
    let names = ["a", "a ", "a/", "A", "ä", "😀", "\u{10ffff}", &"x".repeat(512), &"x".repeat(511)];
    for (index, document) in names.iter().enumerate() {
        fill(&*store, document, 1..=index as u64 + 1, 10);
    }
    for (index, document) in names.iter().enumerate() {
        assert_eq!(load(&*store, document), Some(expected(document, index as u64 + 1, 0, 10)), "{document}");
    }
}

fn imports_keep_seqs(subject: &mut dyn Subject) {
    let store = subject.open();
    for (document, head, through, length) in [("a", 12, 10, 10), ("b", 3, 0, 500_000), ("c", 3, 3, 3_000_000)] {
        store.import(&name(document), &expected(document, head, through, length)).expect("the name is free");
        assert_eq!(load(&*store, document), Some(expected(document, head, through, length)));
        let refused = store.import(&name(document), &expected(document, 1, 0, 10));
        assert!(matches!(refused, Err(StoreError::DocumentExists { .. })));
        fill(&*store, document, head + 1..=head + 1, length);
        assert_eq!(load(&*store, document), Some(expected(document, head + 1, through, length)));
    }
    assert_eq!(store.stats().documents, 3);
}

fn replacements_take_the_place(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=5, 200_000);
    store.compact(&name("a"), snapshot(3, 200_000)).expect("within range");
    fill(&*store, "ab", 1..=1, 10);
    let unordered = StoredDocument { head: Seq(1), ..expected("a", 2, 0, 10) };
    assert!(matches!(store.replace(&name("a"), &unordered), Err(StoreError::SeqConflict { .. })));
    assert_eq!(load(&*store, "a"), Some(expected("a", 5, 3, 200_000)), "what is refused changes nothing");
    for (document, head, through, length) in [("a", 2, 0, 700_000), ("a", 12, 10, 10), ("new", 3, 3, 3_000_000)] {
        let whole = StoredDocument { lineage: LineageId([9; 16]), ..expected(document, head, through, length) };
        store.replace(&name(document), &whole).expect("it fits");
        assert_eq!(load(&*store, document), Some(whole));
        let next = Append { lineage: LineageId([9; 16]), ..append(document, head + 1, 10) };
        store.append(&[next]).expect("it follows");
    }
    drop(store);
    let store = subject.open();
    let heads = ["a", "ab", "new"].map(|document| load(&*store, document).map(|loaded| loaded.head.0));
    assert_eq!((heads, store.stats().documents), ([Some(13), Some(1), Some(4)], 3));
}

fn copies_are_the_same(subject: &mut dyn Subject) {
    let from = crate::MemoryStore::new();
    for index in 0..30_u64 {
        let document = format!("doc {index}");
        fill(&from, &document, 1..=index + 1, 100);
        if index % 3 == 0 {
            from.compact(&name(&document), snapshot(index / 2 + 1, 100)).expect("within range");
        }
    }
    let (there, back) = (subject.open(), crate::MemoryStore::new());
    assert_eq!(copy_store(&from, &*there).expect("both are healthy").copied, 30);
    assert_eq!(copy_store(&*there, &back).expect("both are healthy").copied, 30);
    for index in 0..30 {
        let document = format!("doc {index}");
        assert_eq!(load(&from, &document), load(&*there, &document));
        assert_eq!(load(&from, &document), load(&back, &document));
    }
}

fn statistics(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=10, 1_000);
    store.compact(&name("a"), snapshot(4, 1_000)).expect("within range");
    let stats = store.document_stats(&name("a")).expect("a healthy store counts").expect("it is there");
    assert_eq!((stats.head, stats.snapshot_through, stats.records), (Seq(10), Seq(4), 6));
    assert!((6_000..7_000).contains(&stats.record_bytes), "{stats:?}");
    assert!((1_000..1_200).contains(&stats.snapshot_bytes), "{stats:?}");
    assert_eq!(store.document_stats(&name("b")).expect("a healthy store counts"), None);
    let stats = store.stats();
    assert_eq!((stats.documents, stats.unhealthy, stats.findings), (1, None, Vec::new()));
}

fn races_lose_nothing(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=1, 100);
    thread::scope(|scope| {
        scope.spawn(|| (2..=200).for_each(|seq| fill(&*store, "a", seq..=seq, 100)));
        scope.spawn(|| {
            let mut through = 0;
            while through < 150 {
                let head = load(&*store, "a").expect("it is there").head.0;
                if head > through {
                    store.compact(&name("a"), snapshot(head, 100)).expect("a head that was read is in range");
                    through = head;
                }
            }
        });
    });
    let loaded = load(&*store, "a").expect("it is there");
    let through = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.through.0);
    assert_eq!(loaded, expected("a", 200, through, 100));
}

fn loads_see_whole_documents(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=1, 70_000);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for seq in 2..=40 {
                fill(&*store, "a", seq..=seq, 70_000);
                if seq % 5 == 0 {
                    store.compact(&name("a"), snapshot(seq - 1, 70_000)).expect("within range");
                }
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let loaded = load(&*store, "a").expect("it is there");
            let (head, through) = (loaded.head.0, loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.through.0));
            assert_eq!(loaded, expected("a", head, through, 70_000));
            assert!(head >= last, "what was seen stays");
            last = head;
        }
    });
}

fn reopening_is_harmless(subject: &mut dyn Subject) {
    let store = subject.open();
    fill(&*store, "a", 1..=3, 10);
    thread::scope(|scope| {
        scope.spawn(|| (4..=30).for_each(|seq| fill(&*store, "a", seq..=seq, 10)));
        (0..5).for_each(|_| store.reopen().expect("a healthy store reopens"));
    });
    assert_eq!(load(&*store, "a"), Some(expected("a", 30, 0, 10)));
    assert_eq!((store.stats().unhealthy, store.stats().findings), (None, Vec::new()));
}

/// For what is copied often, or needs no disk: memory where that is possible.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
