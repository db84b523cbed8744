//! Flipped bits and cut files of an engine: whatever happens to them, nothing may be missing in silence.

use std::{fs, path::Path, sync::Arc};

use super::{append, expected, name, noise, snapshot};
use crate::{DocumentStore, StoreError};

const DOCUMENTS: u64 = 40;
const RECORDS: u64 = 12;

/// How to open the store under test in a folder.
pub type Open = fn(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError>;

/// What the trials showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// The damage hit nothing that mattered.
    pub unharmed: u32,
    /// The store refused to open, and said so.
    pub refused: u32,
    /// It opened and reported what is missing.
    pub reported: u32,
    /// Trials, by their number, in which something was missing without a word. Must be empty.
    pub silent: Vec<String>,
}

/// Damages a file of a copy of a closed store in each trial and looks at what it then says. The same seeds give the same
/// trials.
pub fn run_trials(open: Open, file: &str, trials: std::ops::Range<u64>) -> DamageReport {
    let work = tempfile::tempdir().expect("a scratch folder");
    let sound = work.path().join("sound");
    build(&*open(&sound).expect("an empty folder opens"));
    run(open, &sound, file, trials)
}

/// The same with the journal of a store whose process was killed.
pub fn run_journal_trials(open: Open, trials: std::ops::Range<u64>) -> DamageReport {
    let work = tempfile::tempdir().expect("a scratch folder");
    let (alive, killed) = (work.path().join("alive"), work.path().join("killed"));
    let store = open(&alive).expect("an empty folder opens");
    build(&*store);
    copy_folder(&alive, &killed);
    run(open, &killed, "journal-0", trials)
}

fn run(open: Open, sound: &Path, file: &str, trials: std::ops::Range<u64>) -> DamageReport {
    let mut report = DamageReport::default();
    let untouched = sound.with_file_name("untouched");
    copy_folder(sound, &untouched);
    assert_eq!(judge(open, &untouched), Verdict::Unharmed, "a sound store is not accused");
    for trial in trials {
        let copy = sound.with_file_name("damaged");
        copy_folder(sound, &copy);
        let what = damage(&copy.join(file), trial);
        // Twice: what was reported once must not become silent, or worse, at the next start.
        for start in 1..=2 {
            match judge(open, &copy) {
                Verdict::Unharmed => report.unharmed += 1,
                Verdict::Refused => report.refused += 1,
                Verdict::Reported => report.reported += 1,
                Verdict::Silent(missing) => {
                    report.silent.push(format!("trial {trial} ({what}), start {start}: {missing}"));
                }
            }
        }
        fs::remove_dir_all(&copy).expect("the copy is ours");
    }
    report
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Unharmed,
    Refused,
    Reported,
    Silent(String),
}

/// Documents of several sizes; every third is compacted, every fifth got records after that.
fn build(store: &dyn DocumentStore) {
    for seq in 1..=RECORDS {
        let slice: Vec<_> = (0..DOCUMENTS).map(|index| append(&document(index), seq, length(index))).collect();
        store.append(&slice).expect("a healthy store appends");
    }
    for index in (0..DOCUMENTS).step_by(3) {
        store.compact(&name(&document(index)), snapshot(RECORDS / 2, length(index))).expect("within range");
    }
}

fn document(index: u64) -> String {
    format!("document {index:03}")
}

fn length(index: u64) -> usize {
    [30, 200, 1_000, 4_000][index as usize % 4]
}

fn judge(open: Open, dir: &Path) -> Verdict {
    let Ok(store) = open(dir) else { return Verdict::Refused };
    let mut is_reported = !store.stats().findings.is_empty();
    let mut missing = Vec::new();
    for index in 0..DOCUMENTS {
        let document = document(index);
        let through = if index % 3 == 0 { RECORDS / 2 } else { 0 };
        match store.load(&name(&document)) {
            Ok(Some(loaded)) if loaded == expected(&document, RECORDS, through, length(index)) => {}
            Ok(Some(loaded)) if !loaded.set_aside.is_empty() => is_reported = true,
            Ok(loaded) => missing.push(format!("{document} has head {:?}", loaded.map(|loaded| loaded.head.0))),
            Err(_) => is_reported = true,
        }
    }
    match (missing.is_empty(), is_reported) {
        (_, true) => Verdict::Reported,
        (true, false) => Verdict::Unharmed,
        (false, false) => Verdict::Silent(missing.join(", ")),
    }
}

/// Two trials in three flip a bit where there is something, the third cuts the file.
fn damage(file: &Path, trial: u64) -> String {
    let mut bytes = fs::read(file).expect("the engine keeps its data in that file");
    let random = noise(trial + 1, 16).0;
    let number = |at: usize| u64::from_le_bytes(random[at..at + 8].try_into().expect("eight bytes")) as usize;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    if trial % 3 == 2 {
        let end = number(0) % used;
        bytes.truncate(end);
        fs::write(file, bytes).expect("the copy is ours");
        return format!("cut at {end}");
    }
    let start = number(0) % used;
    let at = (start..used).find(|at| bytes[*at] != 0).unwrap_or(start);
    let bit = number(8) % 8;
    bytes[at] ^= 1 << bit;
    fs::write(file, bytes).expect("the copy is ours");
    format!("bit {bit} of byte {at}")
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a scratch folder");
    for entry in fs::read_dir(from).expect("the store's folder") {
        let entry = entry.expect("the store's folder");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a scratch folder");
        }
    }
}
