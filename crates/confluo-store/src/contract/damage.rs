//! Flipped bits and cut files of an engine: whatever happens to them, nothing may be missing in silence.

use std::{collections::BTreeMap, fs, ops::Range, path::Path, sync::Arc};

use super::{append, expected, name, noise, scratch, snapshot};
use crate::{DocumentStore, Finding, StoreError};

pub(super) const DOCUMENTS: u64 = 40;
pub(super) const RECORDS: u64 = 12;

/// How to open the store under test in a folder.
pub type Open = fn(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError>;

/// What the trials on one file showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// Every document is whole: the damage hit nothing that mattered, or what could be made anew.
    pub unharmed: u32,
    /// The store refused to open, and said so.
    pub refused: u32,
    /// It opened and reported what is missing.
    pub reported: u32,
    /// Trials, by their number, in which something was missing without a word. Must be empty.
    pub silent: Vec<String>,
}

/// Damages each file of a closed store in turn, in a copy for each trial, and looks at what the store then says. The same seeds
/// give the same trials. The reports go by the names of the files, without a number that a name ends with.
pub fn run_trials(open: Open, trials: Range<u64>) -> BTreeMap<String, DamageReport> {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let sound = work.path().join("sound");
    build(open, &sound);
    run(open, &sound, trials)
}

/// The same with a store whose process was killed, so that it has a journal.
pub fn run_trials_of_killed(open: Open, trials: Range<u64>) -> BTreeMap<String, DamageReport> {
    let work = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    let (alive, killed) = (work.path().join("alive"), work.path().join("killed"));
    let _alive = build(open, &alive);
    copy_folder(&alive, &killed);
    run(open, &killed, trials)
}

fn run(open: Open, sound: &Path, trials: Range<u64>) -> BTreeMap<String, DamageReport> {
    let untouched = sound.with_file_name("untouched");
    copy_folder(sound, &untouched);
    assert_eq!(judge(open, &untouched, 1), (Verdict::Unharmed, Vec::new()), "a sound store is not accused");
    let mut reports = BTreeMap::<String, DamageReport>::new();
    let snapshots: Vec<_> = files(sound).into_iter().filter(|file| file.starts_with("snap.")).collect();
    for file in files(sound) {
        let kind = if snapshots.contains(&file) { "snap" } else { &file };
        run_on(open, sound, (&file, &[]), trials.clone(), reports.entry(kind.to_owned()).or_default());
        if file == "db" && !snapshots.is_empty() {
            // As somebody would by hand, whom sled does not open it: it then takes what comes before the damage for all.
            let report = reports.entry("db without its snapshots".to_owned()).or_default();
            run_on(open, sound, (&file, &snapshots), trials.clone(), report);
        }
    }
    reports
}

/// Damages a file, and removes others.
fn run_on(open: Open, sound: &Path, hit: (&str, &[String]), trials: Range<u64>, report: &mut DamageReport) {
    let (damaged, removed) = hit;
    for trial in trials {
        let copy = sound.with_file_name("damaged");
        copy_folder(sound, &copy);
        let what = damage(&copy.join(damaged), trial);
        for file in removed {
            fs::remove_file(copy.join(file)).expect("the copy is ours");
        }
        let mut told_before = Vec::new();
        // Twice: what was reported once must not become silent, or worse, by what is written until the next start.
        for start in 1..=2 {
            let (verdict, told) = judge(open, &copy, start);
            let is_forgotten = verdict != Verdict::Refused && told_before.iter().any(|before| !told.contains(before));
            match verdict {
                _ if is_forgotten => {
                    report.silent.push(format!("trial {trial} ({what}): {told_before:?}, then {told:?}"));
                }
                Verdict::Unharmed => report.unharmed += 1,
                Verdict::Refused => report.refused += 1,
                Verdict::Reported => report.reported += 1,
                Verdict::Silent(missing) => {
                    report.silent.push(format!("trial {trial} ({what}), start {start}: {missing}"));
                }
            }
            told_before = told;
        }
        fs::remove_dir_all(&copy).expect("the copy is ours");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Unharmed,
    Refused,
    Reported,
    Silent(String),
}

/// Documents of several sizes, of which every third is compacted. The engine has some of it, a journal the rest.
pub(super) fn build(open: Open, dir: &Path) -> Arc<dyn DocumentStore> {
    let mut store = open(dir).expect("an empty folder opens");
    for seq in 1..=RECORDS {
        if seq == RECORDS / 2 {
            drop(store);
            store = open(dir).expect("it was closed");
        }
        let slice: Vec<_> = (0..DOCUMENTS).map(|index| append(&document(index), seq, length(index))).collect();
        store.append(&slice).expect("a healthy store appends");
    }
    for index in (0..DOCUMENTS).step_by(3) {
        store.compact(&name(&document(index)), snapshot(RECORDS / 2, length(index))).expect("within range");
    }
    store
}

pub(super) fn document(index: u64) -> String {
    format!("document {index:03}")
}

pub(super) fn length(index: u64) -> usize {
    [30, 200, 1_000, 4_000][index as usize % 4]
}

/// Each document must be whole, or the store must say of it that something is missing. That the store as a whole says so excuses
/// one that is older than it was, and none that is gone: it must be refused.
fn judge(open: Open, dir: &Path, start: u64) -> (Verdict, Vec<Finding>) {
    let Ok(store) = open(dir) else { return (Verdict::Refused, Vec::new()) };
    let findings = store.stats().findings;
    let tells_of_commits = |finding: &Finding| matches!(finding, Finding::RolledBack { .. } | Finding::Journal { .. });
    let is_rolled_back = findings.iter().any(tells_of_commits);
    let mut is_reported = findings.iter().any(Finding::may_miss_documents);
    let mut missing = Vec::new();
    for index in 0..DOCUMENTS {
        let document = document(index);
        let through = if index % 3 == 0 { RECORDS / 2 } else { 0 };
        match store.load(&name(&document)) {
            Ok(Some(loaded)) if loaded == expected(&document, RECORDS, through, length(index)) => {}
            Ok(Some(loaded)) if !loaded.set_aside.is_empty() => is_reported = true,
            Ok(Some(loaded)) if is_rolled_back && loaded == expected(&document, loaded.head.0, 0, length(index)) => {}
            Ok(loaded) => missing.push(format!("{document} has head {:?}", loaded.map(|loaded| loaded.head.0))),
            Err(_) => is_reported = true,
        }
    }
    // The next commit makes the numbers agree that told of a loss.
    store.append(&[append(&format!("written at start {start}"), 1, 30)]).ok();
    let verdict = match (missing.is_empty(), is_reported) {
        (true, true) => Verdict::Reported,
        (true, false) => Verdict::Unharmed,
        (false, _) => Verdict::Silent(missing.join(", ")),
    };
    (verdict, findings)
}

pub(super) fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the store's folder").map(|entry| entry.expect("the store's folder"));
    let files = entries.filter(|entry| entry.path().is_file());
    files.map(|entry| entry.file_name().into_string().expect("engines name files in ASCII")).collect()
}

/// Two trials in three flip a bit where there is something, the third cuts the file.
pub(super) fn damage(file: &Path, trial: u64) -> String {
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
