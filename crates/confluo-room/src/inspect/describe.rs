//! Shared types as JSON, in the shape that `Inspection::render_json` tells.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map as JsonMap, Value, json};
use yrs::{
    Any, Array, ArrayRef, GetString, Map, Number, Out, ReadTxn, Text, TextRef, Xml, XmlFragment, XmlOut,
    branch::{Branch, BranchPtr},
    types::{Attrs, text::YChange},
};

/// Readers recurse; documents of people nest a few dozen types at most.
pub(super) const MAX_DEPTH: usize = 200;

/// `None`: shared types nest deeper than [`MAX_DEPTH`].
pub(super) fn describe_root<T: ReadTxn>(transaction: &T, root: &Out) -> Option<Value> {
    Describer { transaction, depth: 0 }.describe(root)
}

struct Describer<'a, T> {
    transaction: &'a T,
    depth: usize,
}

impl<T: ReadTxn> Describer<'_, T> {
    fn describe(&self, out: &Out) -> Option<Value> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        let inner = Self { transaction: self.transaction, depth: self.depth + 1 };
        Some(match out {
            Out::Any(any) => describe_any(any),
            Out::YText(text) => json!({ "$text": inner.runs(text)? }),
            Out::YArray(array) => inner.array(array)?,
            Out::YMap(map) => json!({ "$map": inner.entries(map.iter(self.transaction))? }),
            Out::YXmlElement(element) => json!({
                "$element": element.tag().to_string(),
                "attributes": inner.entries(element.attributes(self.transaction))?,
                "children": inner.children(element)?,
            }),
            Out::YXmlFragment(fragment) => json!({ "$fragment": inner.children(fragment)? }),
            Out::YXmlText(text) => json!({
                "$xmltext": inner.runs(text)?,
                "attributes": inner.entries(text.attributes(self.transaction))?,
            }),
            Out::YDoc(doc) => json!({ "$doc": {
                "guid": doc.guid().to_string(),
                "autoLoad": doc.auto_load(),
                "gc": !doc.skip_gc(),
            } }),
            Out::UndefinedRef(_) => json!({ "$unknown": true }),
        })
    }

    /// An array, unless it holds text: yrs never comes to the end of a list with astral characters in it.
    fn array(&self, array: &ArrayRef) -> Option<Value> {
        let branch: &Branch = array.as_ref();
        let text = TextRef::from(BranchPtr::from(branch));
        let chunks = text.diff(self.transaction, |_| ());
        if chunks.iter().any(|chunk| matches!(chunk.insert, Out::Any(Any::String(_)))) {
            return Some(json!({ "$text": self.runs(&text)? }));
        }
        let values: Option<Value> = array.iter(self.transaction).map(|value| self.describe(&value)).collect();
        Some(json!({ "$array": values? }))
    }

    fn entries<'k>(&self, entries: impl Iterator<Item = (&'k str, Out)>) -> Option<Value> {
        let entries = entries.map(|(key, value)| Some((key.to_owned(), self.describe(&value)?)));
        entries.collect::<Option<JsonMap<_, _>>>().map(Value::from)
    }

    fn children(&self, parent: &impl XmlFragment) -> Option<Value> {
        let children = parent.children(self.transaction).map(|child| match child {
            XmlOut::Element(element) => self.describe(&Out::YXmlElement(element)),
            XmlOut::Fragment(fragment) => self.describe(&Out::YXmlFragment(fragment)),
            XmlOut::Text(text) => self.describe(&Out::YXmlText(text)),
        });
        children.collect()
    }

    /// A text's runs: neighbours with equal attributes are one run, and an attribute of `null` is none.
    fn runs(&self, text: &(impl Text + GetString)) -> Option<Value> {
        let mut runs: Vec<(Value, Value)> = Vec::new();
        for diff in text.diff(self.transaction, YChange::identity) {
            let insert = match &diff.insert {
                Out::Any(any) => describe_json(any),
                other => self.describe(other)?,
            };
            let attributes = diff.attributes.as_deref().map_or_else(|| json!({}), describe_attributes);
            match (runs.last_mut(), &insert) {
                (Some((Value::String(last), of_last)), Value::String(more)) if *of_last == attributes => {
                    last.push_str(more);
                }
                _ => runs.push((insert, attributes)),
            }
        }
        Some(
            runs.into_iter()
                .map(|(insert, attributes)| json!({ "insert": insert, "attributes": attributes }))
                .collect(),
        )
    }
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

fn describe_any(any: &Any) -> Value {
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
