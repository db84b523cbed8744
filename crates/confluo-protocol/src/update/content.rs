//! The content of an item: its kind, its length in clocks, and whether both Yjs and yrs can read it.

use super::{Fault, Malformed, UpdateLimits, json::check_json};
use crate::{DecodeError, Reader, varint::MAX_SAFE_INTEGER};

pub(super) const CONTENT_DELETED: u8 = 1;
const CONTENT_JSON: u8 = 2;
const CONTENT_BINARY: u8 = 3;
pub(super) const CONTENT_STRING: u8 = 4;
const CONTENT_EMBED: u8 = 5;
const CONTENT_FORMAT: u8 = 6;
pub(super) const CONTENT_TYPE: u8 = 7;
pub(super) const CONTENT_ANY: u8 = 8;
pub(super) const CONTENT_DOC: u8 = 9;
pub(super) const CONTENT_MOVE: u8 = 11;

/// Reads an item's content and returns its length in clocks.
pub(super) fn walk_content(reader: &mut Reader<'_>, kind: u8, limits: UpdateLimits) -> Result<u64, Fault> {
    match kind {
        CONTENT_DELETED => Ok(reader.read_var_uint()?),
        // A legacy form that today's Yjs only reads. yrs 0.28.1 reads one string too many, and misreads all that follows.
        CONTENT_JSON => Err(Fault::Unsupported("ContentJSON")),
        CONTENT_BINARY => {
            reader.read_var_string_bytes()?;
            Ok(1)
        }
        CONTENT_STRING => Ok(utf16_length(reader.read_var_str()?)),
        CONTENT_EMBED => {
            check_json(reader.read_var_str()?, limits.max_nesting)?;
            Ok(1)
        }
        CONTENT_FORMAT => {
            reader.read_var_str()?;
            check_json(reader.read_var_str()?, limits.max_nesting)?;
            Ok(1)
        }
        CONTENT_TYPE => {
            walk_type(reader)?;
            Ok(1)
        }
        CONTENT_ANY => {
            let values = read_value_count(reader, 1)?;
            for _ in 0..values {
                walk_any(reader, limits.max_nesting)?;
            }
            Ok(values)
        }
        CONTENT_DOC => {
            reader.read_var_str()?;
            // yjs takes properties of it, yrs reads whatever it is: only an object is the same to both.
            if reader.clone().read_u8()? != ANY_OBJECT {
                return Err(Malformed::InvalidDocOptions.into());
            }
            walk_any(reader, limits.max_nesting)?;
            Ok(1)
        }
        CONTENT_MOVE => Err(Fault::Unsupported("Move")),
        _ => Err(DecodeError::UnknownKind { what: "struct", kind: u64::from(kind) }.into()),
    }
}

/// The length of a text as Yjs counts it.
pub(super) fn utf16_length(text: &str) -> u64 {
    // One unit for each byte that starts a character, and one more for each that starts a character of four bytes.
    text.bytes().map(|byte| u64::from(byte & 0xc0 != 0x80) + u64::from(byte >= 0xf0)).sum()
}

/// A shared type inside another: only XML elements carry more than their number, their name.
fn walk_type(reader: &mut Reader<'_>) -> Result<(), Fault> {
    // yrs reads one byte where yjs reads a varUint; the same for every type that exists.
    match reader.read_u8()? {
        0 | 1 | 2 | 4 | 6 => Ok(()),
        3 => {
            reader.read_var_str()?;
            Ok(())
        }
        5 => Err(Fault::Unsupported("XmlHook")),
        7 => Err(Fault::Unsupported("WeakRef")),
        kind => Err(DecodeError::UnknownKind { what: "type", kind: u64::from(kind) }.into()),
    }
}

const ANY_BUFFER: u8 = 116;
const ANY_ARRAY: u8 = 117;
const ANY_OBJECT: u8 = 118;
const ANY_STRING: u8 = 119;
const ANY_BIGINT: u8 = 122;
const ANY_FLOAT64: u8 = 123;
const ANY_FLOAT32: u8 = 124;
const ANY_INTEGER: u8 = 125;

/// Reads one value of lib0's `Any` encoding, with arrays and objects at most `nesting` deep.
fn walk_any(reader: &mut Reader<'_>, nesting: usize) -> Result<(), Fault> {
    match reader.read_u8()? {
        ANY_BUFFER => drop(reader.read_var_string_bytes()?),
        ANY_ARRAY => {
            let inner = nesting.checked_sub(1).ok_or(Malformed::NestedTooDeeply)?;
            for _ in 0..read_value_count(reader, 1)? {
                walk_any(reader, inner)?;
            }
        }
        ANY_OBJECT => {
            let inner = nesting.checked_sub(1).ok_or(Malformed::NestedTooDeeply)?;
            for _ in 0..read_value_count(reader, 2)? {
                reader.read_var_str()?;
                walk_any(reader, inner)?;
            }
        }
        ANY_STRING => drop(reader.read_var_str()?),
        ANY_BIGINT | ANY_FLOAT64 => drop(reader.read_slice(8)?),
        ANY_FLOAT32 => drop(reader.read_slice(4)?),
        ANY_INTEGER => walk_var_int(reader)?,
        // False, true, null, undefined.
        120 | 121 | 126 | 127 => {}
        kind => return Err(DecodeError::UnknownKind { what: "value", kind: u64::from(kind) }.into()),
    }
    Ok(())
}

fn read_value_count(reader: &mut Reader<'_>, entry_bytes: u64) -> Result<u64, Fault> {
    super::read_count(reader, entry_bytes).map(|count| count as u64)
}

/// Reads a signed integer: one bit says whether more bytes follow, one is the sign, then 6 and further on 7 bits each.
fn walk_var_int(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut byte = reader.read_u8()?;
    let mut value = u64::from(byte & 0b0011_1111);
    let mut shift = 6;
    while byte >= 0x80 {
        byte = reader.read_u8()?;
        if shift > 48 {
            return Err(DecodeError::IntegerTooLarge);
        }
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if value > MAX_SAFE_INTEGER {
            return Err(DecodeError::IntegerTooLarge);
        }
    }
    Ok(())
}
