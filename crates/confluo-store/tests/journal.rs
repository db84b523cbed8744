//! The journal before an engine: it reads like the engine alone, and a process that dies at any byte loses nothing acknowledged.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled, MemoryEngine,
    contract::{append, expected, name},
    engine::Visit,
};

/// An engine's files as one process has them open. The files outlive it.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<DiskState>, u64);

#[derive(Debug, Default)]
struct DiskState {
    pairs: MemoryEngine,
    fails: AtomicBool,
    commits: AtomicU64,
    /// The commit that fails, counted from 1, and whether it is applied all the same.
    fail_at: AtomicU64,
    applies: AtomicBool,
    killed: Mutex<u64>,
}

impl Disk {
    /// The next process; of this one nothing is written any more.
    fn after_kill(&self) -> Self {
        *self.0.killed.lock().expect("no test panics with it") = self.1 + 1;
        Self(Arc::clone(&self.0), self.1 + 1)
    }
}

impl Engine for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.pairs.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.0.pairs.scan(prefix, from, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let killed = self.0.killed.lock().expect("no test panics with it");
        if self.0.fails.load(Ordering::Relaxed) || *killed > self.1 {
            return Err(EngineError::Io(std::io::ErrorKind::StorageFull.into()));
        }
        let is_hit = self.0.commits.fetch_add(1, Ordering::Relaxed) + 1 == self.0.fail_at.load(Ordering::Relaxed);
        if !is_hit || self.0.applies.load(Ordering::Relaxed) {
            self.0.pairs.commit(batch)?;
        }
        if is_hit { Err(EngineError::Io(std::io::Error::other("asked for"))) } else { Ok(()) }
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

/// Nothing here cuts the power.
const UNSYNCED: JournalConfig = JournalConfig { seal_bytes: 3 << 19, syncs: false };

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// All that an engine shows of what the tests put there.
fn pairs(engine: &impl Engine) -> Pairs {
    let mut found = Pairs::new();
    engine
        .scan(b"k", &[], &mut |key, value| {
            assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "no key comes twice");
            ControlFlow::Continue(())
        })
        .expect("memory reads");
    found
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A commit of few keys, among which there are removals and neighbours.
    fn batch(&mut self, longest: u64) -> (Batch, Changes) {
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        for _ in 0..=self.below(5) {
            let key = format!("k{}", self.below(40)).into_bytes();
            let value = (self.below(3) > 0).then(|| vec![self.below(256) as u8; self.below(longest) as usize]);
            match &value {
                Some(value) => batch.put(key.clone(), value.clone()),
                None => batch.remove(key.clone()),
            }
            changes.push((key, value));
        }
        (batch, changes)
    }
}

fn apply(model: &mut Pairs, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a scratch folder");
    for entry in fs::read_dir(from).expect("a scratch folder") {
        let entry = entry.expect("a scratch folder");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a scratch folder");
    }
}

#[test]
fn it_reads_like_a_map_through_checkpoints_reopenings_and_restarts() {
    for seed in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let (mut disk, mut random, mut model) = (Disk::default(), Random(seed), Pairs::new());
        let mut journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
        for _ in 0..400 {
            match random.below(100) {
                0 => journaled.reopen().unwrap(),
                1 => {
                    drop(journaled);
                    assert!(pairs(&disk) == model, "whoever closes leaves an engine that has everything");
                    journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
                }
                2 => {
                    disk = disk.after_kill();
                    let next = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
                    std::mem::forget(std::mem::replace(&mut journaled, next));
                }
                _ => {
                    let (batch, changes) = random.batch(60_000);
                    journaled.commit(batch).unwrap();
                    apply(&mut model, changes);
                }
            }
            let key = format!("k{}", random.below(40)).into_bytes();
            assert_eq!(journaled.get(&key).unwrap().as_ref(), model.get(&key));
            let (from, most) = (format!("k{}", random.below(40)).into_bytes(), random.below(9) as usize);
            let mut found = Vec::new();
            let mut visit = |key: &[u8], value: &[u8]| {
                found.push((key.to_vec(), value.to_vec()));
                if found.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            journaled.scan(b"k1", &from, &mut visit).unwrap();
            let wanted = model.range(from.max(b"k1".to_vec())..).take_while(|(key, _)| key.starts_with(b"k1"));
            let wanted: Vec<_> = wanted.take(most + 1).map(|(key, value)| (key.clone(), value.clone())).collect();
            assert!(found == wanted, "seed {seed}: a scan shows something else");
        }
        assert!(pairs(&journaled) == model, "seed {seed}");
    }
}

/// Commits without a checkpoint, and what a reader may find after each.
fn history(dir: &Path, commits: usize) -> Vec<Pairs> {
    fs::create_dir_all(dir).expect("a scratch folder");
    let journaled = Journaled::open(Disk::default(), dir, UNSYNCED).expect("a scratch folder");
    let (mut random, mut states) = (Random(7), vec![Pairs::new()]);
    for _ in 0..commits {
        let (batch, changes) = random.batch(12);
        journaled.commit(batch).expect("a scratch folder");
        let mut state = states.last().expect("it begins with one").clone();
        apply(&mut state, changes);
        states.push(state);
    }
    std::mem::forget(journaled);
    states
}

#[test]
fn a_journal_that_was_cut_or_flipped_anywhere_holds_whole_commits_up_to_there() {
    let work = tempfile::tempdir().unwrap();
    let states = history(&work.path().join("made"), 25);
    let sound = fs::read(work.path().join("made/journal-0")).unwrap();
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let found_with = |bytes: &[u8]| {
        let dir = work.path().join("damaged");
        fs::create_dir_all(&dir).unwrap();
        fs::remove_file(dir.join("journal-1")).ok();
        fs::write(dir.join("journal-0"), bytes).unwrap();
        let disk = Disk::default();
        drop(Journaled::open(disk.clone(), &dir, UNSYNCED).unwrap());
        let found = pairs(&disk);
        states.iter().rposition(|state| *state == found).expect("the state after some commit")
    };
    assert_eq!(found_with(&sound), 25);
    let mut least = 0;
    for end in (0..used).step_by(11) {
        let found = found_with(&sound[..end]);
        assert!(found >= least, "a longer journal holds no less");
        least = found;
        let mut flipped = sound.clone();
        flipped[end] ^= 1 << (end % 8);
        // States may be alike, so that a later one is found; what was written before the flip is there.
        assert!(found_with(&flipped) >= found);
    }
    assert!(least >= 23, "{least}");
}

#[test]
fn what_an_earlier_use_of_the_files_left_behind_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut random, mut model) = (Disk::default(), Random(3), Pairs::new());
    for round in 0..12 {
        let journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
        assert_eq!(pairs(&journaled), model, "round {round}");
        // Fewer each time: what follows the last frame was written in an earlier round.
        for _ in 0..(12 - round) * 3 {
            let (batch, changes) = random.batch(100);
            journaled.commit(batch).unwrap();
            apply(&mut model, changes);
        }
        std::mem::forget(journaled);
    }
}

#[test]
fn when_the_engine_fails_the_next_commit_says_so_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = EngineStore::open(Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap(), None).unwrap();
    disk.0.fails.store(true, Ordering::Relaxed);
    let mut head = 0;
    let error = loop {
        match store.append(&[append("a", head + 1, 60_000)]) {
            Ok(()) => head += 1,
            Err(error) => break error,
        }
        assert!(head < 5_000, "the engine's failure is never told");
    };
    assert!(matches!(error, confluo_store::StoreError::OutOfSpace { .. }), "{error}");
    assert!(store.reopen().is_err(), "the engine still takes nothing");
    disk.0.fails.store(false, Ordering::Relaxed);
    store.reopen().unwrap();
    let loaded = store.load(&name("a")).unwrap().unwrap();
    assert_eq!(loaded, expected("a", head, 0, 60_000));
    assert_eq!(store.stats().findings, []);
    store.append(&[append("a", head + 1, 60_000)]).unwrap();
}

/// With a journal so small that the engine takes what is in it all the time.
#[test]
fn whichever_commit_fails_behind_the_journal_nothing_acknowledged_is_lost() {
    const LAST: u64 = 40;
    for applies in [false, true] {
        for fail_at in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::default();
            disk.0.applies.store(applies, Ordering::Relaxed);
            disk.0.fail_at.store(fail_at, Ordering::Relaxed);
            let config = JournalConfig { seal_bytes: 2_000, syncs: false };
            let open = || EngineStore::open(Journaled::open(disk.clone(), dir.path(), config).unwrap(), None);
            let store = open().unwrap();
            let mut acknowledged = 0;
            while acknowledged < LAST {
                if store.append(&[append("a", acknowledged + 1, 500)]).is_ok() {
                    acknowledged += 1;
                } else {
                    store.reopen().or_else(|_| store.reopen()).expect("only one commit fails");
                    let head = store.load(&name("a")).unwrap().map_or(0, |loaded| loaded.head.0);
                    assert!(head >= acknowledged, "commit {fail_at}: {head} of {acknowledged}");
                    acknowledged = head;
                }
            }
            assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", LAST, 0, 500)));
            drop(store);
            assert_eq!(open().unwrap().load(&name("a")).unwrap(), Some(expected("a", LAST, 0, 500)));
            if disk.0.commits.load(Ordering::Relaxed) < fail_at {
                assert!(fail_at > 1, "the engine takes it at the latest when the store is closed");
                break;
            }
        }
    }
}

/// The engine refuses what the journal has, and then the journal cannot be read either.
#[test]
fn while_reopening_fails_reads_find_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut random, mut model) = (Disk::default(), Random(5), Pairs::new());
    let journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
    for _ in 0..20 {
        let (batch, changes) = random.batch(30_000);
        journaled.commit(batch).unwrap();
        apply(&mut model, changes);
    }
    for part in [1, 3] {
        disk.0.fail_at.store(disk.0.commits.load(Ordering::Relaxed) + part, Ordering::Relaxed);
        assert!(journaled.reopen().is_err());
        assert!(pairs(&journaled) == model, "the engine refuses part {part}");
    }
    let (file, hidden) = (dir.path().join("journal-0"), dir.path().join("hidden"));
    fs::rename(&file, &hidden).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(journaled.reopen().is_err());
    assert!(pairs(&journaled) == model, "the journal cannot be read");
    assert!(journaled.commit(random.batch(10).0).is_err(), "nothing is taken before it was reopened");
    fs::remove_dir(&file).unwrap();
    fs::rename(&hidden, &file).unwrap();
    journaled.reopen().unwrap();
    assert!(pairs(&journaled) == model);
    drop(journaled);
    assert!(pairs(&disk) == model);
}

/// The engine has taken some of what was sealed when the process dies, and then the journal, which has the rest, is damaged:
/// the one way in which the engine shows some of a file and not all.
#[test]
fn what_a_damaged_journal_lost_after_a_hand_over_that_failed_is_never_missing_in_silence() {
    const LAST: u64 = 24;
    let names = ["a", "b", "c"];
    let config = JournalConfig { seal_bytes: 12_000, syncs: false };
    let mut losses = 0;
    for (fail_at, flip_at) in
        (4..20_u64).step_by(5).flat_map(|fail_at| (0..14_000).step_by(1_400).map(move |at| (fail_at, at)))
    {
        let dir = tempfile::tempdir().unwrap();
        let watermark = dir.path().join("watermark");
        let disk = Disk::default();
        disk.0.fail_at.store(fail_at, Ordering::Relaxed);
        let open =
            |disk: &Disk| EngineStore::open(Journaled::open(disk.clone(), dir.path(), config)?, Some(&watermark));
        let store = open(&disk).unwrap();
        let mut acknowledged = [0; 3];
        let mut order = (0..3 * LAST).map(|turn| (turn % 3) as usize);
        // Until the engine's failure is told.
        while let Some(at) = order.next()
            && store.append(&[append(names[at], acknowledged[at] + 1, 500)]).is_ok()
        {
            acknowledged[at] += 1;
        }
        let disk = disk.after_kill();
        std::mem::forget(store);
        for file in ["journal-0", "journal-1"].map(|file| dir.path().join(file)) {
            if let Ok(mut bytes) = fs::read(&file) {
                bytes[flip_at] ^= 4;
                fs::write(file, bytes).unwrap();
            }
        }
        let Ok(store) = open(&disk) else { continue };
        for (at, document) in names.into_iter().enumerate() {
            let loaded = store.load(&name(document));
            let is_reported = !store.stats().findings.is_empty()
                || loaded.as_ref().map_or(true, |it| it.as_ref().is_some_and(|it| !it.set_aside.is_empty()));
            let head = loaded.as_ref().map_or(0, |loaded| loaded.as_ref().map_or(0, |loaded| loaded.head.0));
            let is_whole = loaded.is_ok_and(|loaded| loaded == (head > 0).then(|| expected(document, head, 0, 500)));
            if !is_whole || head < acknowledged[at] {
                losses += 1;
                assert!(is_reported, "{fail_at}, {flip_at}: {document} has {head} of {acknowledged:?}");
            }
        }
    }
    assert!(losses > 20, "the damage hits what counts: {losses}");
}

#[test]
fn the_engine_takes_many_commits_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = EngineStore::open(Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap(), None).unwrap();
    for seq in 1..=1_000 {
        store.append(&[append("a", seq, 100)]).unwrap();
    }
    drop(store);
    let commits = disk.0.commits.load(Ordering::Relaxed);
    assert!((2..30).contains(&commits), "1,000 commits in a few parts, none of them large: {commits}");
    let store = EngineStore::open(disk, None).unwrap();
    assert_eq!(store.load(&name("a")).unwrap(), Some(expected("a", 1_000, 0, 100)), "also without the journal");
}

#[test]
fn commits_that_the_engine_lost_before_those_in_the_journal_are_reported_and_the_rest_kept_aside() {
    let work = tempfile::tempdir().unwrap();
    let (dir, killed) = (work.path().join("data"), work.path().join("killed"));
    let disk = Disk::default();
    let watermark = dir.join("watermark");
    fs::create_dir_all(&dir).unwrap();
    let open = |disk, dir: &Path| {
        EngineStore::open(Journaled::open(disk, dir, UNSYNCED).unwrap(), Some(&dir.join("watermark"))).unwrap()
    };
    let store = open(disk.clone(), &dir);
    // Enough for both files.
    let mut seq = 0;
    while disk.0.commits.load(Ordering::Relaxed) == 0 {
        seq += 1;
        store.append(&[append("a", seq, 60_000)]).unwrap();
    }
    store.append(&[append("a", seq + 1, 60_000)]).unwrap();
    copy_folder(&dir, &killed);
    assert!(watermark.is_file());
    drop(store);
    // The first file is in the engine only, and the engine has lost it.
    fs::remove_file(killed.join("journal-0")).unwrap();
    for _ in 0..2 {
        let store = open(Disk::default(), &killed);
        assert!(matches!(store.stats().findings[..], [Finding::RolledBack { .. }]), "{:?}", store.stats().findings);
        assert_eq!(store.load(&name("a")).unwrap(), None);
        assert!(killed.join("journal-1.aside").is_file());
    }
}

#[test]
fn a_journal_of_a_newer_version_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), 1);
    let path = dir.path().join("journal-0");
    let mut bytes = fs::read(&path).unwrap();
    let length = 17 + u32::from_le_bytes(bytes[13..17].try_into().unwrap()) as usize;
    bytes[0] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..1]);
    hasher.update(&bytes[5..length]);
    let checksum = hasher.finalize().to_le_bytes();
    bytes[1..5].copy_from_slice(&checksum);
    fs::write(&path, bytes).unwrap();
    let error = Journaled::open(Disk::default(), dir.path(), UNSYNCED).unwrap_err();
    assert!(matches!(error, EngineError::Newer { found: 2, .. }), "{error}");
}
