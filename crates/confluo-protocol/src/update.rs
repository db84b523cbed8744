//! The structural check of an untrusted Yjs update (V1), and its admission into a document.
//!
//! yrs merges whatever it can decode, and decodes more than the JavaScript reference can. So an update of a client
//! first passes one walk over its bytes, [`check_update`], which refuses what either of the two would refuse, misread or
//! change. What passes is well formed, though not necessarily *due*: it may build on edits that the document does not
//! have yet. [`CheckedUpdate::admit`] hands out the part that the document can take now, and names what the rest, the
//! *early* part, waits for.
//!
//! An update is: a count of client sections; for each the count of its structs, the client id, the first clock and the
//! structs, whose clocks follow on each other; then the delete set: a count of clients; for each its id, a count of
//! ranges, and these as first clock and length. See `PROTOCOL.md`, rules SY8 to SY12.

mod admission;
mod content;
mod error;
mod frontier;
mod join;
mod json;
mod places;
mod spread;
mod stack;
mod walk;

pub use admission::{Admission, Clocks, Early, encode_deletes};
pub use error::{Malformed, UpdateError};
pub use join::{join_neighbours, join_updates};
pub use places::{ItemPlaces, MAX_TYPE_NESTING, Misplaced, NestedTooDeep};
pub use spread::{CrowdedIds, IdSpread};
pub use stack::with_stack_for;

use smallvec::SmallVec;

use crate::{ClientId, Reader, UpdateV1, varint::MAX_SAFE_INTEGER};
use error::Fault;
use walk::{References, StructKind, walk_struct};

/// The first clock that is refused. yrs computes with clocks as signed 32-bit numbers, and in encoding V2 with twice
/// their difference; a client would have to type for years to come here.
pub const MAX_CLOCK: u32 = 1 << 30;

/// What an update may ask of whoever reads it, beyond its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateLimits {
    /// How deep arrays and objects inside one embedded value may nest. At most 127: readers recurse, and serde stops there.
    pub max_nesting: usize,
}

impl Default for UpdateLimits {
    fn default() -> Self {
        Self { max_nesting: 100 }
    }
}

/// A run of one client's clocks: `start..end`, in UTF-16 code units, list elements and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockRange {
    /// Whose clocks.
    pub client: ClientId,
    /// The first clock.
    pub start: u32,
    /// The clock after the last one.
    pub end: u32,
}

/// An update that is well formed: yrs and yjs both decode it, to the same structs.
#[derive(Debug, Clone)]
pub struct CheckedUpdate {
    update: UpdateV1,
    limits: UpdateLimits,
    sections: SmallVec<[Section; 1]>,
    /// Each section's runs, one section after the other; `cuts` tells where in the bytes each of them ends.
    runs: SmallVec<[ClockRange; 2]>,
    cuts: SmallVec<[Cut; 2]>,
    references: References,
    /// Its subdocuments' ids.
    subdocuments: Vec<(ClientId, u32)>,
    deletes: SmallVec<[ClockRange; 2]>,
    /// Where the delete set starts.
    deletes_offset: usize,
}

/// One client's structs.
#[derive(Debug, Clone)]
struct Section {
    client: ClientId,
    /// The clock of the first struct, which may be a skip.
    clock: u32,
    /// Where the first struct starts.
    offset: usize,
    /// The section's first run, as an index.
    first_run: usize,
    /// The end of the whole section, skips included.
    end: Cut,
}

/// A place between two structs of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// How many of the section's structs come before.
    structs: u64,
    /// Where in the update's bytes.
    offset: usize,
}

impl CheckedUpdate {
    /// The bytes that were checked.
    pub fn update(&self) -> &UpdateV1 {
        &self.update
    }

    /// Whether there is nothing to apply: no structs (but skips) and no deletes.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.deletes.is_empty()
    }

    /// The runs of structs, client by client in the update's order; within a client ascending, broken by skips.
    pub fn clock_ranges(&self) -> &[ClockRange] {
        &self.runs
    }

    /// The deleted ranges, client by client in the update's order; they may overlap, and a stray one may be empty.
    pub fn delete_ranges(&self) -> &[ClockRange] {
        &self.deletes
    }

    /// The ids of the items that are subdocuments.
    pub fn subdocuments(&self) -> &[(ClientId, u32)] {
        &self.subdocuments
    }

    /// The index after the last run of the section at `index`.
    fn runs_end(&self, index: usize) -> usize {
        self.sections.get(index + 1).map_or(self.runs.len(), |next| next.first_run)
    }
}

/// Checks an update in one walk over its bytes, without copying them.
///
/// What is remembered of it takes a small multiple of its size, and nothing on the heap for an ordinary edit.
pub fn check_update(update: UpdateV1, limits: &UpdateLimits) -> Result<CheckedUpdate, UpdateError> {
    let checked = check_own(update, limits)?;
    let clients = checked.sections.iter().map(|section| section.client);
    // yrs makes a table of them before it looks at what they bring.
    let spread = IdSpread::default().add(clients.clone(), clients);
    spread.map_err(|crowded| Fault::from(Malformed::from(crowded)).at(checked.deletes_offset))?;
    Ok(checked)
}

/// The same for what comes from the server's own store or document: whether its client ids crowd was asked when they came.
pub fn check_own(update: UpdateV1, limits: &UpdateLimits) -> Result<CheckedUpdate, UpdateError> {
    let mut checked = CheckedUpdate {
        update: UpdateV1(bytes::Bytes::new()),
        limits: *limits,
        sections: SmallVec::new(),
        runs: SmallVec::new(),
        cuts: SmallVec::new(),
        references: References::default(),
        subdocuments: Vec::new(),
        deletes: SmallVec::new(),
        deletes_offset: 0,
    };
    let mut reader = Reader::new(&update.0);
    checked.read(&mut reader).map_err(|fault| fault.at(reader.position()))?;
    checked.update = update;
    Ok(checked)
}

impl CheckedUpdate {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let sections = read_count(reader, 5)?;
        self.sections.reserve(sections);
        for _ in 0..sections {
            self.read_section(reader)?;
        }
        let clients = self.sections.iter().map(|section| section.client);
        refuse_duplicates(clients)?;
        self.deletes_offset = reader.position();
        read_deletes(reader, &mut self.deletes)?;
        if !reader.is_empty() {
            return Err(crate::DecodeError::TrailingBytes.into());
        }
        Ok(())
    }

    fn read_section(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let structs = reader.read_var_uint()?;
        let client = read_client(reader)?;
        let start = read_clock(reader)?;
        let offset = reader.position();
        // yrs recurses once for each section without structs, and nobody writes one.
        if structs == 0 {
            return Err(Malformed::EmptySection.into());
        }
        if structs > reader.remaining() / 2 {
            return Err(Malformed::CountBeyondInput.into());
        }
        let first_run = self.runs.len();
        let mut clock = start;
        let mut end = Cut { structs: 0, offset };
        let mut run_goes_on = false;
        for _ in 0..structs {
            let walked = walk_struct(reader, client, clock, self.limits, &mut self.references)?;
            let next = clock_after(clock, walked.length)?;
            if walked.kind == StructKind::Subdocument {
                self.subdocuments.push((client, clock));
            }
            end = Cut { structs: end.structs + 1, offset: reader.position() };
            if walked.is_skip() {
                run_goes_on = false;
            } else if let (true, Some(run), Some(cut)) = (run_goes_on, self.runs.last_mut(), self.cuts.last_mut()) {
                run.end = next;
                *cut = end;
            } else {
                self.runs.push(ClockRange { client, start: clock, end: next });
                self.cuts.push(end);
                run_goes_on = true;
            }
            clock = next;
        }
        self.sections.push(Section { client, clock: start, offset, first_run, end });
        Ok(())
    }
}

/// Reads a delete set, and adds its ranges to those that are there.
fn read_deletes(reader: &mut Reader<'_>, deletes: &mut SmallVec<[ClockRange; 2]>) -> Result<(), Fault> {
    let clients = read_count(reader, 2)?;
    let mut seen: SmallVec<[ClientId; 4]> = SmallVec::with_capacity(clients);
    for _ in 0..clients {
        let client = read_client(reader)?;
        seen.push(client);
        let ranges = read_count(reader, 2)?;
        deletes.reserve(ranges);
        for _ in 0..ranges {
            let start = read_clock(reader)?;
            let length = reader.read_var_uint()?;
            deletes.push(ClockRange { client, start, end: clock_after(start, length)? });
        }
    }
    // yjs would apply both of two sections of one client, yrs only the second.
    refuse_duplicates(seen.iter().copied())
}

/// A count of entries that take at least `entry_bytes` each, so that it cannot lie about more than the input holds.
fn read_count(reader: &mut Reader<'_>, entry_bytes: u64) -> Result<usize, Fault> {
    let count = reader.read_var_uint()?;
    if count > reader.remaining() / entry_bytes {
        return Err(Malformed::CountBeyondInput.into());
    }
    Ok(count as usize)
}

fn read_client(reader: &mut Reader<'_>) -> Result<ClientId, Fault> {
    let client = reader.read_var_uint()?;
    debug_assert!(client <= MAX_SAFE_INTEGER, "a varUint has at most 53 bits");
    Ok(client)
}

/// The clock of a struct, or of the start of a delete range.
fn read_clock(reader: &mut Reader<'_>) -> Result<u32, Fault> {
    let clock = reader.read_var_uint()?;
    if clock >= u64::from(MAX_CLOCK) {
        return Err(Malformed::ClockTooLarge.into());
    }
    Ok(clock as u32)
}

fn clock_after(clock: u32, length: u64) -> Result<u32, Fault> {
    match u64::from(clock).checked_add(length) {
        Some(end) if end <= u64::from(MAX_CLOCK) => Ok(end as u32),
        _ => Err(Malformed::ClockTooLarge.into()),
    }
}

/// Refuses a client with two sections: yjs keeps the last of them, yrs joins them.
fn refuse_duplicates(clients: impl Iterator<Item = ClientId> + Clone) -> Result<(), Fault> {
    // Every encoder writes them in order, most of them descending.
    let pairs = || clients.clone().zip(clients.clone().skip(1));
    if pairs().all(|(first, second)| first > second) || pairs().all(|(first, second)| first < second) {
        return Ok(());
    }
    let mut sorted: Vec<ClientId> = clients.collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Malformed::DuplicateClient.into());
    }
    Ok(())
}
