//! The masking of RFC 6455, section 5.3.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// XORs `bytes` with `key`, where `bytes[0]` is the byte at `offset` of the payload. Masking and unmasking are the same.
pub(crate) fn apply_mask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let mut rotated = key;
    rotated.rotate_left(offset % 4);
    let half = u64::from(u32::from_ne_bytes(rotated));
    let word = half | half << 32;
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (index, byte) in tail.iter_mut().enumerate() {
        *byte ^= rotated[index % 4];
    }
}

/// A key for one frame of a client. Masks exist so that a script cannot choose the bytes on the wire (RFC 6455,
/// section 10.3); the keyed hasher that guards hash maps is unpredictable enough for a client without scripts.
pub(crate) fn random_key() -> [u8; 4] {
    (RandomState::new().build_hasher().finish() as u32).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_offset_equals_the_definition() {
        let key = [0x11, 0x22, 0x33, 0x44];
        for length in 0..40_usize {
            for offset in 0..9 {
                let plain: Vec<u8> = (0..length).map(|index| index as u8).collect();
                let mut masked = plain.clone();
                apply_mask(&mut masked, key, offset);
                for (index, byte) in masked.iter().enumerate() {
                    assert_eq!(*byte, plain[index] ^ key[(index + offset) % 4], "length {length}, offset {offset}");
                }
            }
        }
    }
}
