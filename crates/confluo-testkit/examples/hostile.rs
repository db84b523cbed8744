//! Hostile updates by the hundred thousand: `cargo run --release -p confluo-testkit --example hostile -- 100000`.
//!
//! The first argument is how many mutated updates to send, the second (optional) a file for the full state of each
//! document, one per line in hexadecimal, in V1 and V2: `tests/hostile` lets the JavaScript reference read them. The
//! third (optional) is the seed to begin with.

use std::{
    collections::HashSet,
    io::{BufWriter, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use confluo_testkit::{
    content::document_of,
    hostile::{Seeds, run},
};
use yrs::{ReadTxn, StateVector, Transact};

/// Seeds whose failure is known and explained in `SECURITY.md`: counted, and no reason to fail.
const KNOWN_REMAINS: [u64; 1] = [325_737];

#[allow(clippy::print_stdout, reason = "a program for a terminal")]
fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let wanted: usize = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(100_000);
    let mut dump = arguments.next().map(std::fs::File::create).transpose()?.map(BufWriter::new);
    let first: u64 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let seeds = Seeds::read();
    let (mut mutants, mut refused, mut broke, mut failed, mut known) = (0, 0, 0, 0, 0);
    let mut dumped = HashSet::new();
    let mut seed = first;
    while mutants < wanted {
        let this = seed;
        seed += 1;
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(&seeds, this))) else {
            if KNOWN_REMAINS.contains(&this) {
                known += 1;
            } else {
                failed += 1;
                println!("seed {this} failed");
            }
            continue;
        };
        mutants += outcome.mutants;
        refused += outcome.refused;
        broke += outcome.broke;
        if let Some(dump) = &mut dump
            && dumped.insert(outcome.state.clone())
        {
            let document = document_of(std::slice::from_ref(&outcome.state));
            let v2 = document.transact().encode_state_as_update_v2(&StateVector::default());
            writeln!(dump, "{this} {} {}", hex(&outcome.state.0), hex(&v2))?;
        }
    }
    // `exit` runs no destructor, so it would cut the last line short.
    dump.map_or(Ok(()), |mut dump| dump.flush())?;
    let runs = seed - first;
    println!("{mutants} mutants in {runs} runs: {refused} refused, {broke} documents reloaded");
    println!("{failed} runs failed, and {known} known to fail (see SECURITY.md)");
    std::process::exit(i32::from(failed > 0));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
