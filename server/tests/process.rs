//! The binary itself: what it prints, how it is told to stop, and with which code it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use confluo_auth::{AuthConfig, MintRequest, UnixTime, mint};
use confluo_hub::Clock;
use rustix::process::{Pid, Signal, kill_process};

fn confluo(arguments: &[&str]) -> Command {
    piped(Command::new(env!("CARGO_BIN_EXE_confluo")), arguments)
}

fn piped(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    confluo(arguments).output().unwrap()
}

/// A served process, killed if a test fails.
struct Served {
    child: Child,
    address: SocketAddr,
    /// Keeps the log's pipe open: a process whose log nobody reads would stop at its next line.
    log: BufReader<std::process::ChildStderr>,
    data: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    fn start_in(data: tempfile::TempDir, arguments: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_confluo")), data, arguments)
    }

    fn start_as(program: Command, data: tempfile::TempDir, arguments: &[&str]) -> Self {
        let folder = data.path().join("data");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder.to_str().unwrap()];
        let mut command = piped(program, &[&serve, arguments].concat());
        let mut child = command.env("CONFLUO__LOG__FORMAT", "json").spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended before it served");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = event["address"].as_str() {
                break address.parse().unwrap();
            }
        };
        Self { child, address, log, data }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn wait_for_log(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the server ended");
        }
    }

    /// As `kill -9`; returns what it was served from.
    fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.data, tempfile::tempdir().unwrap())
    }

    /// The exit code, and what was logged until then.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_kept_is_for_the_servers_user_alone() {
    let served = Served::start();
    let mode = std::fs::metadata(served.data.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn there_are_no_more_connections_than_open_files() {
    let data = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 258; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_confluo")]);
    let served = Served::start_as(limited, data, &[]);
    let connect = || TcpStream::connect(served.address).unwrap();
    let places = [connect(), connect()];
    let mut answer = String::new();
    connect().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(places);
}

#[test]
fn a_signal_stops_the_server_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let served = Served::start();
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(b"GET /health/live?token=hunter2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        served.signal(signal);
        let (code, log) = served.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("everything is on disk") && !log.contains("hunter2"), "{log}");
    }
}

/// As a log shipper does that has lost its connection: more is waiting than a pipe holds.
#[test]
fn a_reader_of_the_audit_log_that_stands_still_holds_up_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    std::fs::write(&path, "audit.output = 'stdout'\nshutdown.window = '0 s'\n").unwrap();
    let served = Served::start_with(&["--config", path.to_str().unwrap()]);
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let head = format!("connection: upgrade\r\nupgrade: websocket\r\n{key}");
    let request = format!("GET /sync/{} HTTP/1.1\r\nhost: x\r\n{head}\r\n", "x".repeat(500));
    for _ in 0..200 {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // Behind the answer, what the server says first: it has joined.
        let mut read = 0;
        while read < 140 {
            read += stream.read(&mut [0; 500]).unwrap();
        }
    }
    served.signal(Signal::TERM);
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("whoever reads the audit log does not go on"), "{log}");
}

/// The first signal's stop still waits for a client that does not answer its close, when the second comes.
#[test]
fn a_second_signal_stops_the_server_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    std::fs::write(&path, "sessions.close_timeout = '1 min'\nshutdown.timeout = '1 h'\n").unwrap();
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::INT)] {
        let mut served = Served::start_with(&["--config", path.to_str().unwrap()]);
        let mut deaf = TcpStream::connect(served.address).unwrap();
        let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
        deaf.write_all(format!("GET /sync/notes HTTP/1.1\r\nhost: x\r\n{upgrade}{key}\r\n").as_bytes()).unwrap();
        let mut status = [0; 12];
        deaf.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 101");
        served.signal(first);
        served.wait_for_log("a second signal stops at once");
        served.signal(second);
        let (code, log) = served.end();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("stopping at once") && !log.contains("everything is on disk"), "{log}");
    }
}

#[test]
fn a_token_is_minted_and_a_user_revoked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    let keys = "keys = [{ algorithm = \"HS256\", secret = \"0123456789abcdef0123456789abcdef\" }]";
    std::fs::write(&path, format!("[auth]\nmode = \"token\"\n{keys}\n")).unwrap();
    let config = ["--config", path.to_str().unwrap()];
    let running = Served::start_with(&config);
    let server = running.address.to_string();
    let said = |arguments: &[&str]| {
        let output = run(&[arguments, &config].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };

    let (is_minted, token, _) = said(&["token", "--user", "ann", "--write", "team/*"]);
    assert!(is_minted && token.trim().split('.').count() == 3, "{token}");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    let as_ann = ["revoke", "--user", "bob", "--server", &server, "--token-file", token_file.to_str().unwrap()];
    let (is_done, _, why) = said(&as_ann);
    assert!(!is_done && why.contains("403") && !why.contains(token.trim()), "{why}");

    // Without a token file an admin token is minted from the configuration's own secret.
    let revoke = ["revoke", "--user", "ann", "--server", &server];
    assert_eq!(said(&revoke), (true, "{\"sessions_ended\":0}\n".to_owned(), String::new()));
    let of_token = ["revoke", "--token-id", "5f2a", "--expires-at", "4000000000", "--server", &server];
    assert!(said(&of_token).0);
    let book = std::fs::read_to_string(running.data.path().join("data/revocations.json")).unwrap();
    assert!(book.contains("4000000000"), "it is forgotten when the token has expired: {book}");
    let (_, _, why) = said(&as_ann);
    assert!(why.contains("401"), "a revoked token is refused before its role is looked at: {why}");
    let undo = said(&[&revoke[..], &["--undo"]].concat());
    assert_eq!(undo, (true, "{\"was_revoked\":true}\n".to_owned(), String::new()));
}

/// Clocks differ, and a token that counts may have been issued by a clock that is ahead.
#[test]
fn what_was_issued_until_now_is_revoked_to_the_end_of_the_leeway_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    let auth = "mode = \"token\"\nleeway = \"5 min\"\nexpiry_grace = \"5 min\"\n\
                keys = [{ algorithm = \"HS256\", secret = \"0123456789abcdef0123456789abcdef\" }]\n";
    std::fs::write(&path, format!("[auth]\n{auth}")).unwrap();
    let config = ["--config", path.to_str().unwrap()];
    let ahead = |seconds| {
        let config: AuthConfig = toml::from_str(auth).unwrap();
        let key = config.signing_key(None, |_| unreachable!("the secret stands in the configuration")).unwrap();
        let request = MintRequest {
            user: "ann".to_owned(),
            display_name: None,
            colour: None,
            grants: None,
            is_admin: true,
            lifetime: Duration::from_secs(3600),
            token_id: None,
        };
        let issued_at = UnixTime::from(Clock.wall()).plus(Duration::from_secs(seconds));
        let token = mint(&config, &key, &request, issued_at).unwrap();
        let file = folder.path().join(format!("token-{seconds}"));
        std::fs::write(&file, token.reveal()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let running = Served::start_with(&config);
    let revoke = |running: &Served, arguments: &[&str]| {
        let server = running.address.to_string();
        let output = run(&[&["revoke", "--server", &server], arguments, &config].concat());
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let token = ahead(280);
    let by_token = ["--user", "nobody", "--token-file", &token];
    assert_eq!(revoke(&running, &by_token), (true, String::new()));
    // Of one user, then of everybody, which takes in the command's own tokens too.
    assert_eq!(revoke(&running, &["--issued-now", "--user", "ann"]), (true, String::new()));
    assert!(revoke(&running, &by_token).1.contains("401"));
    assert_eq!(revoke(&running, &["--issued-now", "--user", "ann", "--undo"]), (true, String::new()));
    assert_eq!(revoke(&running, &by_token), (true, String::new()));
    assert_eq!(revoke(&running, &["--issued-now"]), (true, String::new()));
    assert!(revoke(&running, &by_token).1.contains("401"));
    let why = revoke(&running, &["--token-id", "5f2a"]).1;
    assert!(why.contains("within auth.leeway are refused too: try again"), "{why}");
    let running = Served::start_in(running.kill(), &config);
    let (is_done, why) = revoke(&running, &by_token);
    assert!(!is_done && why.contains("the token was revoked"), "{why}");
}

/// Reading files again is what SIGHUP means elsewhere; its default would end the process at once.
#[test]
fn a_hangup_with_nothing_to_read_again_is_told_and_ends_nothing() {
    let mut served = Served::start();
    served.signal(Signal::HUP);
    served.wait_for_log("SIGHUP");
    assert!(run(&["health", "--server", &served.address.to_string()]).status.success());
    served.signal(Signal::TERM);
    assert_eq!(served.end().0, Some(0));
}

#[test]
fn health_is_asked_from_the_command_line() {
    let running = Served::start();
    let server = running.address.to_string();
    // What this environment says about the configuration does not matter to a probe that knows the address.
    let asked = confluo(&["health", "--server", &server]).env("CONFLUO__SERVER__LISTEN", "0.0.0.0:1").output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "{\"status\":\"ready\"}\n");
    let asked = run(&["health", "--live", "--listen", &server]);
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "{\"status\":\"live\"}\n");
    drop(running);
    let asked = run(&["health", "--server", &server]);
    let message = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.code() == Some(1) && message.contains("cannot ask the server at"), "{message}");
}

#[test]
fn commands_speak_the_tls_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write_pair = || {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(file("certificate.pem"), pair.cert.pem()).unwrap();
        std::fs::write(file("key.pem"), pair.key_pair.serialize_pem()).unwrap();
    };
    write_pair();
    let configuration = format!(
        "auth.mode = 'token'\nauth.keys = [{{ algorithm = 'HS256', secret = 'a secret that is long enough for HS256' }}]\n\
         tls.certificate_file = '{}'\ntls.key_file = '{}'\ntls.reload_interval = '1 day'\n",
        file("certificate.pem"),
        file("key.pem")
    );
    std::fs::write(file("confluo.toml"), configuration).unwrap();
    let config = ["--config".to_owned(), file("confluo.toml")];
    let config: Vec<_> = config.iter().map(String::as_str).collect();
    let running = Served::start_with(&config);
    let server = running.address.to_string();
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };

    let ready = (true, "{\"status\":\"ready\"}\n".to_owned(), String::new());
    let probe = [&["health", "--listen", &server][..], &config].concat();
    assert_eq!(said(&probe), ready);
    assert_eq!(said(&["health", "--server", &format!("https://{server}")]), ready);
    assert!(!said(&["health", "--server", &server]).0, "nothing is answered outside TLS");
    let revoke = [&["revoke", "--user", "ann", "--server", &server][..], &config].concat();
    assert_eq!(said(&revoke), (true, "{\"sessions_ended\":0}\n".to_owned(), String::new()));
    // Who does not have the certificate believes those whom browsers believe.
    std::fs::write(file("token"), "an admin's token").unwrap();
    let https = format!("https://{server}");
    let elsewhere = ["revoke", "--user", "ann", "--server", &https, "--token-file", &file("token")];
    let (is_done, _, why) = said(&elsewhere);
    assert!(!is_done && why.contains("certificate"), "{why}");

    // A server with another certificate may be another server: it gets no admin token. A probe has nothing to lose.
    write_pair();
    let (is_done, _, why) = said(&revoke);
    assert!(!is_done && why.contains("another certificate than tls.certificate_file"), "{why}");
    assert_eq!(said(&probe), ready);
    running.signal(Signal::HUP);
    let is_read_again = std::iter::repeat_with(|| said(&revoke).0).take(1000).any(|is_done| is_done);
    assert!(is_read_again, "SIGHUP reads the files again");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn the_effective_configuration_says_where_it_came_from() {
    let output = confluo(&["config", "print", "--listen", "127.0.0.1:9"])
        .env("CONFLUO__METRICS__TOKEN", "hunter2")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("listen = \"127.0.0.1:9\"  # from --listen"), "{text}");
    assert!(text.contains("token = \"[secret]\"  # from CONFLUO__METRICS__TOKEN"), "{text}");
    assert!(text.contains("max_message_bytes = \"64 MiB\"\n"), "{text}");
}

#[test]
fn the_printed_defaults_are_a_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    std::fs::write(&path, run(&["config", "print", "--defaults"]).stdout).unwrap();
    let output = run(&["config", "check", "--config", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whoever checks may be root, and the server would then not be allowed to write to what was made.
#[test]
fn a_check_of_the_configuration_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["config", "check", "--data-dir", data.to_str().unwrap()];
    let output = confluo(&arguments).env("CONFLUO__AUDIT__OUTPUT", "file").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_configuration_that_cannot_be_used_fails_with_its_reason() {
    let output = confluo(&["config", "check"]).env("CONFLUO__SERVER__LISTENN", "x").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("server.listenn (from CONFLUO__SERVER__LISTENN)") && message.contains("did you mean listen?")
    );
}
