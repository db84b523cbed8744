//! What a source file may hold, and how long it may be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{check_none, root};

/// A file tells one story; beyond this it tells two.
const MOST_LINES: usize = 400;

/// Nothing excuses this.
const MOST_LINES_EVER: usize = 600;

/// Files between the two bounds, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Folders that hold nothing written here.
const PASSED_OVER: &[&str] =
    &[".git", "target", "node_modules", "dist", "confluo-data", "test-results", "playwright-report"];

/// Every file of the repository with one of `extensions`.
pub(crate) fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !PASSED_OVER.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if extensions.iter().any(|extension| path.extension().is_some_and(|found| found == *extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn a_file_tells_one_story() {
    let mut problems = Vec::new();
    for path in files(&["rs", "ts", "tsx", "mjs"]) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let is_excused = LONG_FILES.iter().any(|(name, _)| *name == shown(&path));
        if lines > MOST_LINES_EVER || (lines > MOST_LINES && !is_excused) {
            problems.push(format!("{}: {lines} lines; split it by what it tells", shown(&path)));
        }
    }
    for (name, reason) in LONG_FILES {
        if !root().join(name).exists() || reason.is_empty() {
            problems.push(format!("{name} is excused for its length without being there, or without a reason"));
        }
    }
    check_none("files that are too long", &problems);
}

#[test]
fn modules_stand_beside_their_folder() {
    let problems: Vec<_> =
        files(&["rs"]).iter().filter(|path| path.ends_with("mod.rs")).map(|path| shown(path)).collect();
    check_none("foo.rs beside foo/, not foo/mod.rs", &problems);
    let vague = ["utils", "util", "helpers", "common", "misc"];
    let is_vague = |path: &&PathBuf| path.file_stem().is_some_and(|stem| vague.iter().any(|name| stem == *name));
    let problems: Vec<_> = files(&["rs", "ts", "tsx"]).iter().filter(is_vague).map(|path| shown(path)).collect();
    check_none("a file is named for what it tells", &problems);
}

#[test]
fn nothing_speaks_of_one_machine() {
    let folders = ["tmp", "work", "root", "home"].map(|folder| format!("/{folder}/"));
    let mut problems = Vec::new();
    for path in files(&["rs", "ts", "tsx", "mjs", "js", "toml", "md", "sh", "html", "css"]) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let is_absolute = |place: usize| {
                let before = line[..place].chars().next_back();
                before.is_none_or(|before| !before.is_alphanumeric() && !"./_-}*".contains(before))
            };
            if folders.iter().any(|folder| line.match_indices(folder.as_str()).any(|(place, _)| is_absolute(place))) {
                problems.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    check_none("paths of one machine", &problems);
}

#[test]
fn no_test_is_ignored() {
    let ignored = concat!("#[ig", "nore");
    let mut problems = Vec::new();
    for path in files(&["rs"]) {
        if fs::read_to_string(&path).unwrap().contains(ignored) {
            problems.push(shown(&path));
        }
    }
    check_none("a flaky test is a bug, a slow one has a command of its own", &problems);
}
