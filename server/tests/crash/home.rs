//! Where a server lives through all its deaths: one folder, one address, one engine.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use confluo_client::{Backoff, ClientConfig, yrs::Transact};
use confluo_protocol::UpdateV1;
use confluo_testkit::content::document_of;
use rustix::process::{Pid, Signal, kill_process};

use crate::load::items_of;

/// Everything that a test waits for comes sooner than this, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Fails with `what` when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A data folder with the address under which it is served.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    engine: &'static str,
    pub(crate) address: SocketAddr,
}

impl Home {
    /// `host` is a loopback address that no other test uses: the port stays free while the server is down, and a client
    /// from 127.0.0.1 that knocks meanwhile cannot connect to itself.
    pub(crate) fn new(engine: &'static str, host: [u8; 4]) -> Self {
        let free = TcpListener::bind((Ipv4Addr::from(host), 0)).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), engine, address: free.local_addr().unwrap() }
    }

    /// Starts the server; it is not ready yet.
    pub(crate) fn start(&self) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.confluo(&["serve", "--listen", &self.address.to_string()]);
        // Snapshots replace the log all the time, so that a kill may hit one.
        command.env("CONFLUO__STORE__SNAPSHOT_AFTER_RECORDS", "40");
        Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// How a client gets here; it comes back without patience.
    pub(crate) fn client_config(&self, document: &str) -> ClientConfig {
        let mut config = ClientConfig::new(&format!("ws://{}/sync/{document}", self.address)).unwrap();
        config.backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(50), 1);
        config
    }

    /// Fails unless every record on the disk can be read and applied.
    pub(crate) fn verify(&self) {
        let output = self.confluo(&["doc", "verify"]).output().unwrap();
        assert!(output.status.success(), "{}\n{}", shown(&output), self.log_end());
    }

    /// The items of a document on the disk.
    pub(crate) fn items_on_disk(&self, document: &str) -> BTreeSet<String> {
        let output = self.confluo(&["doc", "export", document]).output().unwrap();
        assert!(output.status.success(), "{document}: {}\n{}", shown(&output), self.log_end());
        items_of(&document_of(&[UpdateV1(output.stdout.into())]).transact())
    }

    /// The names of the files in the data folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let folder = self.folder.path().join("data");
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// What the server said last.
    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn confluo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(arguments).arg("--data-dir").arg(self.folder.path().join("data"));
        command.env_clear().env("CONFLUO__STORE__ENGINE", self.engine).stdin(Stdio::null());
        command
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

fn shown(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// A running server; it does not outlive the test.
pub(crate) struct Process(Child);

impl Process {
    /// SIGKILL: the process does nothing more, not even a destructor.
    pub(crate) fn kill(mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "the server ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Process {
    /// SIGTERM, to which it closes what it has open.
    pub(crate) fn stop(mut self) {
        let id = Pid::from_child(&self.0);
        kill_process(id, Signal::TERM).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail after a kill, which is well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
