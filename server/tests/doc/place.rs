//! A data folder that no server uses, and what the built binary makes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use confluo_protocol::{DocumentName, LineageId, Seq, UpdateV1};
use confluo_store::{Append, DocumentStore, Record, UnixMillis};
use confluo_store_sled::SledConfig;
use confluo_testkit::content::Content;
use serde_json::Value;
use tempfile::TempDir;

/// A data folder, and files beside it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(arguments).arg("--data-dir").arg(self.data());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.succeed(arguments)).unwrap()
    }

    /// What a command says that fails.
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} fails");
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn list(&self) -> Vec<Value> {
        let text = self.text(&["doc", "list", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn import(&self, name: &str, update: &[u8], flags: &[&str]) {
        let file = self.file("update", update);
        self.succeed(&[&["doc", "import", name, &file, "--create-store"], flags].concat());
    }

    pub(crate) fn export(&self, name: &str) -> Content {
        Content::of_updates(&[UpdateV1(self.succeed(&["doc", "export", name]).into())])
    }
}

pub(crate) fn append(name: &str, seq: u64, update: &UpdateV1) -> Append {
    let record = Record { seq: Seq(seq), at: UnixMillis(1), authors: Vec::new(), update: update.clone() };
    Append { document: DocumentName::new(name).unwrap(), lineage: LineageId([7; 16]), record }
}

pub(crate) fn fill(data: &Path, records: &[Append]) {
    confluo_store_sled::open(SledConfig::new(data)).unwrap().append(records).unwrap();
}
