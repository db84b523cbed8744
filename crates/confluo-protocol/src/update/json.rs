//! Whether a text is JSON that both `JSON.parse` and yrs read, found out without building the value.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Fault, Malformed};
use crate::DecodeError;

/// Checks an embedded value. `serde_json` is what yrs reads it with; it refuses lone surrogates, which yrs could not hold.
pub(super) fn check_json(text: &str, max_nesting: usize) -> Result<(), Fault> {
    // Most format values; saves setting up a parser.
    if matches!(text, "null" | "true" | "false" | "{}" | "\"\"") {
        return Ok(());
    }
    if nesting_of_json(text) > max_nesting {
        return Err(Malformed::NestedTooDeeply.into());
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    Probe.deserialize(&mut parser).and_then(|()| parser.end()).map_err(|error| why_refused(text, &error))
}

/// Tells what is not JSON from JSON that yrs cannot hold. What is only skipped over is checked for its grammar alone.
fn why_refused(text: &str, error: &serde_json::Error) -> Fault {
    if text == "undefined" {
        Fault::Unsupported("an embedded undefined")
    } else if serde_json::from_str::<IgnoredAny>(text).is_err() {
        DecodeError::InvalidJson.into()
    } else if error.to_string().contains("out of range") {
        Fault::Unsupported("a number out of range in JSON")
    } else {
        Fault::Unsupported("a lone surrogate in JSON")
    }
}

/// The deepest nesting of brackets outside of strings.
fn nesting_of_json(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_string => drop(bytes.next()),
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads any value and keeps nothing. Unlike serde's `IgnoredAny` it looks at what is in strings.
struct Probe;

impl<'de> DeserializeSeed<'de> for Probe {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        i64::try_from(value).map(|_| ()).map_err(|_| E::custom("integer out of range"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Probe)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(Probe)?.is_some() {
            entries.next_value_seed(Probe)?;
        }
        Ok(())
    }
}
