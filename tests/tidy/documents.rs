//! What a newcomer reads must be there, lead where it says, be short enough to be read, and know every package; and so must what
//! an operator builds.

use std::fs;

use crate::{root, sources::files};

#[test]
fn the_map_for_newcomers_names_every_crate_and_stays_short() {
    let path = root().join("ARCHITECTURE.md");
    let map = fs::read_to_string(path).unwrap();
    assert!(map.lines().count() <= 200, "ARCHITECTURE.md is a map, not a book: at most 200 lines");
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(map.contains(&name), "ARCHITECTURE.md does not mention {name}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut checked = 0;
    for document in files(&["md"]) {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { folder.join(path) };
            let from = document.display();
            assert!(target.exists(), "{from} links to {link}, which is not there");
            let is_there = || anchors(&fs::read_to_string(&target).unwrap()).any(|heading| heading == anchor);
            assert!(anchor.is_empty() || is_there(), "{from} links to {link}, and there is no such heading");
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links were understood");
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    let headings = text.lines().filter(move |line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

#[test]
fn what_the_container_is_built_of_is_there() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let (mut stages, mut targets) = (Vec::new(), Vec::new());
    for line in dockerfile.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["FROM", _, "AS", stage] => stages.push(stage),
            ["COPY", ref sources @ .., target] => {
                targets.push(target);
                let (options, sources): (Vec<&str>, Vec<&str>) =
                    sources.iter().partition(|word| word.starts_with("--"));
                match options.iter().find_map(|option| option.strip_prefix("--from=")) {
                    Some(stage) => assert!(stages.contains(&stage), "there is no stage {stage} before: {line}"),
                    None => assert!(sources.iter().all(|source| root().join(source).exists()), "not there: {line}"),
                }
            }
            _ => {}
        }
    }
    assert!(stages.len() == 2 && targets.len() > 4, "the Dockerfile was understood: {stages:?}, {targets:?}");
    for program in dockerfile
        .split(|letter: char| letter == '"' || letter.is_whitespace())
        .filter(|word| word.starts_with("/usr/local/bin/"))
    {
        assert!(targets.contains(&program), "nothing copies {program}");
    }
}
