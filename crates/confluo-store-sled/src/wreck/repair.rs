//! Finding the one bit of a message that was flipped.
//!
//! A CRC tells it: what one flipped bit changes in the checksum depends only on how far from the end the bit is, and is another
//! for each place. More damage may look like one flipped bit elsewhere, once in some thousand long messages: that shows in
//! the checksums of the values.

/// CRC-32, as sled computes it, bits in the order in which they come.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// Which bit was flipped, counted back from the last of so many, if one is all that makes the two checksums differ.
pub(super) fn find_flipped_bit(found: u32, expected: u32, bits: usize) -> Option<usize> {
    let difference = found ^ expected;
    let mut change = POLYNOMIAL;
    for bit in 0..bits {
        if change == difference {
            return Some(bit);
        }
        change = (change >> 1) ^ if change & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_is_found() {
        let sound: Vec<u8> = (0..=255).collect();
        let expected = crc32fast::hash(&sound);
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[255 - bit / 8] ^= 0x80 >> (bit % 8);
            assert_eq!(find_flipped_bit(crc32fast::hash(&flipped), expected, sound.len() * 8), Some(bit));
            flipped[(bit / 8) ^ 128] ^= 0x11;
            assert_eq!(find_flipped_bit(crc32fast::hash(&flipped), expected, sound.len() * 8), None);
        }
    }
}
