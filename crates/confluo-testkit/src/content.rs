//! What a document holds, for comparison. Never bytes: two encodings of one document may split their blocks elsewhere.

use std::{collections::BTreeMap, fmt::Write};

use confluo_protocol::{ClientId, UpdateV1};
use yrs::{
    Any, Array, ArrayRef, Doc, Map, MapRef, OffsetKind, Options, Out, ReadTxn, StateVector, Text, TextRef, Transact,
    TransactionMut, Update, WriteTxn,
    branch::{Branch, BranchPtr},
    updates::decoder::Decode,
};

/// Content, state vector and delete set of one document, whatever its roots are.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    roots: BTreeMap<String, String>,
    clocks: BTreeMap<ClientId, u32>,
    deleted: String,
}

impl Content {
    /// What `doc` holds.
    pub fn of(doc: &Doc) -> Self {
        let transaction = doc.transact();
        let names: Vec<String> = transaction.root_refs().map(|(name, _)| name.to_owned()).collect();
        let clocks = clocks(&transaction);
        let deleted = transaction.snapshot().delete_set.to_string();
        drop(transaction);
        let mut roots = BTreeMap::new();
        for name in names {
            let root: MapRef = doc.get_or_insert_map(name.as_str());
            let branch: &Branch = root.as_ref();
            let described = describe_shared(BranchPtr::from(branch), &doc.transact());
            // A root that was only asked for is no content.
            if described != EMPTY {
                roots.insert(name, described);
            }
        }
        Self { roots, clocks, deleted }
    }

    /// What a document of these updates holds.
    pub fn of_updates(updates: &[UpdateV1]) -> Self {
        Self::of(&document_of(updates))
    }

    /// The next clock of each client.
    pub fn clocks(&self) -> &BTreeMap<ClientId, u32> {
        &self.clocks
    }
}

/// A document of these updates, each applied by itself. Panics when one does not apply.
pub fn document_of(updates: &[UpdateV1]) -> Doc {
    let doc = new_document();
    for update in updates {
        apply(&doc, update);
    }
    doc
}

/// An empty document that counts text as Yjs does, and cleans up nothing by itself.
pub fn new_document() -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, cleanup_formatting: false, ..Options::default() })
}

/// Applies one update. Panics when it does not decode or apply, or when the document then waits for something.
pub fn apply(doc: &Doc, update: &UpdateV1) {
    let update = Update::decode_v1(&update.0).expect("an update decodes");
    let mut transaction = doc.transact_mut();
    transaction.apply_update(update).expect("an update applies");
    assert!(!transaction.has_missing_updates(), "the document has all that the update refers to");
    forget_subdocuments(&mut transaction);
}

/// To be called before a transaction ends: what yrs then does with the subdocuments that it has deleted, it does with items that
/// are freed by then.
pub fn forget_subdocuments(transaction: &mut TransactionMut<'_>) {
    drop(std::mem::take(transaction.subdocs_mut()));
}

/// The whole document as one update.
pub fn state_of(doc: &Doc) -> UpdateV1 {
    UpdateV1(doc.transact().encode_state_as_update_v1(&StateVector::default()).into())
}

fn clocks(transaction: &impl ReadTxn) -> BTreeMap<ClientId, u32> {
    transaction.state_vector().iter().map(|(client, &clock)| (client.get(), clock)).collect()
}

const EMPTY: &str = "[||]{}";

/// Any shared type as what it can be all at once: a list, a text with formatting, a map. Hostile updates mix them.
fn describe_shared(branch: BranchPtr, transaction: &impl ReadTxn) -> String {
    let mut description = String::from("[");
    let chunks = TextRef::from(branch).diff(transaction, |_| ());
    // yrs never comes to the end of a list with astral characters in it; what is text is described as text.
    let is_text = chunks.iter().any(|chunk| matches!(chunk.insert, Out::Any(Any::String(_))));
    if !is_text {
        for value in ArrayRef::from(branch).iter(transaction) {
            description += &describe(&value, transaction);
        }
    }
    description.push('|');
    for chunk in chunks {
        description += &describe(&chunk.insert, transaction);
        let attributes: BTreeMap<_, _> = chunk.attributes.iter().flat_map(|attributes| attributes.iter()).collect();
        for (key, value) in attributes {
            let _ = write!(description, "<{key}={}>", describe_any(value));
        }
    }
    description += "|]{";
    let entries: BTreeMap<_, _> = MapRef::from(branch)
        .iter(transaction)
        .map(|(key, value)| (key.to_owned(), describe(&value, transaction)))
        .collect();
    for (key, value) in entries {
        let _ = write!(description, "{key}={value};");
    }
    description.push('}');
    description
}

fn describe(value: &Out, transaction: &impl ReadTxn) -> String {
    let (name, branch): (_, &Branch) = match value {
        Out::Any(any) => return describe_any(any),
        Out::YDoc(doc) => return format!("document {}", doc.guid()),
        Out::YText(text) => ("text", text.as_ref()),
        Out::YArray(array) => ("array", array.as_ref()),
        Out::YMap(map) => ("map", map.as_ref()),
        Out::YXmlElement(element) => ("element", element.as_ref()),
        Out::YXmlFragment(fragment) => ("fragment", fragment.as_ref()),
        Out::YXmlText(text) => ("xml text", text.as_ref()),
        Out::UndefinedRef(_) => return value.to_string(),
    };
    format!("{name}{}", describe_shared(BranchPtr::from(branch), transaction))
}

fn describe_any(any: &Any) -> String {
    match any {
        Any::Map(map) => {
            let entries: BTreeMap<_, _> = map.iter().map(|(key, value)| (key, describe_any(value))).collect();
            format!("{entries:?}")
        }
        Any::Array(values) => format!("{:?}", values.iter().map(describe_any).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
