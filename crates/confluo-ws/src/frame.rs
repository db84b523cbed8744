//! Frames on the wire (RFC 6455, section 5.2): encoded once, shared by all who receive them.

use bytes::Bytes;

use crate::mask::apply_mask;

/// The longest header of an unmasked frame.
pub const MAX_HEADER_BYTES: usize = 10;
/// The longest payload of a control frame.
pub const MAX_CONTROL_BYTES: usize = 125;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The sender sends nothing more.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// The answer to a ping, or a sign of life.
    Pong = 0xa,
}

impl Opcode {
    /// `None` where RFC 6455 reserves the number.
    pub fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= 0x8
    }
}

/// The header of one unfragmented, unmasked frame; put it in front of a payload to share both in one buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    length: u8,
}

impl FrameHeader {
    /// The header for a payload of `payload_bytes`.
    pub fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = [0; MAX_HEADER_BYTES];
        bytes[0] = 0x80 | opcode as u8;
        let length = match payload_bytes {
            0..=125 => {
                bytes[1] = payload_bytes as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, length }
    }

    /// How many bytes the header of such a payload has: 2, 4 or 10.
    pub const fn encoded_len(payload_bytes: usize) -> usize {
        match payload_bytes {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        }
    }

    /// The bytes to put in front of the payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// One whole unmasked frame, as a server sends it.
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let header = FrameHeader::new(opcode, payload.len());
    let mut frame = Vec::with_capacity(header.as_bytes().len() + payload.len());
    frame.extend_from_slice(header.as_bytes());
    frame.extend_from_slice(payload);
    frame.into()
}

/// One whole frame masked with `key`, as a client sends it.
pub fn encode_masked(opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Bytes {
    let header = FrameHeader::new(opcode, payload.len());
    let header = header.as_bytes();
    let mut frame = Vec::with_capacity(header.len() + key.len() + payload.len());
    frame.extend_from_slice(header);
    frame[1] |= 0x80;
    frame.extend_from_slice(&key);
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[start..], key, 0);
    frame.into()
}

/// A server's binary message.
pub fn binary(payload: &[u8]) -> Bytes {
    encode(Opcode::Binary, payload)
}

/// A server's text message.
pub fn text(payload: &str) -> Bytes {
    encode(Opcode::Text, payload.as_bytes())
}

/// A server's ping; what exceeds [`MAX_CONTROL_BYTES`] is cut off.
pub fn ping(payload: &[u8]) -> Bytes {
    encode(Opcode::Ping, &payload[..payload.len().min(MAX_CONTROL_BYTES)])
}

/// A server's close frame; a reason that is too long is cut at a character's edge.
pub fn close(code: u16, reason: &str) -> Bytes {
    encode(Opcode::Close, &close_payload(code, reason))
}

/// The payload of a close frame: the code, then as much of the reason as a control frame holds.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let fits = (0..=reason.len().min(MAX_CONTROL_BYTES - 2)).rev().find(|&end| reason.is_char_boundary(end));
    let reason = &reason[..fits.unwrap_or(0)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    payload
}
