//! One struct of an update: its info byte, what it refers to, and its content.

use smallvec::SmallVec;

use super::{
    Fault, Malformed, UpdateLimits,
    content::{CONTENT_DELETED, CONTENT_DOC, CONTENT_MOVE, CONTENT_TYPE, walk_content},
    read_client, read_clock,
};
use crate::{ClientId, DecodeError, Reader};

const KIND_GC: u8 = 0;
const KIND_SKIP: u8 = 10;
pub(super) const KIND_MASK: u8 = 0b0001_1111;
pub(super) const HAS_ORIGIN: u8 = 0b1000_0000;
pub(super) const HAS_RIGHT_ORIGIN: u8 = 0b0100_0000;
pub(super) const HAS_PARENT_SUB: u8 = 0b0010_0000;

/// A struct that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walked {
    pub(super) length: u64,
    pub(super) kind: StructKind,
}

impl Walked {
    pub(super) fn is_skip(self) -> bool {
        self.kind == StructKind::Skip
    }
}

/// What a struct is, as far as anybody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StructKind {
    Skip,
    /// Nothing is left of it but its clocks.
    Collected,
    /// Nobody knows any more what it was.
    Deleted,
    /// A shared type, which may have children.
    Type,
    Subdocument,
    Other,
}

impl StructKind {
    /// Whether it is a shared type, or may have been.
    pub(super) fn may_have_children(self) -> bool {
        matches!(self, Self::Type | Self::Collected | Self::Deleted)
    }
}

/// What a struct's reference says of the struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It was put right of this item.
    Origin,
    /// It was put left of this item.
    RightOrigin,
    /// It was put into this shared type.
    Parent,
}

/// Hears of each item of *another* client that a struct refers to as its origin, right origin or parent.
pub(super) trait ForeignReferences {
    fn add(&mut self, client: ClientId, clock: u32);

    /// Hears of each reference, also of those to the same client.
    fn add_link(&mut self, _client: ClientId, _clock: u32, _relation: Relation) {}
}

/// Reads one struct of `client` that starts at `clock`.
pub(super) fn walk_struct(
    reader: &mut Reader<'_>,
    client: ClientId,
    clock: u32,
    limits: UpdateLimits,
    foreign: &mut impl ForeignReferences,
) -> Result<Walked, Fault> {
    let info = reader.read_u8()?;
    let kind = info & KIND_MASK;
    let length = if kind == KIND_SKIP || kind == KIND_GC {
        // yjs ignores flags here, yrs takes such a struct for an item.
        if info != kind {
            return Err(Malformed::InvalidFlags(info).into());
        }
        reader.read_var_uint()?
    } else {
        if kind > CONTENT_MOVE {
            return Err(DecodeError::UnknownKind { what: "struct", kind: u64::from(kind) }.into());
        }
        walk_parent(reader, info, client, clock, foreign)?;
        walk_content(reader, kind, limits)?
    };
    if length == 0 {
        return Err(Malformed::EmptyStruct.into());
    }
    let kind = match kind {
        KIND_SKIP => StructKind::Skip,
        KIND_GC => StructKind::Collected,
        CONTENT_DELETED => StructKind::Deleted,
        CONTENT_TYPE => StructKind::Type,
        CONTENT_DOC => StructKind::Subdocument,
        _ => StructKind::Other,
    };
    Ok(Walked { length, kind })
}

/// Reads where an item belongs. Only an item without origins names its parent: others take their neighbour's, and then
/// the flag for a key stands although no key follows.
pub(super) fn walk_parent(
    reader: &mut Reader<'_>,
    info: u8,
    client: ClientId,
    clock: u32,
    foreign: &mut impl ForeignReferences,
) -> Result<(), Fault> {
    let mut refer = |reader: &mut Reader<'_>, relation: Relation| {
        let (to_client, to_clock) = (read_client(reader)?, read_clock(reader)?);
        foreign.add_link(to_client, to_clock, relation);
        if to_client != client {
            foreign.add(to_client, to_clock);
        } else if to_clock >= clock {
            return Err(Fault::from(Malformed::RefersToLater));
        }
        Ok(())
    };
    if info & HAS_ORIGIN != 0 {
        refer(reader, Relation::Origin)?;
    }
    if info & HAS_RIGHT_ORIGIN != 0 {
        refer(reader, Relation::RightOrigin)?;
    }
    if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
        match reader.read_var_uint()? {
            0 => refer(reader, Relation::Parent)?,
            1 => drop(reader.read_var_str()?),
            _ => return Err(Malformed::InvalidParentKind.into()),
        }
        if info & HAS_PARENT_SUB != 0 {
            reader.read_var_str()?;
        }
    }
    Ok(())
}

/// How much of other clients an update builds on: per client the clock that the document must have reached.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    reached: SmallVec<[(ClientId, u32); 4]>,
    /// Set when more clients are referred to than are worth remembering; then the bytes must be walked again.
    many: bool,
}

/// Remembering more would make the check quadratic.
const MAX_REMEMBERED: usize = 8;

impl ForeignReferences for References {
    fn add(&mut self, client: ClientId, clock: u32) {
        let end = clock + 1;
        if let Some((_, known)) = self.reached.iter_mut().find(|(other, _)| *other == client) {
            *known = end.max(*known);
        } else if self.reached.len() < MAX_REMEMBERED {
            self.reached.push((client, end));
        } else {
            self.many = true;
        }
    }
}

impl References {
    /// Whether a document with these clocks has everything that is referred to.
    pub(super) fn are_known(&self, mut clock: impl FnMut(ClientId) -> u32) -> bool {
        !self.many && self.reached.iter().all(|&(client, end)| clock(client) >= end)
    }
}
