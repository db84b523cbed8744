//! A state vector: per client, the clock after the last struct that a document or a peer has.

use crate::{ClientId, DecodeError, MAX_CLOCK, Malformed, Reader, StateVectorV1, Writer};

/// Reads a state vector whole. A client that is named twice counts with the later entry, as in yjs and yrs.
///
/// What is returned takes at most eight times the input's size.
pub fn check_state_vector(vector: &StateVectorV1) -> Result<Vec<(ClientId, u32)>, Malformed> {
    let entries = StateVectorReader::new(vector)?;
    let mut clocks = Vec::with_capacity(entries.left as usize);
    for entry in entries {
        clocks.push(entry?);
    }
    Ok(clocks)
}

/// Iterates over the entries of a state vector without keeping them. An error is the last, and be it that something follows
/// the entries.
#[derive(Debug, Clone)]
pub struct StateVectorReader<'a> {
    /// None after an error.
    reader: Option<Reader<'a>>,
    left: u64,
}

impl<'a> StateVectorReader<'a> {
    /// Reads the number of entries. An entry takes at least two bytes, so a count beyond the input is refused here.
    pub fn new(vector: &'a StateVectorV1) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&vector.0);
        let left = reader.read_var_uint()?;
        if left > reader.remaining() / 2 {
            return Err(Malformed::CountBeyondInput);
        }
        Ok(Self { reader: Some(reader), left })
    }
}

impl Iterator for StateVectorReader<'_> {
    type Item = Result<(ClientId, u32), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let entry = if self.left > 0 {
            self.left -= 1;
            read_entry(reader)
        } else if reader.is_empty() {
            return None;
        } else {
            Err(DecodeError::TrailingBytes.into())
        };
        if entry.is_err() {
            self.reader = None;
        }
        Some(entry)
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<(ClientId, u32), Malformed> {
    let client = reader.read_var_uint()?;
    let clock = reader.read_var_uint()?;
    if clock > u64::from(MAX_CLOCK) {
        return Err(Malformed::ClockTooLarge);
    }
    Ok((client, clock as u32))
}

/// Writes a state vector in the order given.
pub fn encode_state_vector(clocks: &[(ClientId, u32)]) -> StateVectorV1 {
    encode_clocks(clocks.iter().copied())
}

/// The same for clocks that do not lie side by side.
pub fn encode_clocks(clocks: impl ExactSizeIterator<Item = (ClientId, u32)>) -> StateVectorV1 {
    let mut writer = Writer::with_capacity(2 + clocks.len() * 8);
    writer.write_var_uint(clocks.len() as u64);
    for (client, clock) in clocks {
        writer.write_var_uint(client).write_var_uint(u64::from(clock));
    }
    StateVectorV1(writer.finish())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::DecodeError;

    #[test]
    fn sy1_state_vectors_round_trip() {
        for clocks in [vec![], vec![(0, 0)], vec![((1 << 53) - 1, MAX_CLOCK), (7, 300), (1, 1)]] {
            assert_eq!(check_state_vector(&encode_state_vector(&clocks)), Ok(clocks));
        }
    }

    #[test]
    fn sy1_malformed_state_vectors_are_refused() {
        let check = |bytes: &'static [u8], error| {
            assert_eq!(check_state_vector(&StateVectorV1(Bytes::from_static(bytes))), Err(error), "{bytes:?}");
        };
        check(&[], DecodeError::UnexpectedEnd.into());
        check(&[1, 5], Malformed::CountBeyondInput);
        check(&[0xff, 0xff, 0xff, 0x7f, 1, 1], Malformed::CountBeyondInput);
        check(&[1, 5, 0x80], DecodeError::UnexpectedEnd.into());
        check(&[1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f], Malformed::ClockTooLarge);
        check(&[0, 0], DecodeError::TrailingBytes.into());
    }
}
