//! What a newcomer reads must be there, be short enough to be read, and know every package; and so must what an operator builds.

use std::fs;

use crate::root;

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
fn links_of_the_readme_lead_somewhere() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for target in readme.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        let is_file = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        assert!(!is_file || root().join(target).exists(), "README.md links to {target}, which is not there");
    }
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
