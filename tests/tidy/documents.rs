//! What a newcomer reads must be there, be short enough to be read, and know every package.

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
