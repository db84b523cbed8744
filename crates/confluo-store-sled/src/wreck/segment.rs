//! The messages of one segment of sled's log.
//!
//! 1. Behind its header a chain begins: each message where the one before it ends ([`Segment::walk`]). A bit of one may be
//!    flipped, or what it holds be wrong, as long as its length leads to the next.
//! 2. Where the chain breaks, every byte is tried until there is an intact message ([`Segment::find_next`]), and the chain that
//!    begins there is walked. What has the segment's number was written behind the break; what has a lower one is a leftover.
//!
//! Bytes may be laid out so that much has to be computed for each of them: then the rest of the segment is given up.

use confluo_store::WreckFile;

use super::{
    content::Cursor,
    log::{CHECKSUM_BYTES, Hurt, Kind, Log, Message, SEGMENT_HEAD_BYTES, Standing},
    repair::find_flipped_bit,
};
use crate::open::SEGMENT_BYTES;

/// No head of a message is longer.
const MOST_HEAD_BYTES: usize = 32;
/// So many times as long as a segment is what checksums are computed of, and as long as the longest segment in short ones.
const MOST_TIMES: usize = 64;
/// In a stretch like this no message begins before its last bytes.
const BLANK: [u8; 4096] = [0; 4096];
/// More than a disk holds.
const MOST_PAGES: u64 = 1 << 37;
/// The pages of messages that are about none: where a batch ends, and that nothing more follows in the segment.
const NO_PAGES: [u64; 2] = [u64::MAX - 666, u64::MAX];

pub(super) struct Segment<'a> {
    file: &'a WreckFile,
    start: u64,
    bytes: &'a mut Vec<u8>,
    /// The highest number that any segment has.
    newest: u64,
    /// Its own, as far as its beginning tells.
    number: Option<u64>,
    /// Of how many bytes checksums may still be computed.
    left: usize,
}

/// Messages each of which leads to the next.
struct Chain {
    /// Where the next one begins.
    at: usize,
    /// The number of the segment that they were written for, if any was intact so far.
    number: Option<u64>,
    standing: Standing,
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

impl<'a> Segment<'a> {
    /// The one of which these are the `bytes`, and whose header tells that number, in a log with numbers up to `newest`.
    pub(super) fn new(
        file: &'a WreckFile,
        start: u64,
        bytes: &'a mut Vec<u8>,
        newest: u64,
        number: Option<u64>,
    ) -> Self {
        let left = MOST_TIMES * bytes.len() + SEGMENT_BYTES;
        Self { file, start, bytes, newest, number, left }
    }

    /// Adds what is in it. sled reads segments with a number of at least `from`.
    pub(super) fn read(mut self, log: &mut Log, from: u64) {
        self.read_beginning(log, from);
        let mut chain = Chain { at: SEGMENT_HEAD_BYTES, number: None, standing: Standing::InChain };
        self.walk(&mut chain, log);
        // What is known by now, for telling leftovers from what was written behind a break.
        let mut own = chain.number.or(self.number);
        while let Some(next) = self.find_chain_behind(&chain, own, log) {
            chain = next;
            own = own.or(chain.number);
            self.walk(&mut chain, log);
        }
    }

    /// Without its header sled passes a segment over. It does not look for those before its snapshot.
    fn read_beginning(&mut self, log: &mut Log, from: u64) {
        if self.number.is_none()
            && let Some(first) = self.head(SEGMENT_HEAD_BYTES).filter(|first| first.is_intact)
        {
            self.number = Some(first.segment);
            if first.segment >= from {
                log.hurts.push(Hurt { order: order(first.segment, 0), is_flip: self.has_flipped_header() });
            }
        }
    }

    /// Adds the messages of a chain from where it is on, and leaves it where none of its own begins.
    fn walk(&mut self, chain: &mut Chain, log: &mut Log) {
        while begins_within(chain.at, self.bytes) {
            let at = chain.at;
            let expected = chain.number.or(self.number);
            let intact = self.head(at).filter(|head| head.is_intact);
            let is_hurt = intact.is_none() && self.is_own(chain);
            let head = intact.or_else(|| self.repair(at)).or_else(|| self.find_damaged(at, chain.number));
            let Some(head) = head else { return };
            if head.is_intact && expected.is_some_and(|expected| expected != head.segment) {
                return;
            }
            if is_hurt && self.number.is_none_or(|number| number == head.segment) {
                let goes_on = self.head(head.end).is_some_and(|next| next.is_intact)
                    || self.is_blank(head.end) && self.is_in_one_sector(at, head.end);
                log.hurts.push(Hurt { order: order(head.segment, at), is_flip: head.is_intact && goes_on });
            }
            if head.is_intact {
                chain.number = Some(head.segment);
            }
            log.lacks_some |= !head.is_intact && chain.standing != Standing::Leftover;
            chain.at = head.end;
            self.add(&head, at, chain.standing, log);
        }
    }

    /// The next chain behind the end of one; `own` is the number of what was written last in the segment.
    fn find_chain_behind(&mut self, chain: &Chain, own: Option<u64>, log: &mut Log) -> Option<Chain> {
        if !begins_within(chain.at, self.bytes) {
            return None;
        }
        let Some((at, number)) = self.find_next(chain.at) else {
            // The end is blank, if it is one.
            let is_end = chain.standing == Standing::Leftover || self.is_blank(chain.at);
            log.lacks_some |= !is_end || self.left == 0;
            return None;
        };
        let is_leftover = own.is_some_and(|own| number < own);
        let is_all_gone = chain.standing == Standing::InChain && chain.number.is_none() && at > chain.at;
        log.lacks_some |= !is_leftover || is_all_gone;
        if at > chain.at && self.is_own(chain) && self.number == Some(number) {
            log.hurts.push(Hurt { order: order(number, chain.at), is_flip: false });
        }
        let standing = if is_leftover { Standing::Leftover } else { Standing::BehindBreak };
        Some(Chain { at, number: Some(number), standing })
    }

    /// Whether sled, if it came to that chain, would take it for this segment's.
    fn is_own(&self, chain: &Chain) -> bool {
        chain.number.is_none() || chain.number == self.number
    }

    fn add(&self, head: &Head, at: usize, standing: Standing, log: &mut Log) {
        let order = order(head.segment, at);
        let end = head.end.min(self.bytes.len());
        let content = head.content.min(end)..end;
        log.end = log.end.max(order.saturating_add((head.end - at) as u64));
        let kind = kind(head.kind);
        if head.is_intact && kind == Kind::Batch {
            log.last_batch = log.last_batch.max(Some(order));
            let batch_end = self.bytes[content.clone()].try_into().map(u64::from_le_bytes);
            log.batch_end = log.batch_end.max(batch_end.unwrap_or(0));
        }
        // What is damaged may have been about a page.
        if !head.is_intact || !matches!(kind, Kind::Batch | Kind::Other) {
            let (offset, length) = (self.start + content.start as u64, content.len() as u32);
            let (page, is_intact) = (head.page, head.is_intact);
            log.messages.push(Message { kind, page, order, standing, is_intact, offset, length });
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

    /// Reads the head of a message at `at`; `None`: there is none, or too much was computed already.
    fn head(&mut self, at: usize) -> Option<Head> {
        let mut cursor = Cursor { bytes: self.bytes, at: at + CHECKSUM_BYTES };
        let kind = cursor.read_byte().filter(|kind| (1..=11).contains(kind))?;
        let (length, segment, page) = (cursor.read_number()?, cursor.read_number()?, cursor.read_number()?);
        let content = cursor.at;
        let end = content.checked_add(usize::try_from(length).ok()?)?;
        let is_possible = end <= SEGMENT_BYTES && segment <= self.newest;
        if !is_possible || (page > MOST_PAGES && !NO_PAGES.contains(&page)) || self.left == 0 {
            return None;
        }
        let is_intact =
            self.checksum(at, content, end).is_some_and(|found| self.bytes[at..].starts_with(&found.to_le_bytes()));
        self.left = self.left.saturating_sub(end.min(self.bytes.len()) - at);
        Some(Head { kind, segment, page, content, end, is_intact })
    }

    /// What the checksum of a message is by its bytes; `None`: it is not all there.
    fn checksum(&self, at: usize, content: usize, end: usize) -> Option<u32> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(self.bytes.get(content..end)?);
        checksum.update(&self.bytes[at + CHECKSUM_BYTES..content]);
        Some(!checksum.finalize())
    }

    /// Looks for one flipped bit in the message at `at`, and reads the file without it from then on.
    fn repair(&mut self, at: usize) -> Option<Head> {
        let checked = at + CHECKSUM_BYTES;
        if self.is_blank(at) {
            return None;
        }
        if let Some(head) = self.head(at)
            && let Some(found) = self.checksum(at, head.content, head.end)
        {
            let expected = u32::from_le_bytes(self.bytes[at..checked].try_into().ok()?);
            // The head is the end of what the checksum is of.
            let (head_bits, bits) = (8 * (head.content - checked), 8 * (head.end - checked));
            self.left = self.left.saturating_sub(bits);
            let place = |bit: usize| {
                if bit < head_bits { head.content - 1 - bit / 8 } else { head.end - 1 - (bit - head_bits) / 8 }
            };
            let flipped = find_flipped_bit(found, expected, bits);
            if let Some(repaired) = flipped.and_then(|bit| self.flip(at, place(bit), 0x80 >> (bit % 8))) {
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
        let intact = self.head(at).filter(|head| head.is_intact);
        if intact.is_some() {
            self.file.repair(self.start + place as u64, bit);
        } else {
            self.bytes[place] ^= bit;
        }
        intact
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

    /// A message with a wrong checksum, if it is one, and as long as it says: another follows, or nothing, or the file is cut.
    /// What lies within it is not looked at then, since it may be laid out by whoever wrote the document.
    fn find_damaged(&mut self, at: usize, segment: Option<u64>) -> Option<Head> {
        let head = self.head(at)?;
        let is_of_segment = segment.is_none_or(|segment| head.segment == segment);
        let is_followed = is_of_segment && self.is_blank(head.end)
            || self
                .head(head.end)
                .is_some_and(|next| next.is_intact && (is_of_segment || segment == Some(next.segment)));
        is_followed.then_some(head)
    }

    /// The next place with an intact message, and the number of the segment that it was written for.
    fn find_next(&mut self, from: usize) -> Option<(usize, u64)> {
        let mut at = from;
        while at + CHECKSUM_BYTES < self.bytes.len() && self.left > 0 {
            // Most of a segment may never have been written.
            if self.bytes.get(at..at + BLANK.len()) == Some(&BLANK) {
                at += BLANK.len() - CHECKSUM_BYTES;
                continue;
            }
            if self.bytes[at + CHECKSUM_BYTES] != 0
                && let Some(head) = self.head(at).filter(|head| head.is_intact)
            {
                return Some((at, head.segment));
            }
            at += 1;
        }
        None
    }
}

/// Whether a message may begin there: sled begins none where its head may not fit.
fn begins_within(at: usize, bytes: &[u8]) -> bool {
    at < bytes.len() && at <= SEGMENT_BYTES - MOST_HEAD_BYTES
}

/// Where in all that was ever written a place of a segment is.
fn order(segment: u64, at: usize) -> u64 {
    segment.wrapping_mul(SEGMENT_BYTES as u64).wrapping_add(at as u64)
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
