//! What a message says of its page.
//!
//! ```text
//! node = next page · merging page · is merging (1) · length of the prefix (1) · low key · high key · 0 | 1 · count · keys · values
//! link = 0 · key · value | 1 · key | 2… (about pages)
//! ```
//! Keys and values are byte arrays, with their length before them. Lengths, counts and pages are varints of sled's own.

use std::ops::Range;

use super::log::Kind;

/// A message's content. Ranges are of its bytes.
pub(super) enum Content {
    /// All that the page holds.
    Leaf(Node),
    /// A value is set.
    Set { key: Range<usize>, value: Range<usize> },
    /// A key is removed.
    Remove { key: Range<usize> },
    /// The page holds no pairs, or is no more.
    Nothing,
    /// Nothing about pairs.
    Other,
}

/// The pairs of a page, as far as they can be read.
pub(super) struct Node {
    /// What their keys begin with.
    pub(super) prefix: Vec<u8>,
    /// The rest of each key, and its value.
    pub(super) pairs: Vec<(Range<usize>, Range<usize>)>,
}

/// Reads a message; `None`: it is none.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Option<Content> {
    match kind {
        Kind::Node => read_node(bytes),
        Kind::Link => read_link(bytes),
        Kind::Free => Some(Content::Nothing),
        Kind::Batch | Kind::Other => Some(Content::Other),
    }
}

fn read_node(bytes: &[u8]) -> Option<Content> {
    let mut cursor = Cursor { bytes, at: 0 };
    let (_next, _merging_child) = (cursor.read_number()?, cursor.read_number()?);
    let (_is_merging, prefix_bytes) = (cursor.read_byte()?, cursor.read_byte()?);
    let (low, _high) = (cursor.read_array()?, cursor.read_array()?);
    let is_leaf = cursor.read_byte()? == 0;
    let count = cursor.read_number()?;
    if !is_leaf {
        return Some(Content::Nothing);
    }
    let prefix = bytes.get(low)?.get(..usize::from(prefix_bytes))?.to_vec();
    // As many as there are: the count may be what is damaged, and each takes a byte at least.
    let count = usize::try_from(count).ok().filter(|count| *count <= bytes.len())?;
    let keys: Vec<_> = (0..count).map_while(|_| cursor.read_array()).collect();
    let pairs = if keys.len() == count {
        keys.into_iter().map_while(|key| Some((key, cursor.read_array()?))).collect()
    } else {
        Vec::new()
    };
    Some(Content::Leaf(Node { prefix, pairs }))
}

fn read_link(bytes: &[u8]) -> Option<Content> {
    let mut cursor = Cursor { bytes, at: 0 };
    Some(match cursor.read_byte()? {
        0 => Content::Set { key: cursor.read_array()?, value: cursor.read_array()? },
        1 => Content::Remove { key: cursor.read_array()? },
        _ => Content::Other,
    })
}

/// Reads what sled writes; `None` where the bytes end.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Cursor<'_> {
    pub(super) fn read_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Up to 240 in one byte, up to 67,823 in two or three; beyond, how many bytes there are and the bytes, little-endian.
    pub(super) fn read_number(&mut self) -> Option<u64> {
        let first = u64::from(self.read_byte()?);
        Some(match first {
            0..=240 => first,
            241..=248 => 240 + 256 * (first - 241) + u64::from(self.read_byte()?),
            249 => 2288 + 256 * u64::from(self.read_byte()?) + u64::from(self.read_byte()?),
            _ => {
                let mut number = [0; 8];
                for byte in number.iter_mut().take(usize::try_from(first).ok()? - 247) {
                    *byte = self.read_byte()?;
                }
                u64::from_le_bytes(number)
            }
        })
    }

    fn read_array(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.read_number()?).ok()?;
        let array = self.at..self.at.checked_add(length)?;
        self.bytes.get(array.clone())?;
        self.at = array.end;
        Some(array)
    }
}
