//! A state vector: per client, the clock after the last struct that a document or a peer has.

use crate::{ClientId, MAX_CLOCK, Malformed, Reader, StateVectorV1, Writer};

/// Reads a state vector whole. A client that is named twice counts with the later entry, as in yjs and yrs.
///
/// What is returned takes at most eight times the input's size.
pub fn check_state_vector(vector: &StateVectorV1) -> Result<Vec<(ClientId, u32)>, Malformed> {
    let mut reader = Reader::new(&vector.0);
    let count = reader.read_var_uint()?;
    if count > reader.remaining() / 2 {
        return Err(Malformed::CountBeyondInput);
    }
    let mut clocks = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let client = reader.read_var_uint()?;
        let clock = reader.read_var_uint()?;
        if clock > u64::from(MAX_CLOCK) {
            return Err(Malformed::ClockTooLarge);
        }
        clocks.push((client, clock as u32));
    }
    if !reader.is_empty() {
        return Err(crate::DecodeError::TrailingBytes.into());
    }
    Ok(clocks)
}

/// Writes a state vector in the order given.
pub fn encode_state_vector(clocks: &[(ClientId, u32)]) -> StateVectorV1 {
    let mut writer = Writer::with_capacity(1 + clocks.len() * 10);
    writer.write_var_uint(clocks.len() as u64);
    for &(client, clock) in clocks {
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
