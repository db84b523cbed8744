//! An outgoing message, encoded once and shared by everyone who receives it.

use bytes::Bytes;

use crate::{Message, StateVectorV1, SyncMessage, UpdateV1, Writer, varint::var_uint_len};

/// The longest unmasked WebSocket header: two bytes and a 64-bit length.
const MAX_HEADER_BYTES: usize = 10;

/// One message in one binary WebSocket frame, header included, in one shared allocation: a server's frames are not
/// masked (RFC 6455 §5.1), so the same bytes serve every receiver. Transports without WebSocket framing take
/// [`Frame::payload`]. Cloning is a reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    wire: Bytes,
    payload_at: u8,
}

impl Frame {
    /// Frames one message.
    pub fn new(message: &Message) -> Self {
        match message {
            Message::Sync(SyncMessage::Step1(vector)) => Self::step1(vector),
            Message::Sync(SyncMessage::Step2(update)) => Self::step2(&update.0).0,
            Message::Sync(SyncMessage::Update(update)) => Self::update(&update.0).0,
            other => Self::from_payload(&other.encode()),
        }
    }

    /// Frames a payload that is already encoded.
    pub fn from_payload(payload: &[u8]) -> Self {
        let mut writer = start(payload.len());
        let payload_at = writer.len() as u8;
        writer.write_raw(payload);
        Self { wire: writer.finish(), payload_at }
    }

    /// A sync step 1: "I know this much".
    pub fn step1(vector: &StateVectorV1) -> Self {
        Self::sync(0, &vector.0).0
    }

    /// A sync step 2, and its update as a slice of the same allocation.
    pub fn step2(update: &[u8]) -> (Self, UpdateV1) {
        let (frame, update) = Self::sync(1, update);
        (frame, UpdateV1(update))
    }

    /// An update message, and its update as a slice of the same allocation.
    pub fn update(update: &[u8]) -> (Self, UpdateV1) {
        let (frame, update) = Self::sync(2, update);
        (frame, UpdateV1(update))
    }

    /// An awareness message.
    pub fn awareness(entries: &[u8]) -> Self {
        Self::kinds_and_bytes(&[1], entries).0
    }

    fn sync(kind: u8, bytes: &[u8]) -> (Self, Bytes) {
        Self::kinds_and_bytes(&[0, kind], bytes)
    }

    fn kinds_and_bytes(kinds: &[u8], bytes: &[u8]) -> (Self, Bytes) {
        let payload_len = kinds.len() + var_uint_len(bytes.len() as u64) + bytes.len();
        let mut writer = start(payload_len);
        let payload_at = writer.len() as u8;
        writer.write_raw(kinds).write_var_bytes(bytes);
        let wire = writer.finish();
        let bytes = wire.slice(wire.len() - bytes.len()..);
        (Self { wire, payload_at }, bytes)
    }

    /// The message without the WebSocket header.
    pub fn payload(&self) -> Bytes {
        self.wire.slice(usize::from(self.payload_at)..)
    }

    /// The bytes on the wire, header included, in the shared allocation.
    pub fn into_wire(self) -> Bytes {
        self.wire
    }

    /// The number of bytes on the wire, header included.
    pub fn len(&self) -> usize {
        self.wire.len()
    }

    /// Whether the bytes are held by somebody else, too, who waits for a receiver for example.
    pub fn is_shared(&self) -> bool {
        !self.wire.is_unique()
    }

    /// Never: a frame has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// The bytes on the wire, header included.
impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.wire
    }
}

/// A writer that holds the header of a final, unmasked, binary frame (RFC 6455 §5.2).
fn start(payload_len: usize) -> Writer {
    let mut writer = Writer::with_capacity(MAX_HEADER_BYTES + payload_len);
    writer.write_raw(&[0x82]);
    match payload_len {
        0..=125 => writer.write_raw(&[payload_len as u8]),
        126..=0xffff => writer.write_raw(&[126]).write_raw(&(payload_len as u16).to_be_bytes()),
        _ => writer.write_raw(&[127]).write_raw(&(payload_len as u64).to_be_bytes()),
    };
    writer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_three_lengths_of_rfc_6455() {
        let check = |length: usize, header: &[u8]| {
            let payload = vec![7; length];
            let frame = Frame::from_payload(&payload);
            assert_eq!(&frame.as_ref()[..header.len()], header);
            assert_eq!(frame.payload(), payload);
        };
        check(0, &[0x82, 0]);
        check(125, &[0x82, 125]);
        check(126, &[0x82, 126, 0, 126]);
        check(0xffff, &[0x82, 126, 0xff, 0xff]);
        check(0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn fr1_a_frame_holds_exactly_one_message_and_shares_its_update() {
        let (frame, update) = Frame::update(b"abc");
        let expected = Message::Sync(SyncMessage::Update(UpdateV1(Bytes::from_static(b"abc"))));
        assert_eq!(Message::read_all(&frame.payload()), Ok(vec![expected.clone()]));
        assert_eq!(Frame::new(&expected), frame);
        assert_eq!(update.0, "abc");
        assert!(frame.as_ref().as_ptr_range().contains(&update.0.as_ptr()));
    }
}
