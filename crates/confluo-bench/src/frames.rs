//! A server's byte stream to messages, in place: a load client reads more than anything else, and must cost less than the
//! server that it measures.

use std::ops::Range;

use confluo_ws::Opcode;

use crate::BenchError;

/// What the stream brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// A whole message.
    Message(&'a [u8]),
    /// A message that was too long to be kept: its length.
    Skimmed(u64),
    Ping(&'a [u8]),
    /// The server closes, with this code.
    Close(Option<u16>),
}

/// Cuts the stream; keeps only what is incomplete.
#[derive(Debug)]
pub(crate) struct FrameReader {
    incomplete: Vec<u8>,
    fragments: Vec<u8>,
    /// Messages longer than this are counted, not kept.
    keep_up_to: u64,
    skimming: Option<Skimming>,
}

#[derive(Debug)]
struct Skimming {
    length: u64,
    left: u64,
}

struct Frame {
    opcode: Opcode,
    is_final: bool,
    payload: Range<usize>,
}

impl FrameReader {
    pub(crate) fn new(keep_up_to: u64) -> Self {
        Self { incomplete: Vec::new(), fragments: Vec::new(), keep_up_to, skimming: None }
    }

    /// Takes the next bytes and calls `each` for what is complete with them.
    pub(crate) fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(Heard<'_>)) -> Result<(), BenchError> {
        let bytes = self.skim(bytes, each);
        if bytes.is_empty() {
            return Ok(());
        }
        if self.incomplete.is_empty() {
            let consumed = self.cut(bytes, each)?;
            self.incomplete.extend_from_slice(&bytes[consumed..]);
        } else {
            let mut all = std::mem::take(&mut self.incomplete);
            all.extend_from_slice(bytes);
            let consumed = self.cut(&all, each)?;
            all.drain(..consumed);
            self.incomplete = all;
        }
        Ok(())
    }

    /// Passes over the rest of a message that is not kept.
    fn skim<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Heard<'_>)) -> &'a [u8] {
        let Some(skimming) = &mut self.skimming else { return bytes };
        let passed = skimming.left.min(bytes.len() as u64);
        skimming.left -= passed;
        if skimming.left == 0 {
            each(Heard::Skimmed(skimming.length));
            self.skimming = None;
        }
        &bytes[passed as usize..]
    }

    fn cut(&mut self, bytes: &[u8], each: &mut impl FnMut(Heard<'_>)) -> Result<usize, BenchError> {
        let mut consumed = 0;
        while let Some(frame) = read_header(&bytes[consumed..])? {
            let length = frame.payload.len() as u64;
            let start = consumed + frame.payload.start;
            if length > self.keep_up_to && !frame.opcode.is_control() {
                self.skimming = Some(Skimming { length, left: length });
                let rest = self.skim(&bytes[start..], each);
                consumed = bytes.len() - rest.len();
                continue;
            }
            let Some(payload) = bytes.get(start..consumed + frame.payload.end) else { break };
            consumed += frame.payload.end;
            match frame.opcode {
                Opcode::Ping => each(Heard::Ping(payload)),
                Opcode::Pong => {}
                Opcode::Close => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    each(Heard::Close(code));
                }
                _ if frame.is_final && self.fragments.is_empty() => each(Heard::Message(payload)),
                _ => {
                    self.fragments.extend_from_slice(payload);
                    if frame.is_final {
                        each(Heard::Message(&std::mem::take(&mut self.fragments)));
                    }
                }
            }
        }
        Ok(consumed)
    }
}

/// The frame at the start of the bytes, if its header is complete; its payload may not be.
fn read_header(bytes: &[u8]) -> Result<Option<Frame>, BenchError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = Opcode::from_wire(first & 0x0f).ok_or(BenchError::Malformed("an unknown opcode"))?;
    if second & 0x80 != 0 || first & 0x70 != 0 {
        return Err(BenchError::Malformed("a masked frame, or one of an extension"));
    }
    let (start, length): (usize, usize) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX)),
            None => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    let end = start.checked_add(length).ok_or(BenchError::Malformed("a frame without end"))?;
    Ok(Some(Frame { opcode, is_final: first & 0x80 != 0, payload: start..end }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use confluo_ws::frame;

    fn read_in_pieces(stream: &[u8], piece: usize, keep_up_to: u64) -> Vec<String> {
        let mut reader = FrameReader::new(keep_up_to);
        let mut heard = Vec::new();
        for bytes in stream.chunks(piece) {
            reader.feed(bytes, &mut |item| heard.push(format!("{item:?}"))).unwrap();
        }
        heard
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        for length in [0, 1, 125, 126, 300, 70_000] {
            stream.extend_from_slice(&frame::binary(&vec![7; length]));
        }
        stream.extend_from_slice(&frame::ping(b"?"));
        // A message in two fragments with a pong between.
        stream.extend_from_slice(&[0x02, 1, b'a', 0x8a, 0, 0x80, 1, b'b']);
        stream.extend_from_slice(&frame::close(4400, "because"));
        for keep_up_to in [u64::MAX, 200] {
            let whole = read_in_pieces(&stream, stream.len(), keep_up_to);
            assert_eq!(whole.len(), 9);
            for piece in [1, 2, 3, 64, 1000] {
                assert_eq!(read_in_pieces(&stream, piece, keep_up_to), whole, "{piece}");
            }
        }
        assert_eq!(read_in_pieces(&stream, 1000, 200)[5], "Skimmed(70000)");
    }

    #[test]
    fn masked_frames_are_refused() {
        let masked = frame::encode_masked(Opcode::Binary, b"x", [1, 2, 3, 4]);
        assert!(FrameReader::new(u64::MAX).feed(&masked, &mut |_| {}).is_err());
    }
}
