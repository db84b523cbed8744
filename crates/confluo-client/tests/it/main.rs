//! The client against a scripted server on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connection;
mod peer;
mod presence;
mod saves;
