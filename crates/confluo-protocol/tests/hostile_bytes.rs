//! Any bytes at all: nothing panics, and nothing that is accepted surprises yrs. More rounds:
//! `cargo xtask fuzz 1000000`.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::collections::HashMap;

use bytes::Bytes;
use confluo_protocol::{Message, UpdateLimits, UpdateV1, check_update};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The histories that the JavaScript reference made.
fn histories() -> Vec<Vec<Vec<u8>>> {
    let file: serde_json::Value = serde_json::from_str(include_str!("../fuzz/seeds/histories.json")).expect("JSON");
    let histories = file["histories"].as_object().expect("an object");
    let updates = histories.values().map(|updates| updates.as_array().expect("an array"));
    updates.map(|updates| updates.iter().map(|update| from_hex(update.as_str().expect("hex"))).collect()).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice, and no configuration")]
fn rounds() -> u64 {
    std::env::var("CONFLUO_FUZZ_ROUNDS")
        .map_or(100_000, |rounds| rounds.parse().expect("CONFLUO_FUZZ_ROUNDS is a number"))
}

/// One to four changes: a bit, a byte, an interesting byte, a piece doubled, removed or taken from another seed.
fn mutate(rng: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = rng.random_range(0..bytes.len());
        let piece = at..(at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..8) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes[at] = [0, 1, 2, 10, 0x7f, 0x80, 0xff][rng.random_range(0..7)],
            3 => bytes[at] = bytes[at].wrapping_add(1),
            4 => drop(bytes.drain(piece)),
            5 => {
                let copy = bytes[piece].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.truncate(at),
            _ => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len());
                let copy = other[from..(from + 8).min(other.len())].to_vec();
                bytes.splice(piece, copy);
            }
        }
    }
    bytes
}

/// Runs `target` and names the bytes if it panics.
fn run<T>(round: u64, bytes: &[u8], target: impl FnOnce(&[u8]) -> T) -> T {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(bytes)));
    outcome.unwrap_or_else(|_| panic!("round {round}: {}", hex(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn sy12_mutated_updates_are_refused_or_harmless() {
    let seeds: Vec<_> = histories().concat();
    let mut rng = StdRng::seed_from_u64(1);
    let mut accepted = 0;
    for round in 0..rounds() {
        let bytes = mutate(&mut rng, &seeds);
        accepted += u64::from(run(round, &bytes, targets::update));
    }
    assert!(accepted > rounds() / 50, "too few mutants get past the check to mean anything: {accepted}");
}

/// A client's history, with a mutant here and there, through one document.
#[test]
fn sy12_mutants_among_honest_updates_never_leave_a_document_waiting() {
    let histories = histories();
    let seeds = histories.concat();
    let mut rng = StdRng::seed_from_u64(2);
    for round in 0..rounds() / 200 {
        let document = targets::new_document();
        let mut clocks = HashMap::new();
        for update in &histories[rng.random_range(0..histories.len())] {
            let sources = if rng.random() { std::slice::from_ref(update) } else { &seeds };
            let mutant = mutate(&mut rng, sources);
            let bytes = if rng.random_ratio(1, 3) { &mutant } else { update };
            let Ok(checked) = check_update(UpdateV1(Bytes::copy_from_slice(bytes)), &UpdateLimits::default()) else {
                continue;
            };
            if run(round, bytes, |_| targets::take(&document, &checked, &mut clocks)) == targets::Taken::Refused {
                break;
            }
        }
    }
}

#[test]
fn fr5_aw9_sy1_mutated_messages_are_refused_or_round_trip() {
    let seeds: Vec<_> = targets::message_seeds();
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..rounds() {
        let bytes = mutate(&mut rng, &seeds);
        run(round, &bytes, targets::message);
        run(round, &bytes, targets::awareness);
        run(round, &bytes, targets::state_vector);
        if let Ok(messages) = Message::read_all(&Bytes::copy_from_slice(&bytes)) {
            for message in messages {
                if let Message::Awareness(payload) = message {
                    run(round, &payload, targets::awareness);
                }
            }
        }
    }
}
