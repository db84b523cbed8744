//! Joins what one client put in one after the other: a struct for each keystroke says no more than one struct for the
//! run, in ten times the bytes.
//!
//! To Yjs a text of n units is n texts of one unit, each with the one before it as its origin and with the same right
//! origin. So two neighbours are joined when the second says just that, and both are texts, or both lists of plain
//! values. Entries of maps are left alone: there each replaces the one before it.

use bytes::Bytes;

use super::{
    Fault, UpdateLimits, clock_after,
    content::{CONTENT_ANY, CONTENT_STRING, utf16_length, walk_content},
    read_client, read_clock,
    walk::{HAS_ORIGIN, HAS_PARENT_SUB, HAS_RIGHT_ORIGIN, KIND_MASK, References, walk_parent, walk_struct},
};
use crate::{ClientId, Reader, UpdateV1, Writer};

/// Writes an update again with neighbours joined: the same content to whoever reads it, whatever they know already.
///
/// It is meant for what this server encoded itself. What cannot be read comes back as it is.
pub fn join_neighbours(update: UpdateV1) -> UpdateV1 {
    match join(&update.0) {
        Ok(Some(joined)) => UpdateV1(joined),
        Ok(None) | Err(_) => update,
    }
}

/// `None` if there is nothing to join.
fn join(bytes: &Bytes) -> Result<Option<Bytes>, Fault> {
    let mut reader = Reader::new(bytes);
    let mut writer = Writer::with_capacity(bytes.len());
    let mut joiner = Joiner { whole: bytes, written: Writer::default(), structs: 0, run: None, content: Vec::new() };
    let mut has_joined = false;
    let sections = reader.read_var_uint()?;
    writer.write_var_uint(sections);
    for _ in 0..sections {
        let structs = reader.read_var_uint()?;
        let (client, first_clock) = (read_client(&mut reader)?, read_clock(&mut reader)?);
        let mut clock = first_clock;
        for _ in 0..structs {
            clock = joiner.take(&mut reader, client, clock)?;
        }
        joiner.end_run();
        has_joined |= joiner.structs < structs;
        writer.write_var_uint(joiner.structs).write_var_uint(client).write_var_uint(u64::from(first_clock));
        writer.write_raw(&std::mem::take(&mut joiner.written).finish());
        joiner.structs = 0;
    }
    writer.write_raw(&bytes[reader.position()..]);
    Ok(has_joined.then(|| writer.finish()))
}

/// Writes one section's structs.
struct Joiner<'a> {
    whole: &'a Bytes,
    written: Writer,
    structs: u64,
    run: Option<Run<'a>>,
    /// What the run holds, without its count.
    content: Vec<u8>,
}

/// A struct whose head is written, and to which what follows may be joined.
struct Run<'a> {
    info: u8,
    right_origin: &'a [u8],
    /// The bytes of a text, the values of a list.
    count: u64,
}

impl<'a> Joiner<'a> {
    /// Takes the struct at `clock` and returns the clock after it.
    fn take(&mut self, reader: &mut Reader<'a>, client: ClientId, clock: u32) -> Result<u32, Fault> {
        let start = reader.position();
        let info = reader.clone().read_u8()?;
        let kind = info & KIND_MASK;
        if !matches!(kind, CONTENT_STRING | CONTENT_ANY) || info & HAS_PARENT_SUB != 0 {
            let walked = walk_struct(reader, client, clock, UpdateLimits::default(), &mut References::default())?;
            self.end_run();
            self.write(start, reader.position());
            return clock_after(clock, walked.length);
        }
        reader.read_u8()?;
        let origin = if info & HAS_ORIGIN != 0 { Some(read_id(reader)?) } else { None };
        let right_start = reader.position();
        if info & HAS_RIGHT_ORIGIN != 0 {
            read_id(reader)?;
        }
        let right_origin = &self.whole[right_start..reader.position()];
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            walk_parent(reader, info, client, clock, &mut References::default())?;
        }
        let head_end = reader.position();
        let (count, content, length) = read_run(reader, kind)?;

        let follows = origin.is_some_and(|origin| clock > 0 && origin == (client, clock - 1));
        match &mut self.run {
            Some(run) if follows && run.goes_on_with(info, right_origin) => run.count += count,
            _ => {
                self.end_run();
                self.write(start, head_end);
                self.run = Some(Run { info, right_origin, count });
            }
        }
        self.content.extend_from_slice(content);
        clock_after(clock, length)
    }

    /// A struct, or its head.
    fn write(&mut self, start: usize, end: usize) {
        self.written.write_raw(&self.whole[start..end]);
        self.structs += 1;
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.written.write_var_uint(run.count).write_raw(&self.content);
            self.content.clear();
        }
    }
}

fn read_id(reader: &mut Reader<'_>) -> Result<(ClientId, u32), Fault> {
    Ok((read_client(reader)?, read_clock(reader)?))
}

/// A text or a list: what its count counts, what comes behind the count, and the length in clocks.
fn read_run<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<(u64, &'a [u8], u64), Fault> {
    if kind == CONTENT_STRING {
        let text = reader.read_var_str()?;
        return Ok((text.len() as u64, text.as_bytes(), utf16_length(text)));
    }
    let mut values = reader.clone();
    let length = walk_content(reader, kind, UpdateLimits::default())?;
    let count = values.read_var_uint()?;
    let values = values.read_slice(values.remaining() - reader.remaining())?;
    Ok((count, values, length))
}

impl Run<'_> {
    /// Whether an item right behind it is of the same kind and in the same place.
    fn goes_on_with(&self, info: u8, right_origin: &[u8]) -> bool {
        (self.info ^ info) & !HAS_ORIGIN == 0 && self.right_origin == right_origin
    }
}
