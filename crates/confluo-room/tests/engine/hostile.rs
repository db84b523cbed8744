//! SY12, SY15: no accepted update makes a document unreadable or replicas differ. The long run is an example of
//! `confluo-testkit`; `tests/hostile` lets the JavaScript reference read what was accepted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confluo_testkit::hostile::{Seeds, run};

#[test]
fn sy12_sy15_mutants_among_honest_updates_harm_nobody() {
    let seeds = Seeds::read();
    let (mut mutants, mut refused) = (0, 0);
    for seed in 0..400 {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&seeds, seed)));
        let outcome = outcome.unwrap_or_else(|_| panic!("replay with seed {seed}"));
        mutants += outcome.mutants;
        refused += outcome.refused;
    }
    assert!(refused < mutants * 9 / 10, "too few get past the check to mean anything: {refused} of {mutants} refused");
}
