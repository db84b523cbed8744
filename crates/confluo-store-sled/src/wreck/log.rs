//! The messages of sled's log, also where it is damaged.
//!
//! ```text
//! log     = segments of 16 MiB, each: header (20) · messages, from the beginning
//! message = CRC-32 (4) · kind (1) · length · number of the segment · page · content
//! ```
//! Segments are written in the order of their numbers, anywhere in the file; what follows the last message of one is left from
//! when it was written before, under a lower number.

use confluo_store::WreckFile;

use super::{content::Cursor, repair::find_flipped_bit};
use crate::open::SEGMENT_BYTES;

const SEGMENT_HEAD_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 4;
/// No head of a message is longer.
const MOST_HEAD_BYTES: usize = 32;
/// Who looks for a message at every byte computes no more checksums than of so many segments for one.
const MOST_CHECKED: usize = 64 * SEGMENT_BYTES;
/// In a stretch like this no message begins before its last bytes.
const BLANK: [u8; 4096] = [0; 4096];
/// More segments than a disk holds, and more pages.
const MOST_SEGMENTS: u64 = 1 << 32;
const MOST_PAGES: u64 = 1 << 37;
/// The pages of messages that are about none: where a batch ends, and that nothing more follows in the segment.
const NO_PAGES: [u64; 2] = [u64::MAX - 666, u64::MAX];

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

/// Where a message is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) page: u64,
    /// What was written later has a higher one.
    pub(super) order: u64,
    pub(super) is_intact: bool,
    offset: u64,
    length: usize,
}

impl Message {
    pub(super) fn read(&self, file: &WreckFile) -> Vec<u8> {
        file.read(self.offset, self.length)
    }

    /// Where in the file a byte of its content is.
    pub(super) fn place(&self, at: usize) -> u64 {
        self.offset + at as u64
    }
}

/// A message's head, and what its checksum says.
struct Head {
    kind: u8,
    segment: u64,
    page: u64,
    content: usize,
    end: usize,
    is_intact: bool,
}

/// What the log holds.
#[derive(Default)]
pub(super) struct Log {
    /// All messages that can be made out.
    pub(super) messages: Vec<Message>,
    /// There are more, or there were.
    pub(super) lacks_some: bool,
    /// Where among all that was ever written the last message ends.
    end: u64,
    hurts: Vec<Hurt>,
    /// Where the last batch begins that is there.
    last_batch: Option<u64>,
}

/// A place at which sled would find no message, and take it for the end.
struct Hurt {
    order: u64,
    /// Of what was there, one bit is flipped: no cut of power leaves that.
    is_flip: bool,
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
    let starts = || (0..file.len()).step_by(SEGMENT_BYTES);
    let newest = starts().filter_map(|start| segment_number(&file.read(start, SEGMENT_HEAD_BYTES))).max();
    let mut bytes = Vec::new();
    for start in starts() {
        let number = segment_number(&file.read(start, SEGMENT_HEAD_BYTES));
        if number.is_none_or(|number| only_from.is_none_or(|from| number >= from)) {
            file.read_into(&mut bytes, start, SEGMENT_BYTES);
            let newest = newest.unwrap_or(MOST_SEGMENTS);
            let from = only_from.unwrap_or(0);
            Segment { file, start, bytes: &mut bytes, newest, number, from, left: MOST_CHECKED }.read(&mut log);
            if only_from.is_some() {
                log.messages.clear();
            }
        }
    }
    let batches = log.messages.iter().filter(|message| message.kind == Kind::Batch && message.is_intact);
    let ends = batches.filter_map(|batch| batch.read(file).try_into().ok().map(u64::from_le_bytes));
    // The last one may not be whole, of a file that is cut.
    log.lacks_some |= ends.max().is_some_and(|end| end > log.end);
    log
}

/// The number of a segment, as its intact header tells it by the place of its beginning among all that was ever written.
fn segment_number(header: &[u8]) -> Option<u64> {
    let (checksum, fields) = header.split_at_checked(CHECKSUM_BYTES)?;
    let is_intact = checksum == (!crc32fast::hash(fields)).to_le_bytes();
    let place = u64::from_le_bytes(fields.get(..8)?.try_into().ok()?) ^ (u64::MAX >> 1);
    is_intact.then_some(place / SEGMENT_BYTES as u64)
}

/// Where in all that was ever written a place of a segment is.
fn order(segment: u64, at: usize) -> u64 {
    segment.wrapping_mul(SEGMENT_BYTES as u64).wrapping_add(at as u64)
}

struct Segment<'a> {
    file: &'a WreckFile,
    start: u64,
    bytes: &'a mut Vec<u8>,
    /// The highest number that any segment has.
    newest: u64,
    /// Its own, as far as that is known.
    number: Option<u64>,
    /// The first that sled reads.
    from: u64,
    /// How many bytes may still be looked at in vain.
    left: usize,
}

impl Segment<'_> {
    fn read(&mut self, log: &mut Log) {
        let mut at = SEGMENT_HEAD_BYTES;
        let mut segment = None;
        if self.number.is_none()
            && let Some(first) = self.head(at).filter(|first| first.is_intact)
        {
            // Without its header sled passes a segment over. It does not look for those before its snapshot.
            self.number = Some(first.segment);
            if first.segment >= self.from {
                log.hurts.push(Hurt { order: order(first.segment, 0), is_flip: self.has_flipped_header() });
            }
        }
        // sled begins no message where its head may not fit.
        while at < self.bytes.len() && at <= SEGMENT_BYTES - MOST_HEAD_BYTES {
            let intact = self.head(at).filter(|head| head.is_intact);
            let is_hurt = intact.is_none() && (segment.is_none() || segment == self.number);
            let head = intact.or_else(|| self.repair(at)).or_else(|| self.head(at));
            let Some(head) = head.filter(|head| head.is_intact || self.is_damaged(head, segment)) else {
                let next = self.find_next(at + 1);
                let number = next.and_then(|next| self.head(next)).map(|head| head.segment);
                // The end is blank, or what is left from an earlier writing of the segment follows.
                log.lacks_some |=
                    if number.is_none() { !self.is_blank(at) } else { segment.is_none() || number >= segment };
                if let Some(number) = number.filter(|number| is_hurt && self.number == Some(*number)) {
                    log.hurts.push(Hurt { order: order(number, at), is_flip: false });
                }
                let Some(next) = next else { return };
                at = next;
                continue;
            };
            let order = order(head.segment, at);
            if is_hurt && self.number.is_none_or(|number| number == head.segment) {
                let goes_on = self.head(head.end).is_some_and(|next| next.is_intact)
                    || self.is_blank(head.end) && self.is_in_one_sector(at, head.end);
                log.hurts.push(Hurt { order, is_flip: head.is_intact && goes_on });
            }
            if head.is_intact {
                segment = Some(head.segment);
            }
            log.lacks_some |= !head.is_intact;
            log.end = log.end.max(order.saturating_add((head.end - at) as u64));
            let end = head.end.min(self.bytes.len());
            if head.is_intact && kind(head.kind) == Kind::Batch {
                log.last_batch = log.last_batch.max(Some(order));
            }
            log.messages.push(Message {
                kind: kind(head.kind),
                page: head.page,
                order,
                is_intact: head.is_intact,
                offset: self.start + head.content as u64,
                length: end - head.content.min(end),
            });
            at = head.end;
        }
    }

    /// Whether one bit makes its header wrong.
    fn has_flipped_header(&self) -> bool {
        let Some((checksum, fields)) = self.bytes[..SEGMENT_HEAD_BYTES].split_at_checked(CHECKSUM_BYTES) else {
            return false;
        };
        let (found, expected) = (!crc32fast::hash(fields), u32::from_le_bytes(checksum.try_into().unwrap_or_default()));
        (found ^ expected).is_power_of_two() || find_flipped_bit(found, expected, 8 * fields.len()).is_some()
    }

    /// Reads the head of a message at `at`; `None`: there is none.
    fn head(&self, at: usize) -> Option<Head> {
        let mut cursor = Cursor { bytes: self.bytes, at: at + CHECKSUM_BYTES };
        let kind = cursor.read_byte().filter(|kind| (1..=11).contains(kind))?;
        let (length, segment, page) = (cursor.read_number()?, cursor.read_number()?, cursor.read_number()?);
        let content = cursor.at;
        let end = content.checked_add(usize::try_from(length).ok()?)?;
        if end > SEGMENT_BYTES || segment > self.newest || (page > MOST_PAGES && !NO_PAGES.contains(&page)) {
            return None;
        }
        let is_intact = self.bytes.get(content..end).is_some_and(|bytes| {
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(bytes);
            checksum.update(&self.bytes[at + CHECKSUM_BYTES..content]);
            self.bytes[at..].starts_with(&(!checksum.finalize()).to_le_bytes())
        });
        Some(Head { kind, segment, page, content, end, is_intact })
    }

    /// Looks for one flipped bit in the message at `at`, and reads the file without it from then on.
    fn repair(&mut self, at: usize) -> Option<Head> {
        let checked = at + CHECKSUM_BYTES;
        if self.is_blank(at) {
            return None;
        }
        if let Some(head) = self.head(at)
            && let Some(content) = self.bytes.get(head.content..head.end)
        {
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(content);
            checksum.update(&self.bytes[checked..head.content]);
            let expected = u32::from_le_bytes(self.bytes[at..checked].try_into().ok()?);
            // The head is the end of what the checksum is of.
            let (head_bits, bits) = (8 * (head.content - checked), 8 * (head.end - checked));
            let found = find_flipped_bit(!checksum.finalize(), expected, bits);
            let place = |bit: usize| {
                if bit < head_bits { head.content - 1 - bit / 8 } else { head.end - 1 - (bit - head_bits) / 8 }
            };
            if let Some(repaired) = found.and_then(|bit| self.flip(at, place(bit), 0x80 >> (bit % 8))) {
                return Some(repaired);
            }
        }
        // The length, by which nothing else is where it seems to be, or the checksum itself.
        let ends = (at + MOST_HEAD_BYTES).min(self.bytes.len());
        (at..ends)
            .flat_map(|place| (0..8).map(move |bit| (place, 1 << bit)))
            .find_map(|(place, bit)| self.flip(at, place, bit))
    }

    /// Flips a bit, for good if the message at `at` is intact then.
    fn flip(&mut self, at: usize, place: usize, bit: u8) -> Option<Head> {
        self.bytes[place] ^= bit;
        let head = self.head(at);
        if head.as_ref().is_some_and(|head| head.is_intact) {
            self.file.repair(self.start + place as u64, bit);
            return head;
        }
        self.bytes[place] ^= bit;
        let checked = head.map_or(0, |head| head.end.min(self.bytes.len()) - at);
        self.left = self.left.saturating_sub(checked);
        None
    }

    /// Whether a cut of power leaves all that is there or nothing. Of what is longer it may leave a part, whose checksum may by
    /// chance look as if one bit were flipped.
    fn is_in_one_sector(&self, at: usize, end: usize) -> bool {
        const SECTOR_BYTES: u64 = 512;
        let sector = |at: usize| (self.start + at as u64) / SECTOR_BYTES;
        sector(at) == sector(end.saturating_sub(1))
    }

    /// Whether nothing was written at `at`.
    fn is_blank(&self, at: usize) -> bool {
        self.bytes[at.min(self.bytes.len())..].iter().take(MOST_HEAD_BYTES).all(|byte| *byte == 0)
    }

    /// Whether a message with a wrong checksum is one, and as long as it says: another follows, or nothing, or the file is cut.
    /// What lies within it is not looked at then, since it may be laid out by whoever wrote the document.
    fn is_damaged(&self, head: &Head, segment: Option<u64>) -> bool {
        let is_of_segment = segment.is_none_or(|segment| head.segment == segment);
        is_of_segment && self.is_blank(head.end)
            || self
                .head(head.end)
                .is_some_and(|next| next.is_intact && (is_of_segment || segment == Some(next.segment)))
    }

    /// The next place with an intact message.
    fn find_next(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        while at + CHECKSUM_BYTES < self.bytes.len() {
            // Most of a segment may never have been written.
            if self.bytes.get(at..at + BLANK.len()) == Some(&BLANK) {
                at += BLANK.len() - CHECKSUM_BYTES;
                continue;
            }
            if self.bytes[at + CHECKSUM_BYTES] != 0
                && let Some(head) = self.head(at)
            {
                if head.is_intact {
                    return Some(at);
                }
                self.left = self.left.checked_sub(head.end.min(self.bytes.len()) - at)?;
            }
            at += 1;
        }
        None
    }
}

fn kind(byte: u8) -> Kind {
    match byte {
        3 => Kind::Batch,
        4 => Kind::Free,
        8 => Kind::Node,
        10 => Kind::Link,
        _ => Kind::Other,
    }
}
