//! Any bytes at all: nothing panics, nothing that is accepted surprises yrs, and nothing much is allocated. More rounds:
//! `cargo xtask fuzz 1000000`.

use std::collections::HashMap;

use bytes::Bytes;
use confluo_fuzz::{TARGETS, mutation::mutate, protocol, seeds};
use confluo_protocol::{Message, UpdateLimits, UpdateV1, check_update};
use rand::{Rng, SeedableRng, rngs::StdRng};

const USUAL_ROUNDS: u64 = 100_000;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice, and no configuration")]
fn rounds() -> u64 {
    std::env::var("CONFLUO_FUZZ_ROUNDS")
        .map_or(USUAL_ROUNDS, |rounds| rounds.parse().expect("CONFLUO_FUZZ_ROUNDS is a number"))
}

/// Runs `target` and names the bytes if it panics.
fn run<T>(round: u64, bytes: &[u8], target: impl FnOnce(&[u8]) -> T) -> T {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(bytes)));
    outcome.unwrap_or_else(|_| panic!("round {round}: {}", hex(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// A target's seeds as they are, then mutants of them.
fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = (target.seeds)();
    for (seed, place) in seeds.iter().zip(0..) {
        run(place, seed, target.run);
    }
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..target.bounded_rounds * rounds() / USUAL_ROUNDS {
        run(round, &mutate(&mut rng, &seeds), target.run);
    }
}

#[test]
fn sy12_mutated_updates_are_refused_or_harmless() {
    let seeds = seeds::histories().concat();
    let mut rng = StdRng::seed_from_u64(1);
    let mut accepted = 0;
    for round in 0..rounds() {
        let bytes = mutate(&mut rng, &seeds);
        accepted += u64::from(run(round, &bytes, protocol::update));
    }
    assert!(accepted > rounds() / 50, "too few mutants get past the check to mean anything: {accepted}");
}

/// A client's history, with a mutant here and there, through one document.
#[test]
fn sy12_mutants_among_honest_updates_never_leave_a_document_waiting() {
    let histories = seeds::histories();
    let seeds = histories.concat();
    let mut rng = StdRng::seed_from_u64(2);
    for round in 0..rounds() / 200 {
        let document = protocol::new_document();
        let mut clocks = HashMap::new();
        for update in &histories[rng.random_range(0..histories.len())] {
            let sources = if rng.random() { std::slice::from_ref(update) } else { &seeds };
            let mutant = mutate(&mut rng, sources);
            let bytes = if rng.random_ratio(1, 3) { &mutant } else { update };
            let Ok(checked) = check_update(UpdateV1(Bytes::copy_from_slice(bytes)), &UpdateLimits::default()) else {
                continue;
            };
            if run(round, bytes, |_| protocol::take(&document, &checked, &mut clocks)) == protocol::Taken::Refused {
                break;
            }
        }
    }
}

#[test]
fn fr5_aw9_sy1_mutated_messages_are_refused_or_round_trip() {
    for name in ["message", "awareness", "state_vector"] {
        check(name);
    }
    // The payloads of mutated messages too.
    let seeds = protocol::message_seeds();
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..rounds() {
        let bytes = Bytes::from(mutate(&mut rng, &seeds));
        for message in Message::read_all(&bytes).into_iter().flatten() {
            if let Message::Awareness(payload) = message {
                run(round, &payload, protocol::awareness);
            }
        }
    }
}

#[test]
fn a_mutated_path_is_refused_or_names_one_document() {
    check("name");
}

#[test]
fn mutated_frames_are_read_alike_however_they_are_cut() {
    check("frames");
}

#[test]
fn a_mutated_head_is_no_handshake_or_one_by_the_letter() {
    check("handshake");
}

#[test]
fn a_mutated_token_is_nobodys() {
    check("token");
}

#[test]
fn a_mutated_key_set_or_book_of_revocations_is_read_or_refused() {
    check("key_set");
}

#[test]
fn mutated_headers_show_no_token_and_no_foreign_address() {
    check("headers");
}

#[test]
fn a_mutated_value_is_read_or_named_as_damaged() {
    check("stored");
}

#[test]
fn a_mutated_journal_opens_or_says_why_not() {
    check("journal");
}

#[test]
fn what_is_left_of_a_mutated_file_of_an_engine_is_salvaged_or_refused() {
    for name in ["sled_log", "redb_file"] {
        check(name);
    }
}
