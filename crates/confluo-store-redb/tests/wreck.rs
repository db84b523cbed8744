//! What comes back out of a main file that is damaged, whether or not redb still opens it.

use std::{path::Path, sync::Arc};

use confluo_store::{
    DocumentStore, StoreError,
    contract::wreck::{self, Salvaged},
};
use confluo_store_redb::{RedbConfig, open, open_wreck};

fn open_store(dir: &Path) -> Result<Arc<dyn DocumentStore>, StoreError> {
    Ok(Arc::new(open(RedbConfig::new(dir))?))
}

#[test]
fn what_was_not_hit_is_salvaged() {
    check(&wreck::run_trials(open_store, open_wreck, "confluo.redb", 0..30));
}

#[test]
fn what_was_not_hit_of_a_killed_process_is_salvaged() {
    check(&wreck::run_trials_of_killed(open_store, open_wreck, "confluo.redb", 0..30));
}

#[test]
fn what_is_not_in_a_block_that_is_lost_is_salvaged() {
    for salvaged in wreck::run_trials_with_blocks(open_store, open_wreck, "confluo.redb", 0..30) {
        // A block may hold what is newest of many documents.
        assert!(salvaged.whole >= 20 && salvaged.whole + salvaged.partly == 40, "{salvaged:?}");
    }
}

#[test]
fn a_flipped_bit_costs_two_documents_at_most_wherever_it_is() {
    let hits = wreck::flip_everywhere(open_store, open_wreck, "confluo.redb", 37);
    assert!(hits.len() > 100, "{}", hits.len());
    // A page may hold what is newest of two.
    assert!(hits.iter().all(|(_, hit)| *hit <= 2), "{hits:?}");
}

#[test]
fn what_lies_in_several_parts_is_salvaged() {
    wreck::salvage_large(open_store, open_wreck, "confluo.redb");
}

#[test]
fn bytes_of_any_kind_can_be_read() {
    wreck::read_anything(open_store, open_wreck, "confluo.redb");
}

/// All 40 documents, whichever bit is flipped.
fn check(trials: &[Salvaged]) {
    let (cut, flipped): (Vec<_>, Vec<_>) = trials.iter().partition(|salvaged| salvaged.damage.starts_with("cut"));
    for salvaged in flipped {
        assert!(salvaged.whole >= 39 && salvaged.whole + salvaged.partly == 40, "{salvaged:?}");
    }
    // What lies behind the cut is gone with all that was older than it and was put there.
    assert!(cut.iter().any(|salvaged| salvaged.whole + salvaged.partly > 20), "{cut:?}");
    assert!(trials.iter().any(|salvaged| !salvaged.opens), "the trials hit nothing of confluo.redb");
}
