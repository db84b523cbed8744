//! Whatever is built into the binary comes from the registry and has a licence that `deny.toml` allows. The same file is
//! read by cargo-deny, where that is installed; these two rules never wait for it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::{check_none, root};

/// What the app alone may also have: it is data, or no more than a dedication to the public.
const ALSO_IN_THE_APP: [&str; 4] = ["0BSD", "CC0-1.0", "OFL-1.1", "Unlicense"];
/// Packages of the app that do not say their licence where it is looked for; read in their files at this version.
const LICENCE_READ_BY_HAND: [(&str, &str, &str); 2] = [("fuzzy", "0.1.3", "MIT"), ("khroma", "2.1.0", "MIT")];

fn deny(section: &str, setting: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let list = table[section][setting].as_array().unwrap().iter();
    list.map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// Which licences of `allowed` an SPDX expression makes us accept; none if it cannot be satisfied by them. `/` is an old
/// way to write OR. Of a choice, the first that is allowed is taken.
fn accepted<'a>(expression: &'a str, allowed: &BTreeSet<String>) -> Option<BTreeSet<&'a str>> {
    let expression = expression.trim();
    for (operator, is_choice) in [(" OR ", true), ("/", true), (" AND ", false)] {
        let parts = split_outside_parentheses(expression, operator);
        if parts.len() > 1 {
            let mut parts = parts.into_iter().map(|part| accepted(part, allowed));
            return if is_choice { parts.find_map(|part| part) } else { parts.try_fold(BTreeSet::new(), union) };
        }
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => accepted(inner, allowed),
        None => allowed.contains(expression).then(|| BTreeSet::from([expression])),
    }
}

fn union<'a>(mut all: BTreeSet<&'a str>, part: Option<BTreeSet<&'a str>>) -> Option<BTreeSet<&'a str>> {
    all.extend(part?);
    Some(all)
}

fn split_outside_parentheses<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(operator) {
        let before = &text[..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(&text[start..at]);
            start = at + operator.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn every_crate_has_a_licence_that_is_allowed_and_every_allowance_is_needed() {
    let allowed = deny("licenses", "allow");
    let packages = packages();
    let (mut problems, mut needed) = (Vec::new(), BTreeSet::new());
    for package in &packages {
        let licence = package["license"].as_str().unwrap_or_default();
        match accepted(licence, &allowed) {
            Some(licences) => needed.extend(licences.into_iter().map(str::to_owned)),
            None => problems.push(format!("{} is under {licence:?}", package["name"])),
        }
    }
    check_none("crates under a licence that deny.toml does not allow", &problems);
    assert!(packages.len() > 100, "the dependencies are read, not only our own: {}", packages.len());
    assert_eq!(allowed, needed, "deny.toml allows exactly what is needed");
}

/// Every package that is compiled for this machine. Those for other systems need not be here, so cargo-deny looks at them.
fn packages() -> Vec<Value> {
    let cargo = || Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform", host];
    let output = cargo().args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    std::mem::take(metadata["packages"].as_array_mut().unwrap())
}

/// The lock file has the packages for every system.
#[test]
fn every_crate_comes_from_the_registry_or_from_here() {
    let allowed: BTreeSet<_> = deny("sources", "allow-registry").iter().map(|url| format!("registry+{url}")).collect();
    let lock: toml::Table = toml::from_str(&fs::read_to_string(root().join("Cargo.lock")).unwrap()).unwrap();
    let mut problems = Vec::new();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let is_ours = name == "xtask" || name.starts_with("confluo");
        match package.get("source").and_then(toml::Value::as_str) {
            Some(source) if is_ours => problems.push(format!("{name} is ours, and comes from {source}")),
            Some(source) if !allowed.contains(source) => problems.push(format!("{name} comes from {source}")),
            Some(_) if package.get("checksum").is_none() => problems.push(format!("{name} has no checksum")),
            None if !is_ours => problems.push(format!("{name} comes from a folder")),
            _ => {}
        }
    }
    check_none("crates from elsewhere", &problems);
}

/// The app stands inside the binary.
#[test]
fn every_package_of_the_app_has_a_licence_that_is_allowed() {
    let mut allowed = deny("licenses", "allow");
    allowed.extend(ALSO_IN_THE_APP.map(str::to_owned));
    let lock = fs::read_to_string(root().join("client-web/package-lock.json")).unwrap();
    let lock: Value = serde_json::from_str(&lock).unwrap();
    let mut problems = Vec::new();
    for (path, package) in lock["packages"].as_object().unwrap().iter().filter(|(path, _)| !path.is_empty()) {
        let name = path.rsplit("node_modules/").next().unwrap();
        if package["dev"] == true {
            continue;
        }
        let by_hand =
            LICENCE_READ_BY_HAND.iter().find(|(known, version, _)| *known == name && package["version"] == *version);
        let licence = package["license"].as_str().or(by_hand.map(|(_, _, licence)| *licence)).unwrap_or_default();
        if accepted(licence, &allowed).is_none() {
            problems.push(format!("{name} is under {licence:?}"));
        }
        if !package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")) {
            problems.push(format!("{name} has no checksum"));
        }
    }
    check_none("packages of the app that may not be shipped", &problems);
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Zlib"].map(str::to_owned));
    for (expression, expected) in [
        ("MIT", Some("MIT")),
        ("GPL-3.0", None),
        ("GPL-3.0 OR MIT", Some("MIT")),
        ("Apache-2.0 / MIT", Some("MIT")),
        ("GPL-3.0 AND MIT", None),
        ("(GPL-3.0 OR MIT) AND ISC", Some("ISC MIT")),
        ("MIT AND (Zlib OR GPL-3.0)", Some("MIT Zlib")),
        // AND binds more tightly than OR.
        ("GPL-3.0 AND ISC OR MIT", Some("MIT")),
        ("", None),
    ] {
        let found = accepted(expression, &allowed).map(|licences| licences.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), expected, "{expression}");
    }
}
