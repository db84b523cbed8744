//! How an honest update is bent: bits, lengths, pieces of others, somebody else's ids.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// Real updates, made by the JavaScript reference.
pub struct Seeds {
    /// One document each: its updates in order.
    pub histories: Vec<Vec<Vec<u8>>>,
    /// Every update.
    pub all: Vec<Vec<u8>>,
}

impl Seeds {
    /// Reads the histories that `make-histories.mjs` of `confluo-fuzz` wrote.
    pub fn read() -> Self {
        let text = include_str!("../../../confluo-fuzz/seeds/histories.json");
        let file: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let histories: Vec<Vec<Vec<u8>>> = file["histories"]
            .as_object()
            .expect("an object")
            .values()
            .map(|updates| updates.as_array().expect("an array").iter().map(from_hex).collect())
            .collect();
        let all = histories.concat();
        Self { histories, all }
    }
}

fn from_hex(value: &serde_json::Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// One to three changes to one of `near`, with pieces from `others`.
pub fn mutate(rng: &mut StdRng, near: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = near.choose(rng).expect("seeds").clone();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let piece = at..(at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..10) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = [0, 1, 2, 3, 7, 10, 0x7f, 0x80, 0x84, 0xc4, 0xff][rng.random_range(0..11)],
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => bytes[at] = bytes[at].wrapping_sub(1),
            4 => drop(bytes.drain(piece)),
            5 => {
                let copy = bytes[piece].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.truncate(at),
            7 => {
                let other = others.choose(rng).expect("seeds");
                let from = rng.random_range(0..other.len());
                let copy = other[from..(from + rng.random_range(1..24)).min(other.len())].to_vec();
                bytes.splice(piece, copy);
            }
            8 => swap_ids(rng, &mut bytes, others),
            _ => replace_integer(rng, &mut bytes, at),
        }
    }
    if rng.random_ratio(1, 20) {
        bytes.extend(others.choose(rng).expect("seeds"));
    }
    bytes
}

/// Where the first client id of an update stands: behind the two counts, of which seeds have small ones.
fn first_id(bytes: &[u8]) -> std::ops::Range<usize> {
    let from = 2.min(bytes.len());
    let end = bytes[from..].iter().position(|byte| *byte < 0x80).map_or(bytes.len(), |length| from + length + 1);
    from..end
}

/// Everywhere one client's id becomes another's.
fn swap_ids(rng: &mut StdRng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let other = others.choose(rng).expect("seeds");
    let (mine, theirs) = (bytes[first_id(bytes)].to_vec(), other[first_id(other)].to_vec());
    if mine.is_empty() {
        return;
    }
    let mut swapped = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(&mine[..]) {
            swapped.extend(&theirs);
            rest = after;
        } else {
            swapped.push(first);
            rest = tail;
        }
    }
    *bytes = swapped;
}

/// A variable-length integer becomes one at the edge of some range.
fn replace_integer(rng: &mut StdRng, bytes: &mut Vec<u8>, at: usize) {
    let end = bytes[at..].iter().position(|byte| *byte < 0x80).map_or(bytes.len(), |length| at + length + 1);
    let edge = [0, 1, 63, 64, 127, 128, 1 << 14, 1 << 30, 1 << 31, 1 << 32, (1 << 53) - 1][rng.random_range(0..11)];
    let mut value = u64::saturating_sub(edge, rng.random_range(0..2));
    let mut encoded = Vec::new();
    while value >= 0x80 {
        encoded.push(value as u8 | 0x80);
        value >>= 7;
    }
    encoded.push(value as u8);
    bytes.splice(at..end, encoded);
}
