//! A stored document while no room is open on it: to look at it, to merge into it, and to carry it in and out.

mod describe;
mod markup;

use std::panic::catch_unwind;

use bytes::Bytes;
use confluo_protocol::{
    ClientId, UpdateV1,
    update::{Admission, CheckedUpdate, NestedTooDeep, UpdateError, UpdateLimits, check_update},
};
use serde_json::Value;
use yrs::{
    Doc, Map, MapRef, Out, ReadTxn, Snapshot, StateVector, Transact, Update,
    branch::BranchPtr,
    updates::{decoder::Decode, encoder::Encode},
};

use crate::document::{Broken, Document};

/// Why a document cannot be looked at, merged or converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The update did not pass the check of the protocol.
    #[error(transparent)]
    Refused(#[from] UpdateError),
    /// The update builds on what neither it nor the document has.
    #[error(
        "the update builds on edits that neither it nor the document has (of client {client}, from clock {clock} on); \
         take the whole document from its source, as `Y.encodeStateAsUpdate(doc)` gives it"
    )]
    Incomplete {
        /// Whose edits.
        client: ClientId,
        /// The clock that must be reached first.
        clock: u32,
    },
    /// The bytes are no update in encoding V2.
    #[error("not a Yjs update in encoding V2; if it is one in V1, say so with `--format v1`")]
    NotV2,
    /// Encoding V2 does not hold this document.
    #[error("the document does not read back the same from encoding V2; use `--format v1`")]
    LossyV2,
    /// There is no such root.
    #[error("there is no root {name:?}; without `--root` the roots are listed")]
    NoSuchRoot {
        /// What was asked for.
        name: String,
    },
    /// Shared types that nobody could have meant.
    #[error(
        "root {name:?} nests more than {} shared types in each other; export the document instead",
        describe::MAX_DEPTH
    )]
    TooDeep {
        /// The root.
        name: String,
    },
    /// Shared types that no server would take.
    #[error(transparent)]
    NestedTooDeep(#[from] NestedTooDeep),
    /// yrs panicked, or refused what passed our check.
    #[error("yrs cannot apply it although it is well formed; please report this, with the document if you can")]
    Broken,
}

impl From<Broken> for InspectError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// As what a root is read. A document does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RootKind {
    /// `Y.Text`
    Text,
    /// `Y.Map`
    Map,
    /// `Y.Array`
    Array,
    /// `Y.XmlFragment`
    Xml,
}

/// How much a root holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootSize {
    /// Its name.
    pub name: String,
    /// The length of its list: UTF-16 code units of a text, elements of an array, children of XML.
    pub length: u32,
    /// The keys of its map.
    pub keys: u32,
}

/// A document in memory that nobody edits.
pub struct Inspection {
    document: Document,
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspection").finish_non_exhaustive()
    }
}

impl Inspection {
    /// Builds a document from stored updates, oldest first. Those that cannot be applied are left out, and their places
    /// in `updates` returned.
    pub fn load(updates: &[UpdateV1]) -> Result<(Self, Vec<usize>), InspectError> {
        let (document, refused) = Document::load(updates)?;
        Ok((Self { document }, refused))
    }

    /// A new document.
    pub fn empty() -> Self {
        Self { document: Document::empty() }
    }

    /// Whether some of what was loaded refers to what is not there, and was left out.
    pub fn lost_content(&self) -> bool {
        self.document.lost_content_at_load()
    }

    /// Merges an update from outside, as a whole or not at all. Returns what it brought, to be stored; `None` if nothing.
    pub fn merge(&mut self, update: UpdateV1) -> Result<Option<UpdateV1>, InspectError> {
        let checked: CheckedUpdate = check_update(update, &UpdateLimits::default())?;
        let Admission { admitted, repeats, early, .. } = self.document.admit_import(&checked)?;
        if let Some(early) = early {
            let (client, clock) = early.waits_for.first().copied().unwrap_or_default();
            return Err(InspectError::Incomplete { client, clock });
        }
        let Some(admitted) = admitted else { return Ok(None) };
        let applied = self.document.apply(&[admitted], repeats)?;
        if applied.was_pruned {
            return Err(InspectError::Broken);
        }
        Ok(applied.update)
    }

    /// The whole document as one update.
    pub fn encode_v1(&mut self) -> Result<UpdateV1, InspectError> {
        Ok(UpdateV1(self.document.encode_state()?.into()))
    }

    /// The whole document as one update in encoding V2. yrs's V2 of a document with a past was not always readable, so it
    /// is written from a fresh copy, read back and compared.
    pub fn encode_v2(&mut self) -> Result<Bytes, InspectError> {
        let (mut fresh, refused) = Self::load(&[self.encode_v1()?])?;
        if !refused.is_empty() {
            return Err(InspectError::Broken);
        }
        let v2 = fresh.document.look(|doc| doc.transact().encode_state_as_update_v2(&StateVector::default()))?;
        let returned = update_from_v2(&v2).map_err(|_| InspectError::LossyV2)?;
        let (mut read_back, refused) = Self::load(&[returned])?;
        if !refused.is_empty() || read_back.lost_content() || read_back.seen()? != fresh.seen()? {
            return Err(InspectError::LossyV2);
        }
        Ok(v2.into())
    }

    /// The document's roots, by name.
    pub fn roots(&mut self) -> Result<Vec<RootSize>, InspectError> {
        let mut roots = self.document.look(|doc| {
            let transaction = doc.transact();
            let size = |(name, root): (&str, Out)| {
                let branch = BranchPtr::from(root.try_branch()?);
                let keys = MapRef::from(branch).len(&transaction);
                Some(RootSize { name: name.to_owned(), length: branch.len(), keys })
            };
            transaction.root_refs().filter_map(size).collect::<Vec<_>>()
        })?;
        roots.sort();
        Ok(roots)
    }

    /// A root as JSON. Plain JSON stands for itself; what JSON cannot say is an object with one key that starts with `$`:
    /// a shared type (`$text` with its formatted runs, `$array`, `$map`, `$element`, `$fragment`, `$xmltext`, `$doc`), or a
    /// value (`$bytes` in base64, `$undefined`, `$bigint`, `$number`).
    pub fn render_json(&mut self, name: &str, kind: RootKind) -> Result<Value, InspectError> {
        self.check_root(name)?;
        let described = self.document.look(|doc| {
            // First: yrs waits for ever for the root while a transaction is open.
            let root = root(doc, name, kind);
            describe::describe_root(&doc.transact(), &root)
        })?;
        described.ok_or_else(|| InspectError::TooDeep { name: name.to_owned() })
    }

    /// A root for a reader: the text without formatting, XML as markup, anything else as indented JSON.
    pub fn render_text(&mut self, name: &str, kind: RootKind) -> Result<String, InspectError> {
        let json = self.render_json(name, kind)?;
        Ok(match kind {
            RootKind::Text => {
                let runs = json["$text"].as_array().into_iter().flatten();
                runs.map(|run| run["insert"].as_str().unwrap_or("\u{fffc}")).collect()
            }
            RootKind::Xml => markup::markup(&json),
            RootKind::Map | RootKind::Array => format!("{json:#}"),
        })
    }

    /// All that must be equal in two copies. Not their bytes: the keys of a map come in any order.
    fn seen(&mut self) -> Result<(Snapshot, Vec<Option<Value>>), InspectError> {
        let names: Vec<_> = self.roots()?.into_iter().map(|root| root.name).collect();
        Ok(self.document.look(|doc| {
            let snapshot = doc.transact().snapshot();
            let kinds = [RootKind::Text, RootKind::Array, RootKind::Map];
            let roots = names.iter().flat_map(|name| kinds.map(|kind| root(doc, name, kind)));
            (snapshot, roots.map(|root| describe::describe_root(&doc.transact(), &root)).collect())
        })?)
    }

    /// Asking yrs for a root makes one.
    fn check_root(&mut self, name: &str) -> Result<(), InspectError> {
        let is_there = self.document.look(|doc| doc.transact().root_refs().any(|(root, _)| root == name))?;
        if is_there { Ok(()) } else { Err(InspectError::NoSuchRoot { name: name.to_owned() }) }
    }
}

fn root(doc: &Doc, name: &str, kind: RootKind) -> Out {
    match kind {
        RootKind::Text => Out::YText(doc.get_or_insert_text(name)),
        RootKind::Map => Out::YMap(doc.get_or_insert_map(name)),
        RootKind::Array => Out::YArray(doc.get_or_insert_array(name)),
        RootKind::Xml => Out::YXmlFragment(doc.get_or_insert_xml_fragment(name)),
    }
}

/// An update in encoding V2, in V1. Not checked any further: see [`Inspection::merge`].
pub fn update_from_v2(update: &[u8]) -> Result<UpdateV1, InspectError> {
    let converted = catch_unwind(|| Update::decode_v2(update).map(|update| update.encode_v1()));
    match converted {
        Ok(Ok(v1)) => Ok(UpdateV1(v1.into())),
        _ => Err(InspectError::NotV2),
    }
}

#[cfg(test)]
mod tests;
