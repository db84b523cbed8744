//! Salvage from an engine's main file with a flipped bit or cut off, whether or not the engine still opens it: what was not hit
//! comes back, and nothing else.

use std::{collections::BTreeSet, fs, ops::Range, path::Path};

use super::{
    append,
    damage::{self, DOCUMENTS, Open, RECORDS, copy_folder, document, length},
    expected, name, noise, scratch, snapshot, without_masks,
};
use crate::{DocumentStore, Doubt, Finding, MemoryStore, StoreError, WreckStore, salvage_store};

/// How to read what is left of a store.
pub type OpenWreck = fn(dir: &Path) -> Result<WreckStore, StoreError>;

/// What came back in one trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// What was done to the file.
    pub damage: String,
    /// Whether the engine opens the damaged file.
    pub opens: bool,
    /// Documents that are as they were.
    pub whole: u64,
    /// Documents of which the copy says that something is missing.
    pub partly: u64,
}

/// Damages the main file as [`damage::run_trials`] does, and salvages what is left. No document may be other than it was without
/// a word; those that are gone are counted.
pub fn run_trials(open: Open, open_wreck: OpenWreck, file: &str, trials: Range<u64>) -> Vec<Salvaged> {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let sound = work.path().join("sound");
    drop(damage::build(open, &sound));
    run(open, open_wreck, (&sound, file), damage::damage, trials)
}

/// The same with blocks of 4 KiB that a disk lost, and such as hold something else.
pub fn run_trials_with_blocks(open: Open, open_wreck: OpenWreck, file: &str, trials: Range<u64>) -> Vec<Salvaged> {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let sound = work.path().join("sound");
    drop(damage::build(open, &sound));
    run(open, open_wreck, (&sound, file), damage_block, trials)
}

/// The same with a store whose process was killed, so that it has a journal.
pub fn run_trials_of_killed(open: Open, open_wreck: OpenWreck, file: &str, trials: Range<u64>) -> Vec<Salvaged> {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let (alive, killed) = (work.path().join("alive"), work.path().join("killed"));
    let _alive = damage::build(open, &alive);
    copy_folder(&alive, &killed);
    run(open, open_wreck, (&killed, file), damage::damage, trials)
}

fn run(
    open: Open,
    open_wreck: OpenWreck,
    (sound, file): (&Path, &str),
    harm: fn(&Path, u64) -> String,
    trials: Range<u64>,
) -> Vec<Salvaged> {
    assert_eq!(salvage(open_wreck, sound), (DOCUMENTS, 0), "all of a sound store comes back");
    let wreck = open_wreck(sound).expect("it is sound");
    assert!(!wreck.engine().lacks_some() && wreck.engine().doubts().is_empty(), "a sound store is not accused");
    drop(wreck);
    let trial = |trial| {
        let copy = sound.with_file_name("damaged");
        copy_folder(sound, &copy);
        let damage = harm(&copy.join(file), trial);
        // A server tried, as always.
        let opens = open(&copy).is_ok();
        let before = read_all(&copy);
        let (whole, partly) = salvage(open_wreck, &copy);
        assert_eq!(before, read_all(&copy), "{damage}: nothing is written there");
        fs::remove_dir_all(&copy).expect("the copy is ours");
        Salvaged { damage, opens, whole, partly }
    };
    trials.map(trial).collect()
}

/// How many documents came back whole, and how many with a word about what is missing.
fn salvage(open_wreck: OpenWreck, dir: &Path) -> (u64, u64) {
    let wreck = open_wreck(dir).expect("what is left can always be read");
    let copy = MemoryStore::new();
    let report = salvage_store(&wreck, &copy).expect("there is room in memory");
    let findings = copy.stats().findings;
    assert!(findings.contains(&Finding::Salvaged), "{findings:?}");
    assert!(matches!(copy.load(&name("never there")), Err(StoreError::MayBeLost { .. })));
    let mut told: BTreeSet<_> =
        report.incomplete.iter().chain(wreck.engine().doubts().iter().map(|(name, _)| name)).collect();
    told.extend(report.failed.iter().map(|(name, _)| name));
    let is_rolled_back = findings.iter().any(|finding| matches!(finding, Finding::RolledBack { .. }));
    let (mut whole, mut partly) = (0, 0);
    for index in 0..DOCUMENTS {
        let title = document(index);
        let through = if index % 3 == 0 { RECORDS / 2 } else { 0 };
        let Ok(Some(loaded)) = copy.load(&name(&title)) else { continue };
        let wanted = expected(&title, RECORDS, through, length(index));
        if loaded == wanted {
            whole += 1;
            continue;
        }
        assert!(
            told.contains(&name(&title)) || is_rolled_back || wreck.engine().lacks_some(),
            "{title} is other than it was, and nobody says so: head {:?}, {:?}",
            loaded.head,
            loaded.set_aside
        );
        let all = expected(&title, RECORDS, 0, length(index)).records;
        assert!(loaded.records.iter().all(|record| all.contains(record)), "{title} has what nobody wrote");
        assert!(loaded.snapshot.is_none() || loaded.snapshot == wanted.snapshot, "{title} has what nobody wrote");
        partly += 1;
    }
    let listed = copy.list("", None, 1_000).expect("a memory store lists").documents.len() as u64;
    assert_eq!(listed, whole + partly, "nothing comes back that was never there");
    (whole, partly)
}

/// A few small documents, some of them deleted; every so many bytes that are used a bit is flipped, each in a copy. Returns how many
/// documents were not whole, for each.
pub fn flip_everywhere(open: Open, open_wreck: OpenWreck, file: &str, step: usize) -> Vec<(usize, u64)> {
    const SMALL: u64 = 8;
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let (sound, copy) = (work.path().join("sound"), work.path().join("copy"));
    for seq in 1..=4 {
        // Each time closed: the engine is given everything, in commits of their own.
        let store = open(&sound).expect("it was closed");
        let titles = (0..SMALL).map(document).chain(["deleted".to_owned()]);
        let records: Vec<_> = titles.map(|title| append(&title, seq, 50)).collect();
        store.append(&records).expect("a healthy store appends");
    }
    let store = open(&sound).expect("it was closed");
    assert!(store.delete(&name("deleted")).expect("a healthy store deletes"));
    drop(store);
    copy_folder(&sound, &copy);
    let bytes = fs::read(sound.join(file)).expect("the engine keeps its data in that file");
    let used = (0..bytes.len()).filter(|at| bytes[*at] != 0);
    let hit = |at: usize| {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(copy.join(file), damaged).expect("the copy is ours");
        let wreck = open_wreck(&copy).expect("what is left can always be read");
        let salvaged = MemoryStore::new();
        salvage_store(&wreck, &salvaged).expect("there is room in memory");
        let is_whole = |index: &u64| {
            let title = document(*index);
            salvaged.load(&name(&title)).is_ok_and(|loaded| loaded == Some(expected(&title, 4, 0, 50)))
        };
        let doubts = wreck.engine().doubts();
        let is_back = !matches!(salvaged.load(&name("deleted")), Err(StoreError::MayBeLost { .. }));
        assert!(!is_back || doubts.contains(&(name("deleted"), Doubt::MayBeDeleted)), "flipped at {at}: {doubts:?}");
        (at, SMALL - (0..SMALL).filter(is_whole).count() as u64)
    };
    used.step_by(step).map(hit).collect()
}

/// Records and snapshots of several parts, in a file of several of what an engine parts it into. One that is hit costs its document at
/// most.
pub fn salvage_large(open: Open, open_wreck: OpenWreck, file: &str) {
    const LARGE: u64 = 6;
    let length = |index: u64| 220_000 + index as usize;
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let dir = work.path().join("data");
    let store = open(&dir).expect("an empty folder opens");
    for (seq, index) in (1..=16).flat_map(|seq| (0..LARGE).map(move |index| (seq, index))) {
        let records = [append(&document(index), seq, length(index))];
        without_masks(|| store.append(&records)).expect("a healthy store appends");
    }
    store.compact(&name(&document(1)), snapshot(8, length(1))).expect("within range");
    drop(store);
    let whole = || {
        let wreck = open_wreck(&dir).expect("what is left can always be read");
        let copy = MemoryStore::new();
        salvage_store(&wreck, &copy).expect("there is room in memory");
        let is_whole = |index: &u64| {
            let wanted = expected(&document(*index), 16, if *index == 1 { 8 } else { 0 }, length(*index));
            copy.load(&name(&document(*index))).is_ok_and(|loaded| loaded == Some(wanted))
        };
        ((0..LARGE).filter(is_whole).collect::<Vec<_>>(), wreck.engine().lacks_some())
    };
    assert_eq!(whole(), ((0..LARGE).collect(), false));
    let mut bytes = fs::read(dir.join(file)).expect("the engine keeps its data in that file");
    // The documents' records begin alike.
    let wanted = &append(&document(0), 7, length(0)).record.update.0[100_000..100_032];
    let is_there = |at: &usize| bytes[*at] == wanted[0] && bytes[*at..].starts_with(wanted);
    let hit = (0..bytes.len() - wanted.len()).rfind(is_there).expect("the engine keeps values as they are");
    bytes[hit] ^= 1;
    fs::write(dir.join(file), bytes).expect("the copy is ours");
    let (left, _) = whole();
    assert!(left.len() as u64 >= LARGE - 1, "{left:?}");
}

fn damage_block(file: &Path, trial: u64) -> String {
    const BLOCK: usize = 4096;
    let mut bytes = fs::read(file).expect("the engine keeps its data in that file");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last.div_ceil(BLOCK));
    let random = noise(trial + 1, BLOCK).0;
    let block = usize::from(u16::from_le_bytes([random[0], random[1]])) % used * BLOCK;
    let end = bytes.len().min(block + BLOCK);
    match trial % 3 {
        0 => bytes[block..end].fill(0),
        1 => bytes[block..end].copy_from_slice(&random[..end - block]),
        _ => bytes.copy_within(end.min(used * BLOCK - BLOCK)..used * BLOCK, block),
    }
    fs::write(file, bytes).expect("the copy is ours");
    format!("block at {block}, kind {}", trial % 3)
}

/// Bytes that were never an engine's, and such as were, in another order: nothing comes out, and nothing breaks.
pub fn read_anything(open: Open, open_wreck: OpenWreck, file: &str) {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let (sound, dir) = (work.path().join("sound"), work.path().join("anything"));
    drop(damage::build(open, &sound));
    fs::create_dir(&dir).expect("a scratch folder");
    let sound = fs::read(sound.join(file)).expect("the engine keeps its data in that file");
    let used = sound.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    for seed in 0..40 {
        let random = noise(seed, 300).0;
        let mut bytes = noise(seed, 200_000).0.to_vec();
        for at in random.chunks_exact(6).take(if seed < 10 { 0 } else { 50 }) {
            let number = |at: &[u8]| usize::from(at[0]) << 16 | usize::from(at[1]) << 8 | usize::from(at[2]);
            let (from, to) = (number(&at[..3]) % used, number(&at[3..]) % bytes.len());
            let length = (number(at) % 9_000).min(used - from).min(bytes.len() - to);
            bytes[to..to + length].copy_from_slice(&sound[from..from + length]);
        }
        fs::write(dir.join(file), &bytes).expect("the copy is ours");
        let wreck = open_wreck(&dir).expect("what is left can always be read");
        let copy = MemoryStore::new();
        salvage_store(&wreck, &copy).expect("there is room in memory");
        for listed in copy.list("", None, 1_000).expect("a memory store lists").documents {
            assert!((0..DOCUMENTS).any(|index| listed.name == name(&document(index))), "{:?}", listed.name);
        }
    }
}

fn read_all(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = damage::files(dir)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(dir.join(&name)).expect("the copy is ours");
            (name, bytes)
        })
        .collect();
    files.sort();
    files
}
