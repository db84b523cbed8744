//! Hostile updates by the hundred thousand: `cargo run --release -p confluo-testkit --example hostile -- 100000`.
//!
//! The arguments: how many mutated updates to send, and the seed to begin with (0). Of each run a line of JSON is printed, with
//! what a reader was sent, what is stored and what the document holds: `tests/hostile` compares it with what the
//! JavaScript reference makes of the same bytes. One run in eight is on sled, one in eight on redb, the others in memory.

use std::{
    io::{BufWriter, Write, stdout},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use confluo_store::DocumentStore;
use confluo_store_redb::RedbConfig;
use confluo_store_sled::SledConfig;
use confluo_testkit::{
    content::document_of,
    hostile::{Outcome, Seeds, run, run_on_store},
    mixed::describe_mixed_updates,
};
use serde_json::{Value, json};
use yrs::{ReadTxn, StateVector, Transact};

/// Seeds whose failure is known and explained in `SECURITY.md`: counted, and no reason to fail.
const KNOWN_REMAINS: [u64; 1] = [325_737];

#[allow(clippy::print_stderr, reason = "a program for a terminal")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let wanted: usize = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(100_000);
    let first: u64 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let seeds = Seeds::read();
    let folder = tempfile::tempdir()?;
    let on_sled: Arc<dyn DocumentStore> =
        Arc::new(confluo_store_sled::open(SledConfig::new(folder.path().join("sled")))?);
    let on_redb: Arc<dyn DocumentStore> =
        Arc::new(confluo_store_redb::open(RedbConfig::new(folder.path().join("redb")))?);
    let mut out = BufWriter::new(stdout().lock());
    let (mut mutants, mut refused, mut broke, mut failed, mut known, mut on_stores) = (0, 0, 0, 0, 0, 0);
    let mut seed = first;
    while mutants < wanted {
        let this = seed;
        seed += 1;
        let store = match this % 8 {
            3 => Some(&on_sled),
            7 => Some(&on_redb),
            _ => None,
        };
        on_stores += u64::from(store.is_some());
        let outcome = catch_unwind(AssertUnwindSafe(|| match store {
            Some(store) => run_on_store(&seeds, this, Arc::clone(store)),
            None => run(&seeds, this),
        }));
        let Ok(outcome) = outcome else {
            if KNOWN_REMAINS.contains(&this) {
                known += 1;
            } else {
                failed += 1;
                eprintln!("seed {this} failed");
            }
            continue;
        };
        mutants += outcome.mutants;
        refused += outcome.refused;
        broke += outcome.broke;
        writeln!(out, "{}", describe(this, &outcome))?;
    }
    out.flush()?;
    let runs = seed - first;
    eprintln!(
        "{mutants} mutants in {runs} runs, {on_stores} of them on a store: {refused} refused, {broke} documents reloaded"
    );
    eprintln!("{failed} runs failed, and {known} known to fail (see SECURITY.md)");
    // `exit` runs no destructor.
    drop((on_sled, on_redb, folder));
    std::process::exit(i32::from(failed > 0));
}

fn describe(seed: u64, outcome: &Outcome) -> Value {
    let document = document_of(std::slice::from_ref(&outcome.state));
    let v2 = document.transact().encode_state_as_update_v2(&StateVector::default());
    json!({
        "seed": seed,
        "broadcasts": outcome.broadcasts.iter().map(|update| hex(&update.0)).collect::<Vec<_>>(),
        "stored": outcome.stored.iter().map(|update| hex(&update.0)).collect::<Vec<_>>(),
        "v1": hex(&outcome.state.0),
        "v2": hex(&v2),
        "holds": describe_mixed_updates(&outcome.stored),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
