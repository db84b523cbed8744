//! Every target by its name.

use crate::{access, names, protocol, seeds, stored, websocket, wreck};

/// Something that reads bytes of others.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As the fuzzer calls it.
    pub name: &'static str,
    /// Panics if something does not hold for these bytes.
    pub run: fn(&[u8]),
    /// What a fuzzer begins with, and what the tests mutate.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many mutants the bounded test runs: fewer of what is slow.
    pub bounded_rounds: u64,
}

/// All of them; `fuzz/bin` has a binary for each.
pub const TARGETS: [Target; 14] = [
    Target { name: "update", run: update, seeds: seeds::updates, bounded_rounds: 100_000 },
    Target { name: "message", run: protocol::message, seeds: protocol::message_seeds, bounded_rounds: 100_000 },
    Target { name: "awareness", run: protocol::awareness, seeds: protocol::awareness_seeds, bounded_rounds: 100_000 },
    Target { name: "state_vector", run: protocol::state_vector, seeds: protocol::vector_seeds, bounded_rounds: 50_000 },
    Target { name: "name", run: names::name, seeds: names::seeds, bounded_rounds: 50_000 },
    Target { name: "frames", run: websocket::frames, seeds: websocket::frame_seeds, bounded_rounds: 20_000 },
    Target { name: "handshake", run: websocket::handshake, seeds: websocket::handshake_seeds, bounded_rounds: 20_000 },
    Target { name: "token", run: access::token, seeds: access::token_seeds, bounded_rounds: 2_000 },
    Target { name: "key_set", run: access::key_set, seeds: access::key_set_seeds, bounded_rounds: 2_000 },
    Target { name: "headers", run: access::headers, seeds: access::header_seeds, bounded_rounds: 20_000 },
    Target { name: "stored", run: stored::value, seeds: stored::value_seeds, bounded_rounds: 10_000 },
    Target { name: "journal", run: stored::journal, seeds: stored::journal_seeds, bounded_rounds: 1_000 },
    Target { name: "sled_log", run: wreck::sled_log, seeds: wreck::sled_seeds, bounded_rounds: 2_000 },
    Target { name: "redb_file", run: wreck::redb_file, seeds: wreck::redb_seeds, bounded_rounds: 500 },
];

fn update(bytes: &[u8]) {
    protocol::update(bytes);
}
