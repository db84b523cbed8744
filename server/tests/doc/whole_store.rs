//! Many documents: lists, copies, and stores that are not there.

use std::process::Command;

use confluo_store::{Batch, Engine, keys};
use confluo_store_sled::SledConfig;
use confluo_testkit::fixtures;
use serde_json::Value;

use crate::place::{Place, append, fill};

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

#[test]
fn an_import_makes_a_store_only_where_it_is_asked_to() {
    let place = Place::new();
    let file = place.file("update", &fixtures::document("text-plain").v1.0);
    let message = place.fail(&["doc", "import", "a", &file]);
    assert!(message.contains("there is no store in") && message.contains("--create-store"), "{message}");
    assert!(!place.data().exists(), "nothing was created");
    place.succeed(&["doc", "import", "a", &file, "--create-store"]);
    place.succeed(&["doc", "import", "b", &file]);
    place.succeed(&["doc", "import", "c", &file, "--create-store"]);
    assert_eq!(place.list().len(), 3);
}

#[test]
fn an_import_that_fails_makes_no_store() {
    let place = Place::new();
    let file = place.file("refused", b"no update");
    let import = |file| place.fail(&["doc", "import", "a", file, "--create-store"]);
    assert!(import(&file).contains("malformed update"));
    assert!(import("/nowhere/update").contains("cannot read /nowhere/update"));
    assert!(!place.data().exists(), "nothing was created");
}

#[test]
fn settings_that_only_a_server_has_keep_nobody_from_a_stopped_servers_documents() {
    let place = Place::new();
    place.import("a", &fixtures::document("text-plain").v1.0, &[]);
    let mut verify = place.command(&["doc", "verify"]);
    let output = verify.env("CONFLUO__SERVER__LISTEN", "0.0.0.0:8787").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_the_store_has_lost_is_told_until_it_is_acknowledged() {
    let place = Place::new();
    let fixture = fixtures::document("text-plain");
    for name in ["kept", "lost", "lost too"] {
        place.import(name, &fixture.v1.0, &[]);
    }
    let store = confluo_store_sled::open(SledConfig::new(place.data())).unwrap();
    let mut batch = Batch::default();
    batch.remove(keys::catalogue("lost"));
    batch.remove(keys::catalogue("lost too"));
    store.engine().commit(batch).unwrap();
    drop(store);
    for _ in 0..2 {
        let report = place.fail(&["doc", "verify"]);
        assert!(report.contains("lists 1 documents where there should be 3"), "{report}");
        assert!(place.fail(&["doc", "show", "lost"]).contains("run `confluo store acknowledge`"));
        // A commit, by which the numbers agree again. Importing it is how a document comes back from a backup.
        place.import("lost too", &fixture.v1.0, &[]);
    }
    let copy = format!("sled:{}", place.folder.path().join("copy").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
    let from = format!("sled:{}", place.data().display());
    let output = command.args(["store", "copy", "--from", &from, "--to", &copy]).env_clear().output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && message.contains("the copy lacks the same"), "{message}");
    let shown = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(["doc", "verify", name, "--data-dir"]).arg(place.folder.path().join("copy")).env_clear();
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(shown("lost").contains("it may be among what the store has lost"), "{}", shown("lost"));
    let said = place.text(&["store", "acknowledge"]);
    assert!(said.contains("acknowledged: the catalogue lists 1 documents"), "{said}");
    assert!(place.text(&["store", "acknowledge"]).contains("nothing to acknowledge"));
    place.succeed(&["doc", "verify"]);
    assert!(place.fail(&["doc", "show", "lost"]).contains("there is no document"));
}
