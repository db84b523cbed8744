//! `confluo doc` and `confluo store`: the built binary on a data folder that no server uses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod damage;
mod place;
mod salvage;
mod whole_store;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use confluo_protocol::{UpdateV1, Writer};
use confluo_testkit::content::{Content, document_of};
use confluo_testkit::fixtures;
use confluo_testkit::state::{RootType, describe};
use place::Place;
use serde_json::Value;

fn kind(root: RootType) -> &'static str {
    match root {
        RootType::Text => "text",
        RootType::Map => "map",
        RootType::Array => "array",
        RootType::Xml => "xml",
    }
}

#[test]
fn every_kind_of_content_goes_in_is_shown_and_comes_out_equal() {
    let place = Place::new();
    for fixture in fixtures::documents() {
        let (one, two) = (format!("v1/{}", fixture.name), format!("v2/{}", fixture.name));
        place.import(&one, &fixture.v1.0, &[]);
        place.import(&two, &fixture.v2, &["--format", "v2"]);
        for name in [&one, &two] {
            let update = UpdateV1(place.succeed(&["doc", "export", name]).into());
            assert_eq!(describe(&document_of(&[update]), &fixture.roots), fixture.kept_state(), "{name}");
        }
        if fixture.name == "empty" {
            continue;
        }
        let roots: Vec<String> = fixture.roots.iter().map(|(name, root)| format!("{name}:{}", kind(*root))).collect();
        let mut arguments = vec!["doc", "show", &one, "--json"];
        arguments.extend(roots.iter().flat_map(|root| ["--root", root.as_str()]));
        let shown: Value = serde_json::from_slice(&place.succeed(&arguments)).unwrap();
        let names: Vec<_> = shown.as_object().unwrap().keys().collect();
        assert_eq!(names, fixture.roots.keys().collect::<Vec<_>>(), "{one}");
        if fixture.name.starts_with("text") || fixture.name == "xml" || fixture.name == "map-nested" {
            assert_eq!(shown, fixture.content, "{one}");
        }
    }
    place.succeed(&["doc", "verify", "--all"]);
}

#[test]
fn an_export_in_v2_is_imported_as_the_same_document() {
    let place = Place::new();
    let fixture = fixtures::document("text-formatting");
    place.import("a", &fixture.v1.0, &[]);
    let file = place.file("v2", &[]);
    place.succeed(&["doc", "export", "a", &file, "--format", "v2"]);
    place.succeed(&["doc", "import", "b", &file, "--format", "v2"]);
    assert_eq!(place.export("b"), place.export("a"));
}

#[test]
fn an_export_puts_a_whole_file_in_the_place_of_the_one_that_was_there() {
    let place = Place::new();
    let fixture = fixtures::document("text-plain");
    place.import("a", &fixture.v1.0, &[]);
    let (file, link) = (place.file("exported", b"before"), place.folder.path().join("link"));
    let in_the_way = format!("{file}.confluo-unfinished");
    fs::create_dir(&in_the_way).unwrap();
    assert!(place.fail(&["doc", "export", "a", &file]).contains("cannot write"));
    assert_eq!(fs::read(&file).unwrap(), b"before");
    fs::remove_dir(&in_the_way).unwrap();
    let other = place.file("other", b"of somebody else");
    symlink("other", &in_the_way).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    symlink("exported", &link).unwrap();
    place.succeed(&["doc", "export", "a", link.to_str().unwrap()]);
    let exported = Content::of_updates(&[UpdateV1(fs::read(&file).unwrap().into())]);
    assert_eq!(exported, Content::of_updates(&[fixture.v1]));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink() && !fs::exists(&in_the_way).unwrap());
    assert_eq!(fs::read(other).unwrap(), b"of somebody else");
    let new = place.folder.path().join("new");
    place.succeed(&["doc", "export", "a", new.to_str().unwrap()]);
    assert_eq!(fs::metadata(new).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_text_is_shown_as_text_and_roots_are_listed_without_a_type() {
    let place = Place::new();
    let fixture = fixtures::document("text-plain");
    place.import("a", &fixture.v1.0, &[]);
    let name = fixture.roots.keys().next().unwrap();
    let plain = place.text(&["doc", "show", "a", "--root", &format!("{name}:text")]);
    let runs = fixture.content[name]["$text"].as_array().unwrap().iter();
    let expected: String = runs.map(|run| run["insert"].as_str().unwrap()).collect();
    assert_eq!(plain, expected + "\n");
    assert!(place.text(&["doc", "show", "a"]).lines().any(|line| line.ends_with(name.as_str())));
    assert!(place.fail(&["doc", "show", "a", "--root", "nowhere:text"]).contains("no root \"nowhere\""));
}

#[test]
fn an_import_merges_appends_the_difference_and_keeps_the_lineage() {
    let place = Place::new();
    let fixture = fixtures::document("text-plain");
    place.import("a", &fixture.updates[0].0, &[]);
    let first = place.list();
    place.import("a", &fixture.v1.0, &[]);
    let second = place.list();
    assert_eq!((&second[0]["head"], &second[0]["lineage"]), (&2.into(), &first[0]["lineage"]));
    place.import("a", &fixture.v1.0, &[]);
    assert_eq!(place.list(), second, "an import of what is there changes nothing");
    assert_eq!(place.export("a"), Content::of_updates(&[fixture.v1]));
}

#[test]
fn an_import_that_replaces_starts_a_new_lineage() {
    let place = Place::new();
    let (old, new) = (fixtures::document("text-plain"), fixtures::document("xml"));
    place.import("a", &old.v1.0, &[]);
    let before = place.list();
    place.import("a", &new.v1.0, &["--replace"]);
    let after = place.list();
    assert_ne!(after[0]["lineage"], before[0]["lineage"]);
    assert_eq!((after.len(), &after[0]["head"]), (1, &1.into()));
    assert_eq!(place.export("a"), Content::of_updates(&[new.v1]));
}

#[test]
fn a_replacement_that_does_not_fit_leaves_the_old_document() {
    let place = Place::new();
    let old = fixtures::document("text-plain");
    let (small, big) = (place.file("small", &old.v1.0), place.file("big", &text_update(&"x".repeat(8 << 20))));
    // Of files of at most some 4.5 MiB, as if the disk were full beyond them. sled begins with one of 16 MiB.
    let confluo = |arguments: &[&str]| {
        let mut limited = Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 9000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_confluo")]);
        limited.args(arguments).arg("--data-dir").arg(place.data());
        limited.env_clear().env("CONFLUO__STORE__ENGINE", "redb").output().unwrap()
    };
    assert!(confluo(&["doc", "import", "a", &small, "--create-store"]).status.success());
    let refused = confluo(&["doc", "import", "a", &big, "--replace"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("File too large"), "{refused:?}");
    let kept = place.command(&["doc", "export", "a"]).env("CONFLUO__STORE__ENGINE", "redb").output().unwrap().stdout;
    assert_eq!(Content::of_updates(&[UpdateV1(kept.into())]), Content::of_updates(&[old.v1]));
}

#[test]
fn an_update_comes_by_standard_input_too() {
    let place = Place::new();
    let fixture = fixtures::document("map-nested");
    let mut child =
        place.command(&["doc", "import", "a", "-", "--create-store"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fixture.v1.0).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(place.export("a"), Content::of_updates(&[fixture.v1]));
}

#[test]
fn sy13_what_cannot_be_kept_is_refused_by_name_and_changes_nothing() {
    let place = Place::new();
    place.import("a", &fixtures::document("text-plain").v1.0, &[]);
    let before = place.list();
    for refused in fixtures::unsupported_updates().iter().take(3) {
        let file = place.file("refused", &refused.bytes);
        let message = place.fail(&["doc", "import", "a", &file, "--replace"]);
        assert!(message.contains(refused.refusal.as_deref().unwrap()), "{message}");
    }
    let file = place.file("refused", b"no update");
    assert!(place.fail(&["doc", "import", "a", &file]).contains("malformed update"));
    assert!(place.fail(&["doc", "import", "a", &file, "--format", "v2"]).contains("--format v1"));
    let updates = fixtures::document("text-plain").updates;
    let file = place.file("late", &updates.last().unwrap().0);
    assert!(place.fail(&["doc", "import", "b", &file]).contains("neither it nor the document has"));
    assert_eq!(place.list(), before);
}

/// One client's text in root `t`, as bytes: the server's tests know no yrs.
fn text_update(text: &str) -> Vec<u8> {
    let mut update = Writer::default();
    // One section of one struct of client 1 at clock 0; a string in root `t`; nothing deleted.
    update.write_var_uint(1).write_var_uint(1).write_var_uint(1).write_var_uint(0);
    update.write_var_uint(4).write_var_uint(1).write_var_bytes(b"t").write_var_bytes(text.as_bytes());
    update.write_var_uint(0);
    update.finish().to_vec()
}

#[test]
fn a_document_beyond_its_limit_is_refused_with_the_setting() {
    let place = Place::new();
    let file = place.file("big", &text_update(&"x".repeat(70 * 1024)));
    let mut import = place.command(&["doc", "import", "a", &file, "--create-store"]);
    let output = import.env("CONFLUO__LIMITS__MAX_DOCUMENT_BYTES", "64 KiB").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("limits.max_document_bytes (\"64 KiB\")"), "{message}");
    assert!(!place.data().exists(), "nothing was created");
}

#[test]
fn a_deletion_needs_a_yes() {
    let place = Place::new();
    place.import("a", &fixtures::document("text-plain").v1.0, &[]);
    assert!(place.fail(&["doc", "delete", "a"]).contains("--yes"));
    assert_eq!(place.list().len(), 1);
    place.succeed(&["doc", "delete", "a", "--yes"]);
    assert!(place.list().is_empty());
    assert!(place.fail(&["doc", "delete", "a", "--yes"]).contains("there is no document \"a\""));
}
