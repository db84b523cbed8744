//! The entries of an awareness message, read without allocating.

use bytes::Bytes;

use crate::{ClientId, DecodeError, Reader, Writer};

/// One client's state: `(client id, clock, JSON)`. JSON `null` means that the client is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessEntry<'a> {
    /// Whose state this is.
    pub client_id: ClientId,
    /// Grows with each state of that client; an entry that is not newer is stale.
    pub clock: u64,
    /// The state as it was received: UTF-8 JSON only after [`AwarenessEntry::check_json`].
    pub json: &'a [u8],
}

impl AwarenessEntry<'_> {
    /// Whether the client says (or is said) to be gone.
    pub fn is_null(&self) -> bool {
        self.json == b"null"
    }

    /// Checks that the state is JSON, without building it.
    pub fn check_json(&self) -> Result<(), DecodeError> {
        let text = std::str::from_utf8(self.json).map_err(|_| DecodeError::InvalidUtf8)?;
        serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| ()).map_err(|_| DecodeError::InvalidJson)
    }
}

/// Iterates over the entries of an awareness message; stops after the first error.
#[derive(Debug, Clone)]
pub struct AwarenessReader<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> AwarenessReader<'a> {
    /// Reads the number of entries. An entry takes at least three bytes, so a count beyond the input is refused here.
    pub fn new(payload: &'a Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let left = reader.read_var_uint()?;
        if left > reader.remaining() / 3 {
            return Err(DecodeError::UnexpectedEnd);
        }
        Ok(Self { reader, left })
    }

    /// The number of entries not yet read.
    pub fn entries_left(&self) -> u64 {
        self.left
    }

    fn read_entry(&mut self) -> Result<AwarenessEntry<'a>, DecodeError> {
        Ok(AwarenessEntry {
            client_id: self.reader.read_var_uint()?,
            clock: self.reader.read_var_uint()?,
            json: self.reader.read_var_string_bytes()?,
        })
    }
}

impl<'a> Iterator for AwarenessReader<'a> {
    type Item = Result<AwarenessEntry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let entry = self.read_entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

/// Collects entries into the payload of an awareness message.
#[derive(Debug, Default)]
pub struct AwarenessWriter {
    count: u64,
    entries: Writer,
}

impl AwarenessWriter {
    /// Appends an entry.
    pub fn push(&mut self, entry: AwarenessEntry<'_>) {
        self.count += 1;
        self.entries.write_var_uint(entry.client_id).write_var_uint(entry.clock).write_var_bytes(entry.json);
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The payload: the count, then the entries. With no entries it is the filler that keeps quiet clients connected.
    pub fn finish(self) -> Bytes {
        let entries = self.entries.finish();
        let mut writer = Writer::with_capacity(entries.len() + 9);
        writer.write_var_uint(self.count).write_raw(&entries);
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: AwarenessEntry<'_> = AwarenessEntry { client_id: 7, clock: 300, json: br#"{"a":1}"# };

    #[test]
    fn entries_round_trip() {
        let mut writer = AwarenessWriter::default();
        writer.push(ENTRY);
        writer.push(AwarenessEntry { json: b"null", ..ENTRY });
        let payload = writer.finish();
        let entries: Result<Vec<_>, _> = AwarenessReader::new(&payload).unwrap().collect();
        let entries = entries.unwrap();
        assert_eq!(entries[0], ENTRY);
        assert!(entries[1].is_null() && !entries[0].is_null());
    }

    #[test]
    fn aw9_counts_and_json_that_lie_are_refused() {
        assert_eq!(
            AwarenessReader::new(&Bytes::from_static(&[200, 1, 1])).map(|_| ()),
            Err(DecodeError::UnexpectedEnd)
        );
        let cut = Bytes::from_static(&[1, 7, 1, 9, b'n']);
        assert_eq!(AwarenessReader::new(&cut).unwrap().next(), Some(Err(DecodeError::UnexpectedEnd)));
        for (json, error) in [
            (&b"{"[..], DecodeError::InvalidJson),
            (b"\xff", DecodeError::InvalidUtf8),
            (b"", DecodeError::InvalidJson),
        ] {
            assert_eq!(AwarenessEntry { json, ..ENTRY }.check_json(), Err(error));
        }
        assert_eq!(ENTRY.check_json(), Ok(()));
    }
}
