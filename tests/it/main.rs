//! The whole server in this process, on port 0, over stores that fail and wait on demand. Clients are this project's own,
//! or raw sockets where a client must misbehave.
//!
//! No test sleeps to let something happen: each waits for a state, and fails at a deadline. Titles cite rules of
//! `PROTOCOL.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod audit;
mod bugs;
mod closing;
mod counting;
mod crowds;
mod disk;
mod durable;
mod encrypted;
mod faults;
mod grants;
mod handshakes;
mod harness;
mod issuer;
mod limits;
mod lost;
mod opening;
mod proxy;
mod raw;
mod restoring;
mod revoking;
mod snapshots;
mod stopping;
mod watching;
