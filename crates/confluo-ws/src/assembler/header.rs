//! One frame header (RFC 6455, section 5.2), checked as early as its bytes allow.

use crate::error::ProtocolError;
use crate::frame::{MAX_CONTROL_BYTES, Opcode};
use crate::socket::Role;

pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) is_final: bool,
    pub(crate) payload_bytes: u64,
    pub(crate) key: Option<[u8; 4]>,
}

impl Header {
    /// The header at the start of `input` and its length; `None` while it is incomplete. What the first byte alone makes
    /// wrong is refused without waiting for the second.
    pub(crate) fn parse(input: &[u8], role: Role) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let is_final = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let number = first & 0x0f;
        let opcode = Opcode::from_wire(number).ok_or(ProtocolError::UnknownOpcode(number))?;
        if opcode.is_control() && !is_final {
            return Err(ProtocolError::ControlFragmented);
        }
        let Some(&second) = input.get(1) else { return Ok(None) };
        let is_masked = second & 0x80 != 0;
        match (role, is_masked) {
            (Role::Server, false) => return Err(ProtocolError::Unmasked),
            (Role::Client, true) => return Err(ProtocolError::Masked),
            _ => {}
        }
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_BYTES {
            return Err(ProtocolError::ControlTooLong);
        }
        let rest = &input[2..];
        let (payload_bytes, shortest, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), 126, rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), 0x1_0000, rest),
                None => return Ok(None),
            },
            _ => (u64::from(short), 0, rest),
        };
        if payload_bytes >> 63 != 0 {
            return Err(ProtocolError::LengthOverflow);
        }
        if payload_bytes < shortest {
            return Err(ProtocolError::LengthNotMinimal);
        }
        let (key, rest) = if is_masked {
            match rest.split_first_chunk() {
                Some((key, rest)) => (Some(*key), rest),
                None => return Ok(None),
            }
        } else {
            (None, rest)
        };
        Ok(Some((Self { opcode, is_final, payload_bytes, key }, input.len() - rest.len())))
    }
}
