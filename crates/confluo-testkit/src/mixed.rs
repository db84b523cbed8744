//! Content as JSON of a document whose shared types are used as several kinds at once, as hostile updates use them: the same
//! shape as `tests/hostile/mixed.mjs` writes from a Yjs document.
//!
//! Each shared type is described as a list, as a text with its formatting and as a map; what it was made as, is `kind`.

use confluo_protocol::UpdateV1;
use serde_json::{Map as JsonMap, Value, json};
use yrs::{
    Any, Array, ArrayRef, Doc, Map, MapRef, Out, ReadTxn, Text, TextRef, Transact,
    branch::{Branch, BranchPtr},
    types::text::YChange,
};

use crate::state::{State, clocks_and_deletes, describe_any, joined_runs};

/// Describes a document, whatever its roots are. Roots that hold nothing are left out.
pub fn describe_mixed(doc: &Doc) -> State {
    let names: Vec<String> = doc.transact().root_refs().map(|(name, _)| name.to_owned()).collect();
    let mut content = JsonMap::new();
    for name in names {
        let root: MapRef = doc.get_or_insert_map(name.as_str());
        let branch: &Branch = root.as_ref();
        let described = describe_shared("root", BranchPtr::from(branch), &doc.transact());
        if described != json!({ "kind": "root", "list": [], "runs": [], "map": {} }) {
            content.insert(name, described);
        }
    }
    let (state_vector, delete_set) = clocks_and_deletes(doc);
    State { content: content.into(), state_vector, delete_set }
}

/// Describes a document of these updates.
pub fn describe_mixed_updates(updates: &[UpdateV1]) -> State {
    describe_mixed(&crate::content::document_of(updates))
}

fn describe_shared<T: ReadTxn>(kind: &str, branch: BranchPtr, txn: &T) -> Value {
    let chunks = TextRef::from(branch).diff(txn, YChange::identity);
    // yrs never comes to the end of a list with astral characters in it; what is text is described as text.
    let is_text = chunks.iter().any(|chunk| matches!(chunk.insert, Out::Any(Any::String(_))));
    let list: Vec<_> = if is_text {
        Vec::new()
    } else {
        ArrayRef::from(branch).iter(txn).map(|value| describe(&value, txn)).collect()
    };
    let runs = joined_runs(&chunks, |shared| describe(shared, txn));
    let entries: JsonMap<_, _> =
        MapRef::from(branch).iter(txn).map(|(key, value)| (key.to_owned(), describe(&value, txn))).collect();
    json!({ "kind": kind, "list": list, "runs": runs, "map": entries })
}

fn describe<T: ReadTxn>(value: &Out, txn: &T) -> Value {
    let (kind, branch): (String, &Branch) = match value {
        Out::Any(any) => return describe_any(any),
        Out::YDoc(doc) => return json!({ "$doc": { "guid": doc.guid().to_string(), "autoLoad": doc.auto_load() } }),
        Out::YText(text) => ("text".into(), text.as_ref()),
        Out::YArray(array) => ("array".into(), array.as_ref()),
        Out::YMap(map) => ("map".into(), map.as_ref()),
        Out::YXmlElement(element) => (format!("element {}", element.tag()), element.as_ref()),
        Out::YXmlFragment(fragment) => ("fragment".into(), fragment.as_ref()),
        Out::YXmlText(text) => ("xml text".into(), text.as_ref()),
        Out::UndefinedRef(_) => return json!({ "$unknown": true }),
    };
    describe_shared(&kind, BranchPtr::from(branch), txn)
}
