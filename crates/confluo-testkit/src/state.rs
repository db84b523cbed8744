//! All that must be equal when replicas have converged, with content as JSON: the same shape as `fixtures/make/describe.mjs` writes.
//!
//! Plain JSON stands for itself. What JSON cannot say is an object with one key that starts with `$`. Encoded bytes are
//! no measure of equality: two replicas that have converged may have cut their blocks differently.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use confluo_protocol::{ClientId, UpdateLimits, UpdateV1, check_update};
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value, json};
use yrs::{
    Any, Array, Doc, GetString, Map, Number, Out, ReadTxn, StateVector, Text, Transact, Xml, XmlFragment, XmlOut,
    types::{
        Attrs,
        text::{Diff, YChange},
    },
};

/// The roots of a document to look at, by name. (A Yjs document does not know the types of its roots.)
pub type Roots = BTreeMap<String, RootType>;

/// Deleted runs of each client as `[clock, length]`: sorted, neighbours joined.
pub type DeleteRanges = BTreeMap<ClientId, Vec<[u32; 2]>>;

/// As what a root is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootType {
    /// `Y.Text`
    Text,
    /// `Y.Map`
    Map,
    /// `Y.Array`
    Array,
    /// `Y.XmlFragment`
    Xml,
}

/// All that must be equal when two replicas have converged.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct State {
    /// What a reader sees.
    pub content: Value,
    /// How far each client is known.
    #[serde(rename = "stateVector")]
    pub state_vector: BTreeMap<ClientId, u32>,
    /// What is deleted.
    #[serde(rename = "deleteSet")]
    pub delete_set: DeleteRanges,
}

/// Describes a document.
pub fn describe(doc: &Doc, roots: &Roots) -> State {
    let content = roots.iter().map(|(name, root)| (name.clone(), describe_root(doc, name, *root))).collect();
    let (state_vector, delete_set) = clocks_and_deletes(doc);
    State { content, state_vector, delete_set }
}

pub(crate) fn clocks_and_deletes(doc: &Doc) -> (BTreeMap<ClientId, u32>, DeleteRanges) {
    let txn = doc.transact();
    let state_vector = txn.state_vector().iter().map(|(client, &clock)| (client.get(), clock)).collect();
    let update = UpdateV1(txn.encode_state_as_update_v1(&StateVector::default()).into());
    (state_vector, delete_ranges(update))
}

/// What an update deletes. Panics if it is malformed.
pub fn delete_ranges(update: UpdateV1) -> DeleteRanges {
    let checked = check_update(update, &UpdateLimits::default()).expect("a well-formed update");
    let mut ranges = checked.delete_ranges().to_vec();
    ranges.sort_unstable();
    let mut joined = DeleteRanges::new();
    for range in ranges {
        let of_client = joined.entry(range.client).or_default();
        match of_client.last_mut() {
            Some([start, length]) if *start + *length >= range.start => *length = (*length).max(range.end - *start),
            _ => of_client.push([range.start, range.end - range.start]),
        }
    }
    joined
}

fn describe_root(doc: &Doc, name: &str, root: RootType) -> Value {
    let out = match root {
        RootType::Text => Out::YText(doc.get_or_insert_text(name)),
        RootType::Map => Out::YMap(doc.get_or_insert_map(name)),
        RootType::Array => Out::YArray(doc.get_or_insert_array(name)),
        RootType::Xml => Out::YXmlFragment(doc.get_or_insert_xml_fragment(name)),
    };
    describe_out(&doc.transact(), &out)
}

fn describe_out<T: ReadTxn>(txn: &T, out: &Out) -> Value {
    match out {
        Out::Any(any) => describe_any(any),
        Out::YText(text) => json!({ "$text": describe_runs(txn, text) }),
        Out::YArray(array) => {
            json!({ "$array": array.iter(txn).map(|out| describe_out(txn, &out)).collect::<Value>() })
        }
        Out::YMap(map) => {
            let entries: JsonMap<_, _> =
                map.iter(txn).map(|(key, out)| (key.to_owned(), describe_out(txn, &out))).collect();
            json!({ "$map": entries })
        }
        Out::YXmlElement(element) => json!({
            "$element": element.tag().to_string(),
            "attributes": describe_xml_attributes(txn, element),
            "children": describe_children(txn, element),
        }),
        Out::YXmlFragment(fragment) => json!({ "$fragment": describe_children(txn, fragment) }),
        Out::YXmlText(text) => json!({
            "$xmltext": describe_runs(txn, text),
            "attributes": describe_xml_attributes(txn, text),
        }),
        Out::YDoc(doc) => json!({ "$doc": {
            "guid": doc.guid().to_string(),
            "autoLoad": doc.auto_load(),
            "gc": !doc.skip_gc(),
            // yrs has no place for it.
            "meta": null,
        } }),
        Out::UndefinedRef(_) => json!({ "$unknown": true }),
    }
}

fn describe_children<T: ReadTxn>(txn: &T, parent: &impl XmlFragment) -> Value {
    let describe = |child| match child {
        XmlOut::Element(element) => describe_out(txn, &Out::YXmlElement(element)),
        XmlOut::Fragment(fragment) => describe_out(txn, &Out::YXmlFragment(fragment)),
        XmlOut::Text(text) => describe_out(txn, &Out::YXmlText(text)),
    };
    parent.children(txn).map(describe).collect()
}

fn describe_xml_attributes<T: ReadTxn>(txn: &T, xml: &impl Xml) -> Value {
    let attributes: JsonMap<_, _> =
        xml.attributes(txn).map(|(key, out)| (key.to_owned(), describe_out(txn, &out))).collect();
    attributes.into()
}

/// A text's runs: neighbours with equal attributes are one run, and an attribute of `null` is none.
fn describe_runs<T: ReadTxn>(txn: &T, text: &(impl Text + GetString)) -> Value {
    let runs = joined_runs(&text.diff(txn, YChange::identity), |shared| describe_out(txn, shared));
    runs.into_iter().map(|(insert, attributes)| json!({ "insert": insert, "attributes": attributes })).collect()
}

/// What was inserted, with its attributes; strings beside each other with equal ones are one.
pub(crate) fn joined_runs(pieces: &[Diff<YChange>], describe_shared: impl Fn(&Out) -> Value) -> Vec<(Value, Value)> {
    let mut runs: Vec<(Value, Value)> = Vec::new();
    for piece in pieces {
        let insert = match &piece.insert {
            Out::Any(any) => describe_json(any),
            shared => describe_shared(shared),
        };
        let attributes = piece.attributes.as_deref().map_or_else(|| json!({}), describe_attributes);
        match (runs.last_mut(), &insert) {
            (Some((Value::String(last), of_last)), Value::String(more)) if *of_last == attributes => {
                last.push_str(more);
            }
            _ => runs.push((insert, attributes)),
        }
    }
    runs
}

fn describe_attributes(attributes: &Attrs) -> Value {
    let kept = attributes.iter().filter(|(_, value)| **value != Any::Null);
    kept.map(|(key, value)| (key.to_string(), describe_json(value))).collect::<JsonMap<_, _>>().into()
}

/// Embeds and formats travel as JSON text, where an integer is never a `BigInt`.
fn describe_json(any: &Any) -> Value {
    match any {
        Any::Number(Number::Int(value)) => describe_number(*value as f64),
        Any::Array(values) => values.iter().map(describe_json).collect(),
        Any::Map(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), describe_json(value))).collect::<JsonMap<_, _>>().into()
        }
        plain => describe_any(plain),
    }
}

pub(crate) fn describe_any(any: &Any) -> Value {
    match any {
        Any::Null => Value::Null,
        Any::Undefined => json!({ "$undefined": true }),
        Any::Bool(value) => json!(value),
        // yrs writes as a BigInt what no double is equal to.
        Any::Number(Number::Int(value)) if *value as f64 as i64 != *value => json!({ "$bigint": value.to_string() }),
        Any::Number(Number::Int(value)) => describe_number(*value as f64),
        Any::Number(Number::Float(value)) => describe_number(*value),
        Any::String(text) => json!(text.as_ref()),
        Any::Buffer(bytes) => json!({ "$bytes": BASE64_STANDARD.encode(bytes) }),
        Any::Array(values) => values.iter().map(describe_any).collect(),
        Any::Map(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), describe_any(value))).collect::<JsonMap<_, _>>().into()
        }
    }
}

const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// As JavaScript reads it.
fn describe_number(value: f64) -> Value {
    if value.is_nan() {
        json!({ "$number": "NaN" })
    } else if value.is_infinite() {
        json!({ "$number": if value > 0.0 { "Infinity" } else { "-Infinity" } })
    } else if value == 0.0 && value.is_sign_negative() {
        json!({ "$number": "-0" })
    } else if value.fract() != 0.0 {
        json!(value)
    } else if value.abs() <= MAX_SAFE_INTEGER {
        json!(value as i64)
    } else {
        json!({ "$number": format!("{value:.0}") })
    }
}
