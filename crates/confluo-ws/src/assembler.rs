//! Bytes to messages: frame headers, fragments, control frames between them, and every rule about them.

mod header;

use bytes::Bytes;

use crate::error::{ProtocolError, WsError};
use crate::frame::Opcode;
use crate::mask::apply_mask;
use crate::socket::Role;
use header::Header;

/// Why a peer closed. `None` of it means a close frame without a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code, always one that may appear on the wire.
    pub code: u16,
    /// What the peer says about it; may be empty.
    pub reason: String,
}

/// One thing that the peer said, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Message { bytes: Bytes, is_text: bool },
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseFrame>),
}

/// The data frame whose payload is arriving.
struct Arriving {
    remaining: u64,
    key: Option<[u8; 4]>,
    key_offset: u8,
    is_final: bool,
}

/// Turns the peer's byte stream into [`Event`]s. Holds only the part of a message that has arrived.
pub(crate) struct Assembler {
    role: Role,
    max_message_bytes: usize,
    message: Vec<u8>,
    /// How much of a text message is known to be UTF-8; behind it stands at most one incomplete character.
    utf8_bytes: usize,
    /// `Text` or `Binary` from a message's first frame to its last.
    message_kind: Option<Opcode>,
    arriving: Option<Arriving>,
    /// Nothing counts any more but the peer's close: payloads are skipped, not kept.
    is_discarding: bool,
}

impl Assembler {
    pub(crate) fn new(role: Role, max_message_bytes: usize) -> Self {
        Self {
            role,
            max_message_bytes,
            message: Vec::new(),
            utf8_bytes: 0,
            message_kind: None,
            arriving: None,
            is_discarding: false,
        }
    }

    /// To be called between two messages.
    pub(crate) fn set_max_message_bytes(&mut self, max_message_bytes: usize) {
        self.max_message_bytes = max_message_bytes.max(self.message.len());
    }

    /// How much of the message has arrived.
    pub(crate) fn arrived_bytes(&self) -> usize {
        self.message.len()
    }

    /// From now on only the peer's close is looked for.
    pub(crate) fn discard(&mut self) {
        self.is_discarding = true;
        self.message = Vec::new();
    }

    /// Consumes from `input` up to the next event. `None`: all that can be consumed is, and what is left in `input` (an
    /// incomplete header or control frame, less than 140 bytes) must come again in front of what follows.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, WsError> {
        loop {
            if self.arriving.is_some() {
                match self.take_payload(input)? {
                    Progress::Event(event) => return Ok(Some(event)),
                    Progress::FrameDone => {}
                    Progress::NeedsMore => return Ok(None),
                }
            }
            let Some((header, header_bytes)) = Header::parse(input, self.role)? else { return Ok(None) };
            if header.opcode.is_control() {
                let frame_bytes = header_bytes + header.payload_bytes as usize;
                let Some(frame) = input.get(..frame_bytes) else { return Ok(None) };
                let mut payload = frame[header_bytes..].to_vec();
                *input = &input[frame_bytes..];
                if let Some(key) = header.key {
                    apply_mask(&mut payload, key, 0);
                }
                match header.opcode {
                    Opcode::Close => return close_event(&payload).map(Some),
                    _ if self.is_discarding => {}
                    Opcode::Ping => return Ok(Some(Event::Ping(payload.into()))),
                    _ => return Ok(Some(Event::Pong(payload.into()))),
                }
            } else {
                *input = &input[header_bytes..];
                self.begin_data_frame(&header)?;
            }
        }
    }

    fn begin_data_frame(&mut self, header: &Header) -> Result<(), WsError> {
        // Noted before any refusal, so that a refused frame can be skipped and the peer's close found behind it.
        self.arriving = Some(Arriving {
            remaining: header.payload_bytes,
            key: header.key,
            key_offset: 0,
            is_final: header.is_final,
        });
        if self.is_discarding {
            return Ok(());
        }
        match (header.opcode, self.message_kind) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation.into()),
            (Opcode::Continuation, Some(_)) => {}
            (_, Some(_)) => return Err(ProtocolError::UnfinishedMessage.into()),
            (kind, None) => self.message_kind = Some(kind),
        }
        let room = self.max_message_bytes - self.message.len();
        if header.payload_bytes > room as u64 {
            return Err(WsError::MessageTooLarge { limit: self.max_message_bytes });
        }
        Ok(())
    }

    fn take_payload(&mut self, input: &mut &[u8]) -> Result<Progress, WsError> {
        let Some(arriving) = &mut self.arriving else { return Ok(Progress::FrameDone) };
        let available = arriving.remaining.min(input.len() as u64) as usize;
        let (payload, rest) = input.split_at(available);
        *input = rest;
        if !self.is_discarding && available > 0 {
            let start = self.message.len();
            reserve(&mut self.message, available, arriving);
            self.message.extend_from_slice(payload);
            if let Some(key) = arriving.key {
                apply_mask(&mut self.message[start..], key, usize::from(arriving.key_offset));
            }
        }
        arriving.key_offset = (usize::from(arriving.key_offset) + available) as u8 % 4;
        arriving.remaining -= available as u64;
        let frame_done = arriving.remaining == 0;
        let message_done = frame_done && arriving.is_final;
        if self.is_discarding {
            if frame_done {
                self.arriving = None;
                return Ok(Progress::FrameDone);
            }
            return Ok(Progress::NeedsMore);
        }
        let is_text = self.message_kind == Some(Opcode::Text);
        if is_text {
            self.check_utf8(message_done)?;
        }
        if frame_done {
            self.arriving = None;
        }
        if message_done {
            self.message_kind = None;
            self.utf8_bytes = 0;
            let bytes = std::mem::take(&mut self.message).into_boxed_slice().into();
            return Ok(Progress::Event(Event::Message { bytes, is_text }));
        }
        Ok(if frame_done { Progress::FrameDone } else { Progress::NeedsMore })
    }

    /// Fails at the first byte that no continuation can make valid.
    fn check_utf8(&mut self, message_done: bool) -> Result<(), WsError> {
        match std::str::from_utf8(&self.message[self.utf8_bytes..]) {
            Ok(_) => self.utf8_bytes = self.message.len(),
            Err(error) if error.error_len().is_none() && !message_done => self.utf8_bytes += error.valid_up_to(),
            Err(_) => return Err(WsError::InvalidUtf8),
        }
        Ok(())
    }
}

enum Progress {
    Event(Event),
    FrameDone,
    NeedsMore,
}

/// Room for what has arrived and at most as much again, never beyond the frame: the announced length alone allocates
/// nothing, and a message in one frame ends up with exactly its size.
fn reserve(message: &mut Vec<u8>, available: usize, arriving: &Arriving) {
    if message.capacity() - message.len() >= available {
        return;
    }
    let is_whole_frame = arriving.remaining == available as u64;
    if is_whole_frame && !arriving.is_final {
        // Fragments may be tiny: grow by a factor, lest each of them copies all before it.
        message.reserve(available);
    } else {
        let wanted = available.max(message.len());
        message.reserve_exact((wanted as u64).min(arriving.remaining) as usize);
    }
}

fn close_event(payload: &[u8]) -> Result<Event, WsError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(Event::Close(None)) } else { Err(ProtocolError::CloseTooShort.into()) };
    };
    let code = u16::from_be_bytes(*code);
    if !is_close_code(code) {
        return Err(ProtocolError::CloseCode(code).into());
    }
    let reason = std::str::from_utf8(reason).map_err(|_| WsError::InvalidUtf8)?;
    Ok(Event::Close(Some(CloseFrame { code, reason: reason.to_owned() })))
}

/// The codes that may stand in a frame: RFC 6455, section 7.4, and the IANA registry (1012–1014).
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode_masked;

    const KEY: [u8; 4] = [1, 2, 3, 4];

    #[test]
    fn announced_bytes_allocate_nothing() {
        let mut assembler = Assembler::new(Role::Server, usize::MAX >> 1);
        let bomb = [0x82, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert!(matches!(assembler.next(&mut &bomb[..]), Ok(None)));
        assert_eq!(assembler.message.capacity(), 0);
        let mut arrived = 0;
        while arrived < 1_000_000 {
            let chunk = vec![0; 1 + arrived % 5000];
            arrived += chunk.len();
            assert!(matches!(assembler.next(&mut &chunk[..]), Ok(None)));
            assert!(assembler.message.capacity() <= 2 * arrived, "{arrived} bytes arrived");
        }
    }

    #[test]
    fn a_message_in_one_frame_is_never_given_more_than_its_size() {
        let payload = vec![9; 100_000];
        let frame = encode_masked(Opcode::Binary, &payload, KEY);
        let mut assembler = Assembler::new(Role::Server, 1 << 20);
        for chunk in frame[..frame.len() - 1].chunks(1400) {
            assert!(matches!(assembler.next(&mut &chunk[..]), Ok(None)));
            assert!(assembler.message.capacity() <= payload.len());
        }
        let last = &frame[frame.len() - 1..];
        assert!(matches!(assembler.next(&mut &last[..]), Ok(Some(Event::Message { bytes, .. })) if bytes == payload));
        assert_eq!(assembler.message.capacity(), 0);
    }

    #[test]
    fn tiny_fragments_do_not_copy_all_before_them() {
        let mut assembler = Assembler::new(Role::Server, 1 << 20);
        let mut growths = 0;
        for index in 0..100_000 {
            let mut frame = encode_masked(Opcode::Continuation, b"x", KEY).to_vec();
            frame[0] = if index == 0 { 0x02 } else { 0x00 };
            let before = assembler.message.capacity();
            assert!(matches!(assembler.next(&mut &frame[..]), Ok(None)));
            growths += usize::from(assembler.message.capacity() != before);
        }
        assert!(growths < 20, "{growths} growths");
    }
}
