//! Updates that can be recognised wherever they turn up.
//!
//! Each update appends a mark of eight ASCII characters to a shared text: `~`, two digits of the writer, five of its
//! counter. Servers may merge, split and re-encode updates, and answer with a whole document: the text's bytes are in all
//! of them as they were written, and one writer's marks in the order of their counters. So a receiver finds every update by
//! searching bytes, without a CRDT, and a merging server is counted as fairly as one that only relays.
//!
//! The updates are written by hand in the V1 encoding: what Yjs itself sends when somebody types at the end of a text.

use confluo_protocol::Writer;

/// The bytes of a mark; being ASCII, they are as many characters to Yjs.
pub(crate) const MARK_BYTES: usize = 8;
const LEAD: u8 = b'~';
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const WRITER_DIGITS: usize = 2;
/// The most writers that a room may have.
pub(crate) const MAX_WRITERS: usize = 64 * 64;
/// The most updates that one writer may stamp.
pub(crate) const MAX_COUNTER: u32 = 1 << 30;

/// The name of the text that the marks are appended to.
const TEXT: &[u8] = b"load";

/// `ContentString` in a struct's info byte, and the bit that says that a left origin follows.
const STRING: u8 = 4;
const HAS_ORIGIN: u8 = 0x80;

/// Which update of which writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) writer: u16,
    pub(crate) counter: u32,
}

/// Writes one writer's updates, each typed behind its last.
#[derive(Debug)]
pub(crate) struct StampWriter {
    client_id: u64,
    writer: u16,
    next_counter: u32,
    clock: u64,
}

impl StampWriter {
    pub(crate) fn new(client_id: u64, writer: u16) -> Self {
        Self::beginning_at(client_id, Stamp { writer, counter: 0 })
    }

    /// A writer whose first stamp is this one.
    pub(crate) fn beginning_at(client_id: u64, first: Stamp) -> Self {
        Self { client_id, writer: first.writer, next_counter: first.counter, clock: 0 }
    }

    /// How many updates were written.
    pub(crate) fn written(&self) -> u32 {
        self.next_counter
    }

    /// The next update, in V1, with its counter.
    pub(crate) fn next_update(&mut self) -> (u32, Vec<u8>) {
        let counter = self.next_counter;
        self.next_counter += 1;
        (counter, self.append(&mark(Stamp { writer: self.writer, counter })))
    }

    /// An update that appends so many bytes of filling, to make a document big.
    pub(crate) fn filling(&mut self, bytes: usize) -> Vec<u8> {
        self.append(&vec![b'.'; bytes])
    }

    fn append(&mut self, text: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(40 + text.len());
        // One client, one struct, from this clock.
        writer.write_var_uint(1).write_var_uint(1).write_var_uint(self.client_id).write_var_uint(self.clock);
        if self.clock == 0 {
            // Nothing to the left: the parent is named instead, as a root.
            writer.write_raw(&[STRING]).write_var_uint(1).write_var_bytes(TEXT);
        } else {
            writer.write_raw(&[STRING | HAS_ORIGIN]).write_var_uint(self.client_id).write_var_uint(self.clock - 1);
        }
        writer.write_var_bytes(text);
        // Nothing deleted.
        writer.write_var_uint(0);
        self.clock += text.len() as u64;
        writer.finish().into()
    }
}

fn mark(stamp: Stamp) -> [u8; MARK_BYTES] {
    let digit = |value: u32, position: usize| DIGITS[(value >> (6 * position)) as usize & 63];
    let (writer, counter) = (u32::from(stamp.writer), stamp.counter);
    [
        LEAD,
        digit(writer, 1),
        digit(writer, 0),
        digit(counter, 4),
        digit(counter, 3),
        digit(counter, 2),
        digit(counter, 1),
        digit(counter, 0),
    ]
}

/// Calls `found` for each stamp in the bytes of a message, in their order.
pub(crate) fn find_stamps(bytes: &[u8], mut found: impl FnMut(Stamp)) {
    let mut rest = bytes;
    while let Some(lead) = memchr::memchr(LEAD, rest) {
        rest = &rest[lead..];
        let Some((mark, after)) = rest.split_at_checked(MARK_BYTES) else { return };
        if let Some(stamp) = read_mark(mark) {
            found(stamp);
            rest = after;
        } else {
            rest = &rest[1..];
        }
    }
}

fn read_mark(mark: &[u8]) -> Option<Stamp> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, digit| Some(number << 6 | u32::from(VALUES[usize::from(*digit)]?)))
    };
    let (writer, counter) = mark[1..].split_at(WRITER_DIGITS);
    Some(Stamp { writer: number(writer)? as u16, counter: number(counter)? })
}

/// The value of each byte as a digit.
static VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = Some(value as u8);
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use confluo_client::yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, Update, updates::decoder::Decode};

    fn stamps_of(bytes: &[u8]) -> Vec<(u16, u32)> {
        let mut stamps = Vec::new();
        find_stamps(bytes, |stamp| stamps.push((stamp.writer, stamp.counter)));
        stamps
    }

    #[test]
    fn the_updates_are_what_a_yrs_document_sends_when_somebody_types() {
        let doc = Doc::with_client_id(4_000_000_001);
        let text = doc.get_or_insert_text("load");
        let mut stamps = StampWriter::new(4_000_000_001, 7);
        for counter in 0..300 {
            let mut txn = doc.transact_mut();
            let end = text.len(&txn);
            let mark = mark(Stamp { writer: 7, counter });
            text.insert(&mut txn, end, std::str::from_utf8(&mark).unwrap());
            txn.commit();
            assert_eq!(stamps.next_update(), (counter, txn.encode_update_v1()), "{counter}");
        }
    }

    #[test]
    fn every_stamp_is_found_after_a_server_has_merged_and_re_encoded() {
        let doc = Doc::new();
        let mut writers = [StampWriter::new(4_000_000_001, 0), StampWriter::new(4_000_000_002, 4095)];
        let mut expected = [Vec::new(), Vec::new()];
        let mut txn = doc.transact_mut();
        for _ in 0..1000 {
            for (writer, expected) in writers.iter_mut().zip(&mut expected) {
                let (counter, update) = writer.next_update();
                txn.apply_update(Update::decode_v1(&update).unwrap()).unwrap();
                expected.push((writer.writer, counter));
            }
        }
        txn.commit();
        let merged = txn.encode_update_v1();
        drop(txn);
        let whole = doc.transact().encode_diff_v1(&StateVector::default());
        let text = doc.get_or_insert_text("load").get_string(&doc.transact());
        for bytes in [&merged[..], &whole, text.as_bytes()] {
            let found = stamps_of(bytes);
            for expected in &expected {
                let writer = expected[0].0;
                assert_eq!(&found.iter().copied().filter(|stamp| stamp.0 == writer).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_passed_over() {
        assert_eq!(stamps_of(b"~~~0000001~00\x0000002~010000"), [(0, 1)]);
        assert_eq!(stamps_of(b"~~0100003"), [(1, 3)]);
        assert_eq!(stamps_of(&mark(Stamp { writer: 4095, counter: MAX_COUNTER - 1 })), [(4095, MAX_COUNTER - 1)]);
    }
}
