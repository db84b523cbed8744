//! A setting that is one of a few words.

use serde::de::{Deserialize, Deserializer, IntoDeserializer};

/// Reads a word as a variant of `T`; the error names all words that are allowed, which the layering crate's does not.
pub(super) fn choice<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let word = String::deserialize(deserializer)?;
    T::deserialize(word.into_deserializer())
}
