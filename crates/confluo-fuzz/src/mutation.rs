//! Bytes that are nearly right.

use rand::{Rng, rngs::StdRng};

/// One to four changes to one of `seeds`: a bit, a byte, an interesting byte, a piece doubled, removed or taken from another.
pub fn mutate(rng: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
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
                let from = rng.random_range(0..=other.len());
                let copy = other[from..(from + 8).min(other.len())].to_vec();
                bytes.splice(piece, copy);
            }
        }
    }
    bytes
}
