//! The lib0 encoding: LEB128 unsigned integers of at most 53 bits, and length-prefixed strings and byte arrays.

use bytes::Bytes;

/// The largest integer that JavaScript, and so every stock client, holds exactly: 2⁵³ − 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Why some bytes are not what the protocol says. The peer's fault; the session closes with [`crate::CloseCode::Malformed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended before the value did.
    #[error("the input ends in the middle of a value")]
    UnexpectedEnd,
    /// A varint of more than 53 bits.
    #[error("an integer is larger than 2^53 - 1")]
    IntegerTooLarge,
    /// A varString that is not UTF-8.
    #[error("a string is not valid UTF-8")]
    InvalidUtf8,
    /// A string that should be JSON and is not, or is nested too deeply.
    #[error("an embedded value is not valid JSON")]
    InvalidJson,
    /// A kind byte that this protocol does not know, where unknown kinds cannot be skipped.
    #[error("unknown {what} kind {kind}")]
    UnknownKind {
        /// What the kind is a kind of.
        what: &'static str,
        /// The number that was read.
        kind: u64,
    },
    /// Bytes remain after the last value.
    #[error("bytes are left over after the last value")]
    TrailingBytes,
    /// More entries than this kind of message may hold.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

/// A cursor over shared bytes; slices that it returns share the input's allocation.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: &'a Bytes,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { rest: bytes, whole: bytes }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number of bytes not yet read.
    pub fn remaining(&self) -> u64 {
        self.rest.len() as u64
    }

    /// The number of bytes read so far.
    pub fn position(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// One byte.
    pub fn read_u8(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(first)
    }

    /// A varUint of at most 53 bits.
    pub fn read_var_uint(&mut self) -> Result<u64, DecodeError> {
        // Almost every integer on this wire fits one byte.
        if let Some((&first, rest)) = self.rest.split_first()
            && first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        let mut value = 0_u64;
        let mut shift = 0_u32;
        loop {
            let byte = self.read_u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if value > MAX_SAFE_INTEGER {
                return Err(DecodeError::IntegerTooLarge);
            }
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift > 49 {
                return Err(DecodeError::IntegerTooLarge);
            }
        }
    }

    /// The next `length` bytes, borrowed.
    pub fn read_slice(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| DecodeError::UnexpectedEnd)?;
        if length > self.rest.len() {
            return Err(DecodeError::UnexpectedEnd);
        }
        let (slice, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(slice)
    }

    /// A varUint8Array, sharing the input's allocation.
    pub fn read_var_bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.read_var_uint()?;
        let slice = self.read_slice(length)?;
        Ok(self.whole.slice_ref(slice))
    }

    /// A varString's bytes, not yet checked for UTF-8.
    pub fn read_var_string_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.read_var_uint()?;
        self.read_slice(length)
    }

    /// A varString.
    pub fn read_var_str(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.read_var_string_bytes()?).map_err(|_| DecodeError::InvalidUtf8)
    }
}

/// Appends lib0 values to a byte vector.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// A varUint.
    pub fn write_var_uint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Bytes as they are.
    pub fn write_raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A varUint8Array, or a varString of `bytes` that are UTF-8.
    pub fn write_var_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.write_var_uint(bytes.len() as u64);
        self.write_raw(bytes)
    }

    /// The number of bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// The number of bytes that `value` takes as a varUint.
pub fn var_uint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_and_know_their_length() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), MAX_SAFE_INTEGER] {
            let mut writer = Writer::default();
            writer.write_var_uint(value);
            assert_eq!(writer.len(), var_uint_len(value), "{value}");
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.read_var_uint(), Ok(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn integers_over_53_bits_and_unterminated_ones_are_refused() {
        let check = |bytes: &[u8], error| {
            let bytes = Bytes::copy_from_slice(bytes);
            assert_eq!(Reader::new(&bytes).read_var_uint(), Err(error), "{bytes:?}");
        };
        check(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], DecodeError::IntegerTooLarge);
        check(&[0xff; 12], DecodeError::IntegerTooLarge);
        check(&[0x80], DecodeError::UnexpectedEnd);
        check(&[], DecodeError::UnexpectedEnd);
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_without_allocating() {
        let bytes = Bytes::from_static(&[0xff, 0xff, 0xff, 0x7f, 1, 2]);
        assert_eq!(Reader::new(&bytes).read_var_bytes(), Err(DecodeError::UnexpectedEnd));
    }
}
