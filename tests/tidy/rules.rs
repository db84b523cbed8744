//! The wire's rules and the tests that check them find each other: every rule of `PROTOCOL.md` stands in the title of a
//! test, and a title names no rule that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::sources::{files, shown};
use crate::{check_none, root};

/// The rules in the order of the document.
fn rules() -> Vec<String> {
    let protocol = fs::read_to_string(root().join("crates/confluo-protocol/PROTOCOL.md")).unwrap();
    let numbers = protocol.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    numbers.map(|(number, _)| number.to_lowercase()).collect()
}

/// Whether `word` looks like the number of a rule of one of `groups`.
fn is_rule(word: &str, groups: &BTreeSet<String>) -> bool {
    let (group, number) = word.split_at_checked(2).unwrap_or_default();
    groups.contains(group) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a line says that begins a test: a function of Rust, or a `test` or `describe` of JavaScript.
fn title(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
    let called = || ["test(", "describe(", "it("].iter().find_map(|call| line.strip_prefix(call));
    function.or_else(called).map(|rest| rest.trim_start_matches(['\'', '"', '`']))
}

#[test]
fn every_rule_of_the_wire_is_cited_by_a_test_and_no_other_is() {
    let rules = rules();
    assert!(rules.len() > 60, "PROTOCOL.md is read: {rules:?}");
    let groups: BTreeSet<_> = rules.iter().map(|rule| rule[..2].to_owned()).collect();
    let mut citations: BTreeMap<String, String> = BTreeMap::new();
    for path in files(&["rs", "mjs", "ts"]) {
        let text = fs::read_to_string(&path).unwrap();
        for title in text.lines().filter_map(title) {
            for word in title.split(['_', ' ']).take_while(|word| is_rule(word, &groups)) {
                citations.entry(word.to_owned()).or_insert_with(|| shown(&path));
            }
        }
    }
    let without_test = rules.iter().filter(|rule| !citations.contains_key(*rule));
    let mut problems: Vec<_> = without_test.map(|rule| format!("{rule} is cited by no test")).collect();
    let unknown = citations.iter().filter(|(rule, _)| !rules.contains(rule));
    problems.extend(unknown.map(|(rule, path)| format!("{path} cites {rule}, which is no rule")));
    check_none("rules of PROTOCOL.md and titles of tests", &problems);
}
