//! `confluo bench compare`: a short comparison, in pieces. Nothing here looks at a clock.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A list of servers and loads, and the file that keeps what was measured.
struct Comparison {
    folder: tempfile::TempDir,
}

impl Comparison {
    /// The floor, Confluo, and one that never starts, under these rows.
    fn of(rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody else takes a port that was free a moment ago, or the test says so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let servers = r#"
            [[server]]
            name = "floor"
            command = ["{confluo}", "bench", "floor", "--listen", "127.0.0.1:{port}"]
            version = ["{confluo}", "--version"]
            url = "ws://127.0.0.1:{port}/{room}"
            dialect = "relay"
            [[server]]
            name = "confluo"
            command = ["{confluo}", "serve", "--listen", "127.0.0.1:{port}", "--data-dir", "{data}"]
            version = ["{confluo}", "--version"]
            url = "ws://127.0.0.1:{port}/sync/{room}"
            metrics = "http://127.0.0.1:{port}/metrics"
            environment = [["CONFLUO__ROOMS__LINGER", "0 s"], ["CONFLUO__SHUTDOWN__WINDOW", "0 s"]]
            fill = ["{confluo}", "bench", "fill", "--to", "sled:{data}", "--documents", "{documents}",
                    "--document-bytes", "{document_bytes}", "--rooms", "{rooms}"]
            [[server]]
            name = "broken"
            command = ["{confluo}", "no-such-command"]
            url = "ws://127.0.0.1:{port}/{room}"
        "#;
        let list = format!("runs = 1\nport = {port}\nfloor = \"floor\"\n{servers}{rows}");
        std::fs::write(folder.path().join("list.toml"), list).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confluo"));
        command.args(["bench", "compare"]).arg(self.path("list.toml")).arg("--json").arg(self.path("result.json"));
        command.args(arguments).env_clear().stdin(Stdio::null()).output().unwrap()
    }

    /// The table and the progress of a comparison that was made.
    fn made(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (table, progress) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{table}{progress}");
        (table, progress)
    }

    fn measurements(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("result.json")).unwrap();
        let result: Value = serde_json::from_str(&text).unwrap();
        result["measurements"].as_array().unwrap().clone()
    }
}

#[test]
fn a_comparison_is_made_in_pieces_and_keeps_what_failed() {
    let comparison = Comparison::of(
        r#"
        [[row]]
        name = "small"
        figures = ["deliveries", "latency_p99"]
        load = { mode = "fanout", clients = 3, writers = 1, rate = 50.0, warmup_seconds = 0.0, seconds = 0.2 }
        [[row]]
        name = "trace"
        figures = ["updates"]
        load = { mode = "replay" }
        "#,
    );
    let (table, progress) = comparison.made(&["--servers", "floor,broken"]);
    assert!(progress.contains("trace is not measured: it needs --trace FILE"), "{progress}");
    assert!(progress.contains("small at broken failed: broken did not start"), "{progress}");
    assert!(table.contains("- confluo: confluo ") && !table.contains("| trace |"), "{table}");
    let failed = &comparison.measurements()[1];
    assert_eq!((&failed["server"], &failed["run"]), (&json!("broken"), &json!(1)));
    assert!(failed["outcome"]["failed"].as_str().unwrap().contains("ended at once"), "{failed}");

    // What is there is neither overwritten nor measured again.
    assert!(!comparison.run(&[]).status.success());
    let trace = comparison.path("trace.json");
    std::fs::write(&trace, r#"{"endContent":"ab","txns":[{"patches":[[0,0,"a"]]},{"patches":[[1,0,"b"]]}]}"#).unwrap();
    let arguments = ["--resume", "--servers", "floor,confluo", "--trace", trace.to_str().unwrap()];
    let (table, progress) = comparison.made(&arguments);
    assert!(progress.contains("3 of 3, run 1: trace at confluo") && !progress.contains("small at floor"), "{progress}");
    let deliveries = table.lines().find(|line| line.starts_with("| small | deliveries |")).unwrap();
    assert!(deliveries.matches("×)").count() == 2 && deliveries.ends_with("| failed |"), "{table}");
    assert!(table.contains("| trace | updates | 2 (1.00×) | 2 (1.00×) | – |"), "{table}");
    assert_eq!(comparison.measurements().len(), 5);

    let (again, progress) = comparison.made(&["--resume", "--runs", "0"]);
    assert_eq!((again, progress), (table, "trace is not measured: it needs --trace FILE\n".to_owned()));
}

#[test]
fn a_server_with_metrics_tells_its_flushes_and_that_nothing_is_left() {
    let comparison = Comparison::of(
        r#"
        [[row]]
        name = "flush"
        figures = ["flush_mean", "flushes", "disk_p99"]
        disk = { rate = 200.0, bytes = 200, seconds = 0.1 }
        load = { mode = "fanout", clients = 2, writers = 1, rate = 50.0, warmup_seconds = 0.0, seconds = 0.2 }
        [[row]]
        name = "leave"
        figures = ["documents_open", "sessions", "tasks_left_behind"]
        skip = ["floor"]
        [row.load]
        mode = "leave"
        rooms = 2
        clients = 2
        rate = 20.0
        seconds = 0.2
        times = 2
        # All of it after the first time; after the second until nothing is held, whatever became of the memory.
        settle_seconds = 10.0
        memory_back_percent = 1000.0
        "#,
    );
    let (table, _) = comparison.made(&["--servers", "floor,confluo"]);
    for figure in ["flush mean", "disk p99"] {
        let row = table.lines().find(|line| line.starts_with(&format!("| flush | {figure} | – | "))).expect(&table);
        assert!(row.ends_with(" ms | – |"), "{table}");
    }
    for figure in ["documents open", "sessions", "tasks left behind"] {
        assert!(table.contains(&format!("| leave | {figure} | – | 0 | – |")), "{table}");
    }
}

#[test]
fn stored_documents_are_opened_after_a_start() {
    let comparison = Comparison::of(
        r#"
        [[row]]
        name = "restart"
        figures = ["empty", "openings", "started_after"]
        skip = ["floor"]
        load = { mode = "open", documents = 2, openings = 2 }
        before_restart = { mode = "fanout", rooms = 2, clients = 1, writers = 1, rate = 50.0, warmup_seconds = 0.0, seconds = 0.2 }
        [[row]]
        name = "filled"
        figures = ["empty", "openings", "latency_p99"]
        fill = { documents = 600, document_bytes = 2000 }
        load = { mode = "open", documents = 600, openings = 3 }
        "#,
    );
    let (table, _) = comparison.made(&["--servers", "floor,confluo"]);
    assert!(table.contains("| restart | empty | – | 0 | – |") && table.contains("| restart | openings | – | 2 | – |"));
    assert!(table.contains("| filled | empty | – | 0 | – |") && table.contains("| filled | openings | – | 3 | – |"));
    assert!(table.contains("| restart | started after | – | ") && table.contains(" ms | – |"), "{table}");
}
