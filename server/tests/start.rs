//! Why the binary cannot start: what it says, and with which code it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ENGINES: [(&str, &str); 2] = [("sled", "db"), ("redb", "confluo.redb")];

/// Takes from root what makes it root: no file opens to it whose mode says so, and no port below 1024.
const UNPRIVILEGED: &[&str] = &["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

/// In a network that nobody configured, so that ports below 1024 are root's.
const IN_ITS_OWN_NETWORK: &[&str] = &["unshare", "--net"];

/// Has the folder that follows read-only, and nobody else has.
const READ_ONLY: &[&str] =
    &["unshare", "--mount", "sh", "-ec", "mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"; exec \"$@\""];

/// What the binary says, and its exit code, behind programs that take something from it; they need root on Linux.
fn confluo_behind(programs: &[&str], arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let line = [programs, &[env!("CARGO_BIN_EXE_confluo")], arguments].concat();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).env_clear().envs(environment.iter().copied());
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[track_caller]
fn check((code, message): &(Option<i32>, String), expected: i32, words: &[&str]) {
    assert_eq!(*code, Some(expected), "{message}");
    for words in words {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
}

/// A folder with a store, and how each command is told of it.
struct Place {
    folder: tempfile::TempDir,
    engine: &'static str,
}

impl Place {
    fn new(engine: &'static str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), engine };
        let update = place.folder.path().join("update");
        fs::write(&update, [0, 0]).unwrap();
        check(&place.run(&[], &["doc", "import", "a", update.to_str().unwrap(), "--create-store"]), 0, &[]);
        place
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, programs: &[&str], arguments: &[&str]) -> (Option<i32>, String) {
        self.run_on(&self.data(), programs, arguments)
    }

    fn run_on(&self, data: &Path, programs: &[&str], arguments: &[&str]) -> (Option<i32>, String) {
        let environment = [("CONFLUO__STORE__ENGINE", self.engine)];
        let arguments = [arguments, &["--data-dir", data.to_str().unwrap()]].concat();
        confluo_behind(programs, &arguments, &environment)
    }
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

#[test]
fn a_taken_address_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let said = confluo_behind(&[], &["serve", "--listen", &address, "--data-dir", data.path().to_str().unwrap()], &[]);
    let cannot = format!("cannot listen on {address}");
    check(&said, 1, &[&cannot, "another process listens there", "--listen"]);
}

#[test]
fn a_port_that_is_not_for_this_user_is_explained() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--listen", "0.0.0.0:80", "--data-dir", data.path().to_str().unwrap()];
    let programs = [IN_ITS_OWN_NETWORK, UNPRIVILEGED].concat();
    let open = [("CONFLUO__AUTH__UNPROTECTED", confluo_auth::UNPROTECTED_WORDS)];
    let said = confluo_behind(&programs, &arguments, &open);
    check(&said, 1, &["cannot listen on 0.0.0.0:80", "need CAP_NET_BIND_SERVICE, or a proxy", "--listen"]);
}

#[test]
fn a_data_folder_that_cannot_be_is_explained() {
    let place = Place::new("sled");
    let file = place.folder.path().join("update");
    for folder in [file.clone(), file.join("below")] {
        let cannot = format!("cannot make the data folder {}; choose another with --data-dir", folder.display());
        check(&place.run_on(&folder, &[], SERVE), 1, &[&cannot]);
    }
}

#[test]
fn a_data_folder_that_is_closed_to_this_user_is_explained() {
    for (engine, file) in ENGINES {
        let place = Place::new(engine);
        let while_closed = |closed: &Path, data: &Path, arguments: &[&str]| {
            let mode = fs::metadata(closed).unwrap().permissions();
            fs::set_permissions(closed, Permissions::from_mode(0o000)).unwrap();
            let said = place.run_on(data, UNPRIVILEGED, arguments);
            fs::set_permissions(closed, mode).unwrap();
            said
        };
        let data = place.data();
        let may_not = "this user may not read and write in the data folder; see who owns it";
        check(&while_closed(&data, &data, SERVE), 1, &[may_not]);
        check(&while_closed(&data, &data, &["doc", "list"]), 1, &["cannot look into", "may this user read it?"]);
        for arguments in [SERVE, &["doc", "list"], &["doc", "verify"]] {
            check(&while_closed(&data.join(file), &data, arguments), 1, &[may_not]);
        }
        check(&while_closed(&data, &data.join("below"), SERVE), 1, &["cannot make the data folder"]);
        // Open again, it is as it was.
        check(&place.run(UNPRIVILEGED, &["doc", "verify"]), 0, &[]);
    }
}

#[test]
fn a_read_only_file_system_is_explained() {
    for (engine, _) in ENGINES {
        let place = Place::new(engine);
        let data = place.data();
        let programs = [READ_ONLY, &[data.to_str().unwrap()]].concat();
        let is_read_only = "the file system of the data folder is read-only";
        for arguments in [SERVE, &["doc", "list"], &["doc", "verify"]] {
            check(&place.run(&programs, arguments), 1, &[is_read_only]);
        }
        check(&place.run_on(&data.join("below"), &programs, SERVE), 1, &["cannot make the data folder", "Read-only"]);
        check(&place.run(&[], &["doc", "verify"]), 0, &[]);
    }
}

#[test]
fn an_admin_token_does_not_cross_a_network_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "an admin's token").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let revoke = |server: &str, more: &[&str]| {
        let arguments = ["revoke", "--user", "ann", "--token-file", file.to_str().unwrap(), "--server", server];
        confluo_behind(IN_ITS_OWN_NETWORK, &[&arguments, more].concat(), &[])
    };
    let in_clear = "would cross the network in clear; write https:// before the address";
    check(&revoke("192.0.2.1:8787", &[]), 1, &["cannot ask the server at 192.0.2.1:8787", in_clear]);
    for (server, more) in [("192.0.2.1:8787", &["--without-tls"][..]), (&*taken, &[]), ("[::1]:1", &[])] {
        let said = revoke(server, more);
        check(&said, 1, &["cannot ask the server at"]);
        assert!(!said.1.contains(in_clear), "{}", said.1);
    }
}

#[test]
fn a_check_of_the_configuration_knows_whose_server_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in ["revocations.json", "audit.jsonl"] {
        fs::write(data.join(name), confluo_auth::Revocations::default().to_json()).unwrap();
    }
    let check_as = |programs: &[&str], file: &Path| {
        let environment = [("CONFLUO__AUDIT__OUTPUT", "file"), ("CONFLUO__AUDIT__FILE", file.to_str().unwrap())];
        confluo_behind(programs, &["config", "check", "--data-dir", data.to_str().unwrap()], &environment)
    };
    let (log, elsewhere) = (data.join("audit.jsonl"), folder.path().join("log").join("audit.jsonl"));
    fs::create_dir(elsewhere.parent().unwrap()).unwrap();
    check(&check_as(UNPRIVILEGED, &log), 0, &[]);
    fs::set_permissions(elsewhere.parent().unwrap(), Permissions::from_mode(0o500)).unwrap();
    check(&check_as(UNPRIVILEGED, &elsewhere), 1, &["audit.file", "Permission denied"]);
    for name in ["revocations.json", "audit.jsonl"] {
        fs::set_permissions(data.join(name), Permissions::from_mode(0o000)).unwrap();
    }
    check(&check_as(UNPRIVILEGED, &log), 1, &["audit.file", "Permission denied"]);
    // An operator who is not the server's user may not read them, and the server may.
    chown(&data, Some(1_000), Some(1_000)).unwrap();
    check(&check_as(UNPRIVILEGED, &log), 0, &[]);
    // Before the first start it is the user in whose folder the data folder would be made.
    fs::remove_dir_all(&data).unwrap();
    check(&check_as(UNPRIVILEGED, &elsewhere), 1, &["audit.file", "Permission denied"]);
    chown(folder.path(), Some(1_000), Some(1_000)).unwrap();
    check(&check_as(UNPRIVILEGED, &elsewhere), 0, &[]);
}

#[test]
fn a_store_that_no_further_try_would_open_has_an_exit_code_of_its_own() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("confluo.redb"), [7; 8_192]).unwrap();
    let arguments = [SERVE, &["--data-dir", data.path().to_str().unwrap()]].concat();
    for (engine, what) in [("redb", "restore a backup"), ("sled", "is not a store of this engine")] {
        check(&confluo_behind(&[], &arguments, &[("CONFLUO__STORE__ENGINE", engine)]), 65, &[what]);
    }
    let unit = include_str!("../../deploy/confluo.service");
    assert!(unit.contains("\nRestartPreventExitStatus=65\n"), "it is not started again and again");
}
