//! `confluo doc` and `confluo store`: the built binary on a data folder that no server uses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1, Writer};
use confluo_store::keys::{self, DocumentNumber};
use confluo_store::{Append, Batch, DocumentStore, Engine, Record, UnixMillis};
use confluo_store_sled::SledConfig;
use confluo_testkit::content::{Content, document_of};
use confluo_testkit::fixtures;
use confluo_testkit::state::{RootType, describe};
use serde_json::Value;
use tempfile::TempDir;

/// A data folder, and files beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(arguments).arg("--data-dir").arg(self.data());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn succeed(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.succeed(arguments)).unwrap()
    }

    /// What a command says that fails.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} fails");
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    fn list(&self) -> Vec<Value> {
        let text = self.text(&["doc", "list", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn import(&self, name: &str, update: &[u8], flags: &[&str]) {
        let file = self.file("update", update);
        self.succeed(&[&["doc", "import", name, &file], flags].concat());
    }

    fn export(&self, name: &str) -> Content {
        Content::of_updates(&[UpdateV1(self.succeed(&["doc", "export", name]).into())])
    }
}

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
    assert!(confluo(&["doc", "import", "a", &small]).status.success());
    let refused = confluo(&["doc", "import", "a", &big, "--replace"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("File too large"), "{refused:?}");
    let kept = confluo(&["doc", "export", "a"]).stdout;
    assert_eq!(Content::of_updates(&[UpdateV1(kept.into())]), Content::of_updates(&[old.v1]));
}

#[test]
fn an_update_comes_by_standard_input_too() {
    let place = Place::new();
    let fixture = fixtures::document("map-nested");
    let mut child = place.command(&["doc", "import", "a", "-"]).stdin(Stdio::piped()).spawn().unwrap();
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
    let mut import = place.command(&["doc", "import", "a", &file]);
    let output = import.env("CONFLUO__LIMITS__MAX_DOCUMENT_BYTES", "64 KiB").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("limits.max_document_bytes (\"64 KiB\")"), "{message}");
    assert!(place.list().is_empty());
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

fn append(name: &str, seq: u64, update: &UpdateV1) -> Append {
    let record = Record { seq: Seq(seq), at: UnixMillis(1), authors: Vec::new(), update: update.clone() };
    Append { document: DocumentName::new(name).unwrap(), lineage: LineageId([7; 16]), record }
}

fn fill(data: &Path, records: &[Append]) {
    confluo_store_sled::open(SledConfig::new(data)).unwrap().append(records).unwrap();
}

#[test]
fn a_list_goes_on_to_its_end_in_order_and_by_prefix() {
    let place = Place::new();
    let update = fixtures::document("text-plain").v1;
    let names: Vec<String> = (0..1100).map(|number| format!("team/{number:04}")).collect();
    let mut records: Vec<_> = names.iter().map(|name| append(name, 1, &update)).collect();
    records.push(append("other", 1, &update));
    fill(&place.data(), &records);
    let listed = place.text(&["doc", "list", "--json", "--prefix", "team/"]);
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.iter().map(|line| line["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    let first = &listed[0];
    assert_eq!((&first["head"], &first["records"]), (&1.into(), &1.into()));
    assert_eq!(first["lineage"], "07".repeat(16));
    assert!(first["bytes"].as_u64().unwrap() >= update.0.len() as u64);
    assert_eq!(place.text(&["doc", "list"]).lines().count(), 1102, "a head line and every document");
}

/// Documents `a`, with its second record flipped, and `b`.
fn damaged() -> Place {
    let place = Place::new();
    let updates = fixtures::document("text-plain").updates;
    let store = confluo_store_sled::open(SledConfig::new(place.data())).unwrap();
    let records: Vec<_> = (1..).zip(&updates).map(|(seq, update)| append("a", seq, update)).collect();
    store.append(&records).unwrap();
    store.append(&[append("b", 1, &fixtures::document("xml").v1)]).unwrap();
    let key = keys::chunk(&keys::record(DocumentNumber(1), Seq(2)), 0);
    let mut value = store.engine().get(&key).unwrap().unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    let mut batch = Batch::default();
    batch.put(key, value);
    store.engine().commit(batch).unwrap();
    place
}

#[test]
fn verify_names_the_document_and_the_record_that_would_not_load() {
    let place = damaged();
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"a\": record 2 is damaged"), "{report}");
    assert!(!report.contains("document \"b\""), "{report}");
    place.succeed(&["doc", "verify", "b"]);
    assert!(place.fail(&["doc", "verify", "b", "c"]).contains("document \"c\": there is none"));
}

#[test]
fn verify_names_a_record_that_holds_no_update() {
    let place = Place::new();
    fill(&place.data(), &[append("a", 1, &UpdateV1("no update".into()))]);
    let report = place.fail(&["doc", "verify"]);
    assert!(report.contains("document \"a\": record 1: malformed update"), "{report}");
}

#[test]
fn a_damaged_document_is_exported_only_when_asked_for_what_is_left() {
    let place = damaged();
    let message = place.fail(&["doc", "export", "a"]);
    assert!(message.contains("record 2 is damaged") && message.contains("--salvage"), "{message}");
    let left = place.succeed(&["doc", "export", "a", "--salvage"]);
    let first = fixtures::document("text-plain").updates.swap_remove(0);
    let (left, first) = (Content::of_updates(&[UpdateV1(left.into())]), Content::of_updates(&[first]));
    assert_eq!(left.clocks(), first.clocks(), "what builds on the second record is gone with it");
}

#[test]
fn a_store_is_copied_to_another_engine_and_back() {
    let place = Place::new();
    for fixture in fixtures::documents() {
        place.import(&fixture.name, &fixture.v1.0, &[]);
    }
    let copy = |from: &str, to: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(["store", "copy", "--from", from, "--to", to]).env_clear().output().unwrap()
    };
    let address = |engine: &str, name: &str| format!("{engine}:{}", place.folder.path().join(name).display());
    let (sled, redb, back) = (address("sled", "data"), address("redb", "redb"), address("sled", "back"));
    for (from, to) in [(&sled, &redb), (&redb, &back)] {
        let output = copy(from, to);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let list = |engine: &str, folder: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(["doc", "list", "--json", "--data-dir"]).arg(place.folder.path().join(folder));
        String::from_utf8(command.env_clear().env("CONFLUO__STORE__ENGINE", engine).output().unwrap().stdout).unwrap()
    };
    let original = list("sled", "data");
    assert_eq!(original.lines().count(), fixtures::documents().len());
    assert_eq!(list("redb", "redb"), original);
    assert_eq!(list("sled", "back"), original);
    let again = copy(&sled, &redb);
    assert!(String::from_utf8(again.stderr).unwrap().contains("already has documents"));
}

#[test]
fn a_store_that_is_not_there_or_in_use_is_explained() {
    let place = Place::new();
    assert!(place.fail(&["doc", "list"]).contains("there is no store in"));
    assert!(!place.data().exists(), "nothing was created");
    let _in_use = confluo_store_sled::open(SledConfig::new(place.data())).unwrap();
    for arguments in [&["doc", "list"][..], &["doc", "verify"], &["doc", "export", "a"]] {
        let message = place.fail(arguments);
        assert!(message.contains("another process uses the store"), "{message}");
    }
}
