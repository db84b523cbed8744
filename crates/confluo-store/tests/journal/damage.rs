//! The files are not what was written.

use std::{fs, path::Path, sync::atomic::Ordering};

use confluo_store::{
    Batch, DocumentStore, Engine, EngineError, EngineStore, Finding, JournalConfig, Journaled, StoreError,
    contract::{append, expected, name},
    keys, value,
};

use crate::disk::{Disk, Pairs, Random, UNSYNCED, apply, copy_folder, history, pairs};

#[test]
fn a_journal_that_was_cut_or_flipped_anywhere_holds_whole_commits_up_to_there() {
    let work = tempfile::tempdir().unwrap();
    let states = history(&work.path().join("made"), 25);
    let sound = fs::read(work.path().join("made/journal-0")).unwrap();
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let dir = work.path().join("damaged");
    let found_with = |bytes: &[u8]| {
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("journal-0"), bytes).unwrap();
        let disk = Disk::default();
        let findings = Journaled::open(disk.clone(), &dir, UNSYNCED).unwrap().findings();
        (pairs(&disk), !findings.is_empty())
    };
    let whole_through = |found: &Pairs| states.iter().rposition(|state| state == found);
    assert_eq!(found_with(&sound), (states[25].clone(), false));
    let (mut least, mut left_out) = (0, 0);
    for end in (0..used).step_by(11) {
        let (found, is_told) = found_with(&sound[..end]);
        let through = whole_through(&found).expect("the state after some commit");
        assert!(through >= least && !is_told, "a longer journal holds no less, and a torn end is no damage");
        least = through;
        let mut flipped = sound.clone();
        flipped[end] ^= 1 << (end % 8);
        let (found, is_told) = found_with(&flipped);
        // All but the commit that was hit, where its length is not what was hit; in any case all before it.
        let is_one_left_out = (0..25).any(|left_out| found == without(25, left_out));
        assert!(is_one_left_out || whole_through(&found).is_some_and(|found| found >= through), "flipped at {end}");
        assert!(is_told || through >= 24, "flipped at {end} of {used}: what is left out is told of");
        left_out += u32::from(is_one_left_out);
        let aside = dir.join("journal-0.aside");
        assert!(!is_told || fs::read(aside).is_ok_and(|kept| kept == flipped));
    }
    assert!(least >= 23 && left_out > 25, "{least}, {left_out}");
}

#[test]
fn damage_in_what_the_engine_has_is_no_loss() {
    let work = tempfile::tempdir().unwrap();
    let (dir, disk) = (work.path().join("data"), Disk::default());
    fs::create_dir(&dir).unwrap();
    let journaled = Journaled::open(disk.clone(), &dir, UNSYNCED).unwrap();
    let (mut random, mut model, mut ends) = (Random(7), Pairs::new(), Vec::new());
    for _ in 0..25 {
        let (batch, changes) = random.batch(12);
        journaled.commit(batch).unwrap();
        apply(&mut model, changes);
        ends.push(fs::read(dir.join("journal-0")).unwrap().iter().rposition(|byte| *byte != 0).unwrap());
    }
    let sound = fs::read(dir.join("journal-0")).unwrap();
    drop(journaled);
    // As if the process had died before it could remove the file.
    for at in [ends[0] - 1, ends[11] - 1, ends[11] + 15, ends[24] - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        fs::write(dir.join("journal-0"), bytes).unwrap();
        let journaled = Journaled::open(disk.clone(), &dir, UNSYNCED).unwrap();
        assert_eq!((journaled.findings(), pairs(&journaled)), (vec![], model.clone()), "flipped at {at}");
    }
}

/// At the beginning of that file there is no memory, and the system says what it says of a bad sector.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_disk_does_not_give_is_kept_and_told_of_and_the_other_is_read() {
    let work = tempfile::tempdir().unwrap();
    let (made, dir) = (work.path().join("made"), work.path().join("data"));
    let states = history(&made, 25);
    fs::create_dir(&dir).unwrap();
    fs::copy(made.join("journal-0"), dir.join("journal-0")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", dir.join("journal-1")).unwrap();
    let journaled = Journaled::open(Disk::default(), &dir, UNSYNCED).unwrap();
    let files = ["journal-0.aside", "journal-1.aside"].map(|file| Finding::Journal { file: file.into() });
    assert_eq!((journaled.findings(), pairs(&journaled)), (files.to_vec(), states[25].clone()));
}

/// What a history leaves of which one commit is left out.
fn without(commits: usize, left_out: usize) -> Pairs {
    let (mut random, mut state) = (Random(7), Pairs::new());
    for commit in 0..commits {
        let (_, changes) = random.batch(12);
        if commit != left_out {
            apply(&mut state, changes);
        }
    }
    state
}

/// Lesson: one bad byte in the first frame, and the whole journal was thrown away, by a command that only reads.
#[test]
fn a_frame_that_is_damaged_costs_its_own_commit_and_is_told_until_somebody_has_seen_to_it() {
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("data");
    let watermark = dir.join("watermark");
    fs::create_dir_all(&dir).unwrap();
    let open = |disk: &Disk| {
        let journaled = Journaled::open(disk.clone(), &dir, UNSYNCED).unwrap();
        EngineStore::open(journaled, Some(&watermark)).unwrap()
    };
    let disk = Disk::default();
    let store = open(&disk);
    let path = dir.join("journal-0");
    let mut begins = Vec::new();
    for seq in 1..=3 {
        for document in ["a", "b", "c"] {
            let written = fs::read(&path).ok().and_then(|bytes| bytes.iter().rposition(|byte| *byte != 0));
            begins.push(written.unwrap_or(0));
            store.append(&[append(document, seq, 1_000)]).unwrap();
        }
    }
    let disk = disk.after_kill();
    std::mem::forget(store);
    let mut bytes = fs::read(&path).unwrap();
    // In the second record of b.
    bytes[begins[4] + 500] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let kept = || fs::read(dir.join("journal-0.aside")).unwrap();
    let finding = Finding::Journal { file: "journal-0.aside".into() };
    for start in 1..=2 {
        let store = open(&disk);
        assert_eq!((store.stats().findings, kept() == bytes), (vec![finding.clone()], true));
        for document in ["a", "c"] {
            assert_eq!(store.load(&name(document)).unwrap(), Some(expected(document, 2 + start, 0, 1_000)));
            store.append(&[append(document, 3 + start, 1_000)]).unwrap();
        }
        let hit = store.load(&name("b")).unwrap().unwrap();
        assert_eq!((hit.head.0, hit.set_aside.len(), hit.set_aside[0].seq.map(|seq| seq.0)), (3, 1, Some(2)));
    }
    fs::remove_file(dir.join("journal-0.aside")).unwrap();
    assert_eq!(open(&disk).stats().findings, []);
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
    let config = JournalConfig { seal_bytes: 12_000, ..UNSYNCED };
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
        // Or only after all were appended, if it comes to that at all.
        let is_over = |_| {
            std::thread::yield_now();
            store.stats().unhealthy.is_some()
        };
        let _ = (0..20_000).any(is_over);
        let disk = disk.after_kill();
        std::mem::forget(store);
        for file in ["journal-0", "journal-1"].map(|file| dir.path().join(file)) {
            if let Ok(mut bytes) = fs::read(&file) {
                // The other one may not be finished.
                if let Some(byte) = bytes.get_mut(flip_at) {
                    *byte ^= 4;
                    fs::write(file, bytes).unwrap();
                }
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
    assert!(losses > 10, "the damage hits what counts: {losses}");
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
        let findings = store.stats().findings;
        assert!(matches!(findings[..], [Finding::Journal { .. }, Finding::RolledBack { .. }]), "{findings:?}");
        assert!(matches!(store.load(&name("a")), Err(StoreError::MayBeLost { .. })));
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

#[test]
fn a_store_of_a_newer_build_is_not_called_damaged() {
    for key in [keys::JOURNAL, keys::FINDINGS] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let open = || EngineStore::open(Journaled::open(disk.clone(), dir.path(), UNSYNCED)?, None);
        drop(open().unwrap());
        let mut sealed = value::encode_journal(key, 0);
        sealed[0] += 1;
        let checksum = crc32fast::hash(&[&sealed[..1], key, &sealed[5..]].concat());
        sealed[1..5].copy_from_slice(&checksum.to_le_bytes());
        let mut batch = Batch::default();
        batch.put(key.to_vec(), sealed);
        disk.commit(batch).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 3, supported: 2, .. }), "{error}");
    }
}
