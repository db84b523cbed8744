//! Protocol messages: several may arrive in one frame; exactly one leaves in each (stock clients read only the first).

use bytes::Bytes;

use crate::{Access, DecodeError, Reader, StateVectorV1, UpdateV1, Writer, varint::var_uint_len};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const SAVE_STATUS: u64 = 102;
const LINEAGE: u64 = 103;

/// The longest save status that is echoed, in bytes; y-sweet's counters take at most 8.
pub const MAX_SAVE_STATUS_BYTES: usize = 64;

/// One protocol message. Payloads share the frame's allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Content: type 0.
    Sync(SyncMessage),
    /// Presence: type 1. The entries are read by [`crate::AwarenessReader`].
    Awareness(Bytes),
    /// Access: type 2.
    Auth(AuthMessage),
    /// A request for all awareness states: type 3.
    QueryAwareness,
    /// "Tell me when all I sent is on disk": type 102, with the client's own bytes.
    SaveStatus(Bytes),
    /// The document's lineage: type 103, only from the server.
    Lineage(Bytes),
    /// A type from the future. It has no known length, so it ends its frame; it is counted and ignored.
    Unknown {
        /// The type that was read.
        kind: u64,
    },
}

/// A sync message: type 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncMessage {
    /// "I know this much; send me the rest."
    Step1(StateVectorV1),
    /// The answer to step 1.
    Step2(UpdateV1),
    /// An edit.
    Update(UpdateV1),
}

/// An auth message: type 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMessage {
    /// Server to client: denied, with the reason in words.
    PermissionDenied(Bytes),
    /// Client to server: a token, at the start or to refresh.
    Token(Bytes),
    /// Server to client, only to who sent a token in-band: accepted.
    Accepted(Access),
}

impl Message {
    /// Reads the next message of a frame.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.read_var_uint()? {
            SYNC => Self::Sync(match reader.read_var_uint()? {
                0 => SyncMessage::Step1(StateVectorV1(reader.read_var_bytes()?)),
                1 => SyncMessage::Step2(UpdateV1(reader.read_var_bytes()?)),
                2 => SyncMessage::Update(UpdateV1(reader.read_var_bytes()?)),
                kind => return Err(DecodeError::UnknownKind { what: "sync message", kind }),
            }),
            AWARENESS => Self::Awareness(reader.read_var_bytes()?),
            AUTH => Self::Auth(match reader.read_var_uint()? {
                0 => AuthMessage::PermissionDenied(read_text(reader)?),
                1 => AuthMessage::Token(read_text(reader)?),
                2 => AuthMessage::Accepted(match reader.read_var_str()? {
                    "read" => Access::Read,
                    "write" => Access::Write,
                    _ => return Err(DecodeError::UnknownKind { what: "access", kind: 0 }),
                }),
                kind => return Err(DecodeError::UnknownKind { what: "auth message", kind }),
            }),
            QUERY_AWARENESS => Self::QueryAwareness,
            SAVE_STATUS => {
                let bytes = reader.read_var_bytes()?;
                if bytes.len() > MAX_SAVE_STATUS_BYTES {
                    return Err(DecodeError::TooMany {
                        what: "bytes of save status",
                        limit: MAX_SAVE_STATUS_BYTES as u64,
                    });
                }
                Self::SaveStatus(bytes)
            }
            LINEAGE => Self::Lineage(read_text(reader)?),
            kind => {
                let rest = reader.remaining();
                reader.read_slice(rest)?;
                Self::Unknown { kind }
            }
        })
    }

    /// Reads every message of a frame.
    pub fn read_all(frame: &Bytes) -> Result<Vec<Self>, DecodeError> {
        let mut reader = Reader::new(frame);
        let mut messages = Vec::with_capacity(1);
        while !reader.is_empty() {
            messages.push(Self::read(&mut reader)?);
        }
        Ok(messages)
    }

    /// The payload of one frame that holds just this message. An `Unknown` writes its bare type.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Sync(SyncMessage::Step1(vector)) => encode_parts(&[SYNC, 0], &vector.0),
            Self::Sync(SyncMessage::Step2(update)) => encode_parts(&[SYNC, 1], &update.0),
            Self::Sync(SyncMessage::Update(update)) => encode_parts(&[SYNC, 2], &update.0),
            Self::Awareness(entries) => encode_parts(&[AWARENESS], entries),
            Self::Auth(AuthMessage::PermissionDenied(reason)) => encode_parts(&[AUTH, 0], reason),
            Self::Auth(AuthMessage::Token(token)) => encode_parts(&[AUTH, 1], token),
            Self::Auth(AuthMessage::Accepted(access)) => encode_parts(
                &[AUTH, 2],
                match access {
                    Access::Read => b"read",
                    Access::Write => b"write",
                },
            ),
            Self::QueryAwareness => Bytes::from_static(&[QUERY_AWARENESS as u8]),
            Self::SaveStatus(bytes) => encode_parts(&[SAVE_STATUS], bytes),
            Self::Lineage(id) => encode_parts(&[LINEAGE], id),
            Self::Unknown { kind } => {
                let mut writer = Writer::default();
                writer.write_var_uint(*kind);
                writer.finish()
            }
        }
    }
}

/// The reply to a save status whose session had writes refused since the last one: the same bytes and a trailing 1.
pub fn encode_save_status_with_refusals(bytes: &Bytes) -> Bytes {
    let mut writer = Writer::with_capacity(bytes.len() + 4);
    writer.write_var_uint(SAVE_STATUS).write_var_bytes(bytes).write_var_uint(1);
    writer.finish()
}

fn encode_parts(kinds: &[u64], payload: &[u8]) -> Bytes {
    let capacity = kinds.len() + var_uint_len(payload.len() as u64) + payload.len();
    let mut writer = Writer::with_capacity(capacity);
    for kind in kinds {
        writer.write_var_uint(*kind);
    }
    writer.write_var_bytes(payload);
    writer.finish()
}

fn read_text(reader: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
    let text = reader.read_var_bytes()?;
    std::str::from_utf8(&text).map_err(|_| DecodeError::InvalidUtf8)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_round_trips() {
        let payload = Bytes::from_static(b"abc");
        let messages = [
            Message::Sync(SyncMessage::Step1(StateVectorV1(payload.clone()))),
            Message::Sync(SyncMessage::Step2(UpdateV1(payload.clone()))),
            Message::Sync(SyncMessage::Update(UpdateV1(payload.clone()))),
            Message::Awareness(payload.clone()),
            Message::Auth(AuthMessage::PermissionDenied(payload.clone())),
            Message::Auth(AuthMessage::Token(payload.clone())),
            Message::Auth(AuthMessage::Accepted(Access::Read)),
            Message::Auth(AuthMessage::Accepted(Access::Write)),
            Message::QueryAwareness,
            Message::SaveStatus(payload.clone()),
            Message::Lineage(payload),
            Message::Unknown { kind: 300 },
        ];
        for message in &messages {
            assert_eq!(Message::read_all(&message.encode()).as_deref(), Ok(std::slice::from_ref(message)));
        }
        let frame: Vec<u8> = messages.iter().flat_map(Message::encode).collect();
        assert_eq!(Message::read_all(&frame.into()).as_deref(), Ok(messages.as_slice()), "FR2: several in one frame");
    }

    #[test]
    fn fr4_an_unknown_type_swallows_the_rest_of_its_frame() {
        let frame = Bytes::from_static(&[99, 1, 2, 3]);
        assert_eq!(Message::read_all(&frame), Ok(vec![Message::Unknown { kind: 99 }]));
    }

    #[test]
    fn fr5_malformed_messages_are_refused() {
        let check = |frame: &'static [u8], error| {
            assert_eq!(Message::read_all(&Bytes::from_static(frame)), Err(error), "{frame:?}");
        };
        check(&[0], DecodeError::UnexpectedEnd);
        check(&[0, 3, 0], DecodeError::UnknownKind { what: "sync message", kind: 3 });
        check(&[0, 2, 5, 1], DecodeError::UnexpectedEnd);
        check(&[2, 1, 1, 0xff], DecodeError::InvalidUtf8);
        check(&[2, 9], DecodeError::UnknownKind { what: "auth message", kind: 9 });
    }
}
