//! The files are not what was written.

use std::{fs, path::Path, sync::atomic::Ordering};

use confluo_store::{
    DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled,
    contract::{append, expected, name},
};

use crate::disk::{Disk, Pairs, Random, UNSYNCED, apply, copy_folder, history, pairs};

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
