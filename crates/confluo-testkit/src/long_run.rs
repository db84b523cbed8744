//! How long a random test runs: short in the suites, as long as its caller likes by one command.

use std::ops::Range;

/// How many rounds the environment variable `name` asks for, read when the test runs; `default` if it is not set.
/// Panics if it is no number.
pub fn rounds(name: &str, default: u64) -> u64 {
    let parse = |value: String| value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}"));
    setting(name).map_or(default, parse)
}

/// The seeds that the environment variable `name` asks for, as `FROM..TO`; `default` if it is not set. Panics if it is
/// no such range.
pub fn seeds(name: &str, default: Range<u64>) -> Range<u64> {
    let parse = |value: String| {
        let ends = value.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
        ends.unwrap_or_else(|| panic!("{name} is like 0..1000, not {value}"))
    };
    setting(name).map_or(default, parse)
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice, and no configuration")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
