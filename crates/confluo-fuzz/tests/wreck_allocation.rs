//! What a salvage takes of memory: a multiple of the file, however it is laid out.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use confluo_fuzz::{TARGETS, mutation::mutate, wreck};
use confluo_store::{StoreError, WreckStore, keys};
use rand::{SeedableRng, rngs::StdRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// For each byte of the file.
const MULTIPLE: usize = 64;
/// And however short it is.
const BASE_BYTES: usize = 4_000;
/// A busy machine may not let a thread look while another one works for some microseconds. So the work is done again.
const MOST_ATTEMPTS: u32 = 100_000;

type Open = fn(&Path) -> Result<WreckStore, StoreError>;
const ENGINES: [(&str, &str, Open); 2] =
    [("sled_log", "db", confluo_store_sled::open_wreck), ("redb_file", "confluo.redb", confluo_store_redb::open_wreck)];

/// One test, so that no other one allocates meanwhile.
#[test]
fn what_a_salvage_takes_of_memory_is_a_multiple_of_the_file() {
    for (name, file, open_wreck) in ENGINES {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
        let seeds = (target.seeds)();
        let mut rng = StdRng::seed_from_u64(4);
        let mutants = (0..300).map(|_| mutate(&mut rng, &seeds)).collect::<Vec<_>>();
        for bytes in seeds.iter().chain(&mutants) {
            check(bytes, file, open_wreck);
        }
    }
    check(&many_keys_of_sled(), "db", confluo_store_sled::open_wreck);
    check(&many_names_of_sled(), "db", confluo_store_sled::open_wreck);
}

fn check(bytes: &[u8], file: &str, open_wreck: Open) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join(file), bytes).expect("a file");
    let (region, looks, is_over) = (Region::new(GLOBAL), AtomicU64::new(0), AtomicBool::new(false));
    let taken = || {
        let change = region.change();
        change.bytes_allocated.saturating_sub(change.bytes_deallocated)
    };
    let salvage_while_somebody_looks = || {
        let before = looks.load(Ordering::SeqCst);
        let wreck = open_wreck(dir.path());
        // The first of two may have begun before.
        let is_seen = looks.load(Ordering::SeqCst) >= before + 2;
        drop(wreck);
        if !is_seen {
            thread::yield_now();
        }
        is_seen
    };
    let (most, is_seen) = thread::scope(|scope| {
        // Looks all the time: what is there only for some microseconds may be missed.
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::SeqCst) {
                most = most.max(taken());
                looks.fetch_add(1, Ordering::SeqCst);
            }
            most
        });
        let is_seen = (0..MOST_ATTEMPTS).any(|_| salvage_while_somebody_looks());
        is_over.store(true, Ordering::SeqCst);
        (watch.join().expect("it only looks"), is_seen)
    });
    assert!(is_seen, "{file}: nobody looked while it was read");
    assert!(most <= MULTIPLE * bytes.len() + BASE_BYTES, "{file}: of {} bytes {most} are taken", bytes.len());
}

/// A page with as many keys of a document as there is room for, each with as little as a value may be.
fn many_keys_of_sled() -> Vec<u8> {
    let key = keys::chunk(&keys::record(keys::DocumentNumber(1), confluo_protocol::Seq(1)), 0);
    page_of_sled(&key[..key.len() - 2])
}

/// The same with names of documents, which are longer.
fn many_names_of_sled() -> Vec<u8> {
    page_of_sled(&keys::catalogue(&"n".repeat(200)))
}

fn page_of_sled(prefix: &[u8]) -> Vec<u8> {
    const PAIRS: u16 = 16_000;
    let mut node = [&[8, 1, 0, 0, 0, prefix.len() as u8, prefix.len() as u8], prefix, &[0, 0, 250]].concat();
    node.extend_from_slice(&u32::from(PAIRS).to_le_bytes()[..3]);
    for pair in 0..PAIRS {
        // Letters, as in names.
        node.extend_from_slice(&[2, (pair >> 7) as u8 & 0x7f, pair as u8 & 0x7f]);
    }
    for _ in 0..PAIRS {
        node.extend_from_slice(&[5, 1, 2, 3, 4, 5]);
    }
    wreck::log_of([&node[..]].into_iter())
}
