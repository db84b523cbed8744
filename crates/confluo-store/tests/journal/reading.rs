//! It reads like the engine alone.

use std::{ops::ControlFlow, sync::atomic::Ordering};

use confluo_store::{
    DocumentStore, Engine, EngineStore, Journaled,
    contract::{append, expected, name},
    journal,
};

use crate::disk::{Disk, Pairs, Random, UNSYNCED, apply, pairs};

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
fn a_journal_is_left_where_nobody_closed_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!journal::was_left(dir.path()));
    let disk = Disk::default();
    let journaled = Journaled::open(disk.clone(), dir.path(), UNSYNCED).unwrap();
    journaled.commit(Random(3).batch(10).0).unwrap();
    assert!(journal::was_left(dir.path()), "this process may be killed");
    drop(journaled);
    assert!(!journal::was_left(dir.path()));
}
