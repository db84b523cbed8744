//! Tokens that another implementation made, and every way in which keys, settings and revocations can go wrong.
#![expect(clippy::unwrap_used, reason = "outside a `#[test]` function too, a test may fail by a panic")]

mod configuration;
mod fixtures;
mod keys;
mod minted;
mod mutated;
mod revoked;
