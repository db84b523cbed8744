//! The messages of sled's log, also where it is damaged.
//!
//! ```text
//! log     = segments of 16 MiB, each: header (20) · messages, from the beginning
//! message = CRC-32 (4) · kind (1) · length · number of the segment · page · content
//! ```
//! Segments are written in the order of their numbers, anywhere in the file; what follows the last message of one is left from
//! when it was written before, under a lower number.

use confluo_store::WreckFile;

use super::segment::Segment;
use crate::open::SEGMENT_BYTES;

pub(super) const SEGMENT_HEAD_BYTES: usize = 20;
pub(super) const CHECKSUM_BYTES: usize = 4;
/// More than a disk holds.
const MOST_SEGMENTS: u64 = 1 << 32;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All that a page holds.
    Node,
    /// A change of a page.
    Link,
    /// A page is no more.
    Free,
    /// Changes that are made together follow.
    Batch,
    /// None of these.
    Other,
}

/// How sled would come to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Each message before it in its segment leads to the next.
    InChain,
    /// Not at all: where the chain breaks, sled stops. It was written behind the break, or lies in a document and looks like it.
    BehindBreak,
    /// Not at all: it was there when its segment was written anew, and what was needed of it was written elsewhere before.
    Leftover,
}

/// Where a message is. There is one of these in memory for each that is about a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) page: u64,
    /// What was written later has a higher one.
    pub(super) order: u64,
    pub(super) standing: Standing,
    pub(super) is_intact: bool,
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl Message {
    pub(super) fn read(&self, file: &WreckFile) -> Vec<u8> {
        file.read(self.offset, self.length as usize)
    }

    /// Where in the file a byte of its content is.
    pub(super) fn place(&self, at: usize) -> u64 {
        self.offset + at as u64
    }
}

/// What the log holds.
#[derive(Default)]
pub(super) struct Log {
    /// All messages about pages that can be made out.
    pub(super) messages: Vec<Message>,
    /// There are more, or there were.
    pub(super) lacks_some: bool,
    /// Where among all that was ever written the last message ends.
    pub(super) end: u64,
    /// Where the last batch ends, as it says itself.
    pub(super) batch_end: u64,
    pub(super) hurts: Vec<Hurt>,
    /// Where the last batch begins that is there.
    pub(super) last_batch: Option<u64>,
}

/// A place at which sled would find no message, and take it for the end.
pub(super) struct Hurt {
    pub(super) order: u64,
    /// Of what was there, one bit is flipped: no cut of power leaves that.
    pub(super) is_flip: bool,
}

impl Log {
    /// Whether sled would cut off, when it opens, what was on disk for sure: more than one batch, of which a cut of power may
    /// leave anything.
    pub(super) fn would_be_cut(&self) -> bool {
        self.hurts.iter().any(|hurt| hurt.is_flip || self.last_batch.is_some_and(|last| hurt.order < last))
    }
}

/// Reads all segments, or those whose number is at least `only_from`, and then keeps none of their messages: there are many.
pub(super) fn read(file: &WreckFile, only_from: Option<u64>) -> Log {
    let mut log = Log::default();
    let newest = segment_numbers(file).max().map_or(MOST_SEGMENTS, |newest| newest.min(MOST_SEGMENTS));
    let mut bytes = Vec::new();
    for start in (0..file.len()).step_by(SEGMENT_BYTES) {
        let number = segment_number(&file.read(start, SEGMENT_HEAD_BYTES));
        if number.is_none_or(|number| only_from.is_none_or(|from| number >= from)) {
            file.read_into(&mut bytes, start, SEGMENT_BYTES);
            Segment::new(file, start, &mut bytes, newest, number).read(&mut log, only_from.unwrap_or(0));
            if only_from.is_some() {
                log.messages.clear();
            }
        }
    }
    // The last batch may not be whole, of a file that is cut.
    log.lacks_some |= log.batch_end > log.end;
    log
}

/// The numbers of all segments that have an intact header.
pub(super) fn segment_numbers(file: &WreckFile) -> impl Iterator<Item = u64> {
    let starts = (0..file.len()).step_by(SEGMENT_BYTES);
    starts.filter_map(|start| segment_number(&file.read(start, SEGMENT_HEAD_BYTES)))
}

/// The number of a segment, as its intact header tells it by the place of its beginning among all that was ever written.
fn segment_number(header: &[u8]) -> Option<u64> {
    let (checksum, fields) = header.split_at_checked(CHECKSUM_BYTES)?;
    let is_intact = checksum == (!crc32fast::hash(fields)).to_le_bytes();
    let place = u64::from_le_bytes(fields.get(..8)?.try_into().ok()?) ^ (u64::MAX >> 1);
    is_intact.then_some(place / SEGMENT_BYTES as u64)
}
