//! A store that does not open: what is told, and what comes back.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use confluo_protocol::UpdateV1;
use confluo_testkit::content::Content;
use confluo_testkit::fixtures;

use crate::place::Place;

fn confluo(engine: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
    command.args(arguments).env_clear().env("CONFLUO__STORE__ENGINE", engine).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What is exported of each document, by its name.
fn exports(engine: &str, data: &str) -> BTreeMap<String, Content> {
    let export = |name: String| {
        let exported = confluo(engine, &["doc", "export", &name, "--data-dir", data]);
        assert!(exported.status.success(), "{name}: {}", told(&exported));
        (name, Content::of_updates(&[UpdateV1(exported.stdout.into())]))
    };
    fixtures::documents().into_iter().map(|fixture| export(fixture.name)).collect()
}

/// A store of all fixtures, of which one bit keeps the engine from opening it, what it held, and the addresses of it and of another.
fn damaged(engine: &str, file: &str) -> (Place, BTreeMap<String, Content>, String, String) {
    let place = Place::new();
    for fixture in fixtures::documents() {
        let update = place.file("update", &fixture.v1.0);
        let data = place.data();
        let arguments =
            ["doc", "import", &fixture.name, &update, "--create-store", "--data-dir", data.to_str().unwrap()];
        assert!(confluo(engine, &arguments).status.success());
    }
    let held = exports(engine, place.data().to_str().unwrap());
    let path = place.data().join(file);
    let mut bytes = fs::read(&path).unwrap();
    // The beginning, without which redb knows no file, or a message that is newer than what sled has noted of its log.
    let hit = if engine == "redb" { 0 } else { bytes.iter().rposition(|byte| *byte != 0).unwrap() - 2_000 };
    bytes[hit] ^= 1;
    fs::write(path, bytes).unwrap();
    let address = |folder: &str| format!("{engine}:{}", place.folder.path().join(folder).display());
    let (from, to) = (address("data"), address("new"));
    (place, held, from, to)
}

#[test]
fn what_is_left_of_a_store_that_does_not_open_is_salvaged_by_the_command_that_the_error_names() {
    for (engine, file) in [("sled", "db"), ("redb", "confluo.redb")] {
        let (place, held, from, to) = damaged(engine, file);
        let (data, new) = (place.data(), place.folder.path().join("new"));
        let (data, new) = (data.to_str().unwrap(), new.to_str().unwrap());
        let served = confluo(engine, &["serve", "--listen", "127.0.0.1:0", "--data-dir", data]);
        let command = format!("`confluo store salvage --from '{from}' --to {engine}:NEW_FOLDER`");
        assert!(served.status.code() == Some(65) && told(&served).contains(&command), "{}", told(&served));
        let files = || {
            let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
            files.map(|path| (path.clone(), fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
        };
        let before = files();
        let salvaged = confluo(engine, &["store", "salvage", "--from", &from, "--to", &to]);
        let all = held.len();
        assert!(told(&salvaged).contains(&format!("salvaged {all} documents")), "{}", told(&salvaged));
        assert!(before == files(), "the damaged folder is only read");
        assert_eq!(held, exports(engine, new), "{engine}: all documents are as they were");
        // A document that is not there may have been lost.
        let verified = confluo(engine, &["doc", "verify", "--data-dir", new]);
        assert!(verified.status.code() == Some(1) && told(&verified).contains("salvaged"), "{}", told(&verified));
        let shown = confluo(engine, &["doc", "show", "nowhere", "--data-dir", new]);
        assert!(told(&shown).contains("confluo store acknowledge"), "{}", told(&shown));
        let again = confluo(engine, &["store", "salvage", "--from", &from, "--to", &to]);
        assert!(told(&again).contains("is a store already"), "{}", told(&again));
        assert!(confluo(engine, &["store", "acknowledge", "--data-dir", new]).status.success());
        assert!(confluo(engine, &["doc", "verify", "--data-dir", new]).status.success());
    }
}

#[test]
fn a_salvage_from_what_is_in_use_or_not_there_is_refused() {
    let place = Place::new();
    place.import("a", &fixtures::document("text-plain").v1.0, &[]);
    let address = |engine: &str, folder: &str| format!("{engine}:{}", place.folder.path().join(folder).display());
    let to = address("sled", "new");
    let salvage = |from: &str| told(&confluo("sled", &["store", "salvage", "--from", from, "--to", &to]));
    assert!(salvage(&address("redb", "data")).contains("cannot read what is left of"));
    assert!(salvage(&address("sled", "nowhere")).contains("cannot read what is left of"));
    let config = confluo_store_sled::SledConfig::new(place.data());
    let in_use = confluo_store_sled::open(config).unwrap();
    assert!(salvage(&address("sled", "data")).contains("another process uses the store"));
    drop(in_use);
    let redb = confluo_store_redb::RedbConfig::new(place.folder.path().join("redb"));
    let _in_use = confluo_store_redb::open(redb).unwrap();
    assert!(salvage(&address("redb", "redb")).contains("another process uses the store"));
    assert!(!place.folder.path().join("new").exists(), "nothing was created");
}
