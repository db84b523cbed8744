//! Joins what one client put in one after the other: a struct for each keystroke says no more than one struct for the
//! run, in ten times the bytes.
//!
//! To Yjs a text of n units is n texts of one unit, each with the one before it as its origin and with the same right
//! origin. So two neighbours are joined when the second says just that, and both are texts, or both lists of plain
//! values. Entries of maps are left alone: there each replaces the one before it. (An entry need not say that it is one, if
//! the one before it does. No client writes such, and whoever does is given one value of several pieces.)

use std::collections::BTreeMap;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    Fault, UpdateLimits,
    admission::{join_ranges, write_deletes},
    clock_after,
    content::{CONTENT_ANY, CONTENT_STRING, utf16_length, walk_content},
    read_client, read_clock, read_deletes,
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

/// Writes updates that follow on each other as one, with neighbours joined: the same content to whoever knows what came
/// before the first of them.
///
/// `None` where that is not simple, as it is of what people type: of a client's structs those of a later update must go on
/// where the earlier ended, without a gap, and only some clients may have any. Not meant for updates that repeat what is
/// known ([`Admission::repeats`](super::Admission::repeats)): what is joined to that is no longer told where it stands.
pub fn join_updates(updates: &[UpdateV1]) -> Option<UpdateV1> {
    /// What is kept of a client takes more memory than its shortest struct.
    const MOST_CLIENTS: usize = 256;
    let mut sections: BTreeMap<ClientId, Section<'_>> = BTreeMap::new();
    let mut deletes = SmallVec::new();
    for update in updates {
        let mut reader = Reader::new(&update.0);
        for _ in 0..reader.read_var_uint().ok()? {
            let structs = reader.read_var_uint().ok()?;
            let (client, clock) = (read_client(&mut reader).ok()?, read_clock(&mut reader).ok()?);
            let section = sections.entry(client).or_insert_with(|| Section::new(clock));
            if section.clock != clock {
                return None;
            }
            section.take(&mut reader, client, structs).ok()?;
            if section.joiner.has_skipped || sections.len() > MOST_CLIENTS {
                return None;
            }
        }
        read_deletes(&mut reader, &mut deletes).ok()?;
    }
    let mut writer = Writer::with_capacity(updates.iter().map(|update| update.0.len()).sum());
    writer.write_var_uint(sections.len() as u64);
    // Descending, as Yjs writes them.
    for (client, section) in sections.into_iter().rev() {
        section.write(client, &mut writer);
    }
    write_deletes(&mut writer, &join_ranges(deletes));
    Some(UpdateV1(writer.finish()))
}

/// `None` if there is nothing to join.
fn join(bytes: &Bytes) -> Result<Option<Bytes>, Fault> {
    let mut reader = Reader::new(bytes);
    let mut writer = Writer::with_capacity(bytes.len());
    let mut has_joined = false;
    let sections = reader.read_var_uint()?;
    writer.write_var_uint(sections);
    for _ in 0..sections {
        let structs = reader.read_var_uint()?;
        let (client, clock) = (read_client(&mut reader)?, read_clock(&mut reader)?);
        let mut section = Section::new(clock);
        section.take(&mut reader, client, structs)?;
        has_joined |= section.write(client, &mut writer) < structs;
    }
    writer.write_raw(&bytes[reader.position()..]);
    Ok(has_joined.then(|| writer.finish()))
}

/// One client's structs.
struct Section<'a> {
    first_clock: u32,
    /// After the last of them.
    clock: u32,
    joiner: Joiner<'a>,
}

impl<'a> Section<'a> {
    fn new(clock: u32) -> Self {
        Self { first_clock: clock, clock, joiner: Joiner::default() }
    }

    fn take(&mut self, reader: &mut Reader<'a>, client: ClientId, structs: u64) -> Result<(), Fault> {
        for _ in 0..structs {
            self.clock = self.joiner.take(reader, client, self.clock)?;
        }
        Ok(())
    }

    /// Returns how many structs there are now.
    fn write(mut self, client: ClientId, writer: &mut Writer) -> u64 {
        self.joiner.end_run();
        writer.write_var_uint(self.joiner.structs).write_var_uint(client).write_var_uint(u64::from(self.first_clock));
        writer.write_raw(&self.joiner.written.finish());
        self.joiner.structs
    }
}

/// Writes one section's structs.
#[derive(Default)]
struct Joiner<'a> {
    written: Writer,
    structs: u64,
    /// Some clocks are left out between two structs.
    has_skipped: bool,
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
        let start = reader.clone();
        let info = start.clone().read_u8()?;
        let kind = info & KIND_MASK;
        if !matches!(kind, CONTENT_STRING | CONTENT_ANY) || info & HAS_PARENT_SUB != 0 {
            let walked = walk_struct(reader, client, clock, UpdateLimits::default(), &mut References::default())?;
            self.has_skipped |= walked.is_skip();
            self.end_run();
            self.write(between(start, reader)?);
            return clock_after(clock, walked.length);
        }
        reader.read_u8()?;
        let origin = if info & HAS_ORIGIN != 0 { Some(read_id(reader)?) } else { None };
        let right_start = reader.clone();
        if info & HAS_RIGHT_ORIGIN != 0 {
            read_id(reader)?;
        }
        let right_origin = between(right_start, reader)?;
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            walk_parent(reader, info, client, clock, &mut References::default())?;
        }
        let head = between(start, reader)?;
        let (count, content, length) = read_run(reader, kind)?;

        let follows = origin.is_some_and(|origin| clock > 0 && origin == (client, clock - 1));
        match &mut self.run {
            Some(run) if follows && run.goes_on_with(info, right_origin) => run.count += count,
            _ => {
                self.end_run();
                self.write(head);
                self.run = Some(Run { info, right_origin, count });
            }
        }
        self.content.extend_from_slice(content);
        clock_after(clock, length)
    }

    /// A struct, or its head.
    fn write(&mut self, bytes: &[u8]) {
        self.written.write_raw(bytes);
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
    Ok((count, between(values, reader)?, length))
}

/// The bytes from `start` to where the reader is now.
fn between<'a>(mut start: Reader<'a>, now: &Reader<'a>) -> Result<&'a [u8], Fault> {
    Ok(start.read_slice(start.remaining() - now.remaining())?)
}

impl Run<'_> {
    /// Whether an item right behind it is of the same kind and in the same place.
    fn goes_on_with(&self, info: u8, right_origin: &[u8]) -> bool {
        (self.info ^ info) & !HAS_ORIGIN == 0 && self.right_origin == right_origin
    }
}
