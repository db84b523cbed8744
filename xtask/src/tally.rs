//! How many tests passed and failed, read from what test runners print.

use std::fmt;

/// The sum over everything that one suite ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// What could not be looked at, and why.
    pub(crate) not_checked: Option<&'static str>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        self.not_checked.map_or(Ok(()), |what| write!(f, "; {what}"))
    }
}

impl Tally {
    /// Adds what `line` says, if it is a runner's closing line.
    pub(crate) fn read(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result:") {
            // cargo test: `test result: ok. 3 passed; 0 failed; …`
            self.add(rest, "passed", "failed");
        } else if let Some(rest) = line.strip_prefix("Tests ") {
            // vitest: `Tests  1 failed | 3 passed (4)`
            self.add(rest, "passed", "failed");
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            // node --test: `# pass 3`, `# fail 0`
            match rest.split_once(' ') {
                Some(("pass", count)) => self.passed += count.parse().unwrap_or(0),
                Some(("fail", count)) => self.failed += count.parse().unwrap_or(0),
                _ => {}
            }
        } else if line.split(' ').count() <= 3 && line.starts_with(|first: char| first.is_ascii_digit()) {
            // Playwright: `5 passed (3.2s)`, `1 failed`
            self.add(line, "passed", "failed");
        }
    }

    fn add(&mut self, text: &str, passed: &str, failed: &str) {
        let words: Vec<_> = text.split([' ', ';', '.', '|', '(']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            if pair[1] == passed {
                self.passed += count;
            } else if pair[1] == failed {
                self.failed += count;
            }
        }
    }
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.find('m').map_or("", |end| &escape[end + 1..]);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], passed: u64, failed: u64) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed, failed, not_checked: None }, "{lines:?}");
    }

    #[test]
    fn what_was_not_checked_stands_in_the_summary() {
        let tally = Tally { passed: 2, ..Tally::default() };
        assert_eq!(tally.to_string(), "2 passed, 0 failed");
        let tally = Tally { not_checked: Some("advisories: NOT CHECKED (no network)"), ..tally };
        assert_eq!(tally.to_string(), "2 passed, 0 failed; advisories: NOT CHECKED (no network)");
    }

    #[test]
    fn every_runner_is_understood() {
        check(&["test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s"], 3, 0);
        check(&["test result: FAILED. 2 passed; 1 failed; 0 ignored", "test result: ok. 4 passed; 0 failed"], 6, 1);
        check(
            &[
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\u{1b}[22m | \u{1b}[32m3 passed\u{1b}[39m (4)",
            ],
            3,
            1,
        );
        check(&["# tests 5", "# pass 4", "# fail 1"], 4, 1);
        check(&["ℹ pass 4", "ℹ fail 0"], 4, 0);
        check(&["  1 failed", "  5 passed (3.2s)"], 5, 1);
        check(&["test a_test_that_passed ... ok", "3 passed that is a sentence and no result"], 0, 0);
    }
}
