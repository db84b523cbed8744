use std::fs;
use std::os::unix::fs::PermissionsExt;

use confluo_protocol::{ConnectionId, DocumentName, UserId};

use super::*;
use crate::access::Client;
use crate::config::{ByteCount, Config};

fn config(folder: &Path) -> AuditConfig {
    let file = Some(folder.join("log").join("audit.jsonl"));
    AuditConfig { output: AuditOutput::File, file, ..Config::default().audit }
}

fn record(audit: &Audit, connection: u64) {
    let (address, user) = ([192, 0, 2, 1].into(), Some(UserId("ada".into())));
    let client = Client { connection: ConnectionId(connection), address, user };
    let document = DocumentName::new("notes \"of\" a week").unwrap();
    audit.record(&AuditEvent::Wrote { who: Who::new(&client, Some(&document)) });
}

/// The connections in the lines of all files, oldest first.
fn connections(folder: &Path) -> Vec<u64> {
    let mut files: Vec<_> = fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(path.to_string_lossy().len() * 1_000 + number_of(path)));
    let lines = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let events = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.map(|event| event["connection"].as_u64().unwrap()).collect()
}

fn number_of(path: &Path) -> usize {
    path.extension().and_then(|extension| extension.to_str()?.parse().ok()).unwrap_or(0)
}

#[test]
fn an_event_is_one_line_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(&config(folder.path()), folder.path()).unwrap();
    record(&audit, 7);
    audit.finish();
    let file = folder.path().join("log/audit.jsonl");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "for its owner alone");
    let text = fs::read_to_string(file).unwrap();
    let (time, rest) = text.split_once(r#"Z","#).unwrap();
    assert!(time.starts_with(r#"{"time":"20"#), "{text}");
    let fields =
        r#""event":"wrote","connection":7,"address":"192.0.2.1","user":"ada","document":"notes \"of\" a week"}"#;
    assert_eq!(rest, format!("{fields}\n"));
}

#[test]
fn full_files_are_put_aside_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig { max_file_bytes: ByteCount::bytes(300), max_files: 3, ..config(folder.path()) };
    for start in [0, 10] {
        // The second process goes on where the first one ended.
        let audit = Audit::open(&config, folder.path()).unwrap();
        for connection in start..start + 10 {
            record(&audit, connection);
            audit.finish();
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("log")).unwrap().count(), 3);
    for file in fs::read_dir(folder.path().join("log")).unwrap() {
        assert!(file.unwrap().metadata().unwrap().len() <= 300);
    }
    assert_eq!(connections(folder.path()), (14..20).collect::<Vec<_>>());
}

#[test]
fn where_no_new_file_can_be_made_no_older_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig { max_file_bytes: ByteCount::bytes(300), max_files: 3, ..config(folder.path()) };
    let audit = Audit::open(&config, folder.path()).unwrap();
    let write = |connections: std::ops::Range<u64>| {
        for connection in connections {
            record(&audit, connection);
            audit.finish();
        }
    };
    write(0..6);
    assert_eq!(connections(folder.path()), (0..6).collect::<Vec<_>>(), "three full files");
    let in_the_way = folder.path().join("log/audit.jsonl.new");
    fs::create_dir(&in_the_way).unwrap();
    write(6..16);
    assert_eq!(audit.counts().lost.get(), 10);
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(connections(folder.path()), (0..6).collect::<Vec<_>>());
    write(16..18);
    assert_eq!(connections(folder.path()), [2, 3, 4, 5, 16, 17]);
}

#[test]
fn with_fewer_files_than_before_the_oldest_go_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig { max_file_bytes: ByteCount::bytes(300), max_files: 5, ..config(folder.path()) };
    let audit = Audit::open(&config, folder.path()).unwrap();
    for connection in 0..10 {
        record(&audit, connection);
        audit.finish();
    }
    drop(audit);
    let fewer = AuditConfig { max_files: 2, ..config };
    Audit::check(&fewer, folder.path()).unwrap();
    assert_eq!(connections(folder.path()).len(), 10, "a check changes nothing");
    Audit::open(&fewer, folder.path()).unwrap();
    assert_eq!(connections(folder.path()), [6, 7, 8, 9]);
}

#[test]
fn a_file_that_could_never_be_put_aside_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    Audit::open(&config, folder.path()).unwrap();
    let log = folder.path().join("log");
    assert_eq!(fs::read_dir(&log).unwrap().count(), 1, "what was tried is gone");
    // As where the folder is another user's, which keeps root from nothing.
    fs::create_dir(log.join("audit.jsonl.new")).unwrap();
    assert!(Audit::open(&config, folder.path()).is_err());
    Audit::open(&AuditConfig { max_files: 1, ..config }, folder.path()).unwrap();
}

#[test]
fn a_check_makes_nothing_and_finds_what_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    Audit::check(&config(folder.path()), folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(folder.path().join("log"), "a file where a folder should be").unwrap();
    assert!(Audit::check(&config(folder.path()), folder.path()).is_err());
}

#[test]
fn a_full_disk_loses_lines_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig { file: Some("/dev/full".into()), ..config(folder.path()) };
    let audit = Audit::open(&config, folder.path()).unwrap();
    for connection in 0..100 {
        record(&audit, connection);
    }
    audit.finish();
    assert_eq!((audit.counts().written.get(), audit.counts().lost.get()), (0, 100));
}

#[test]
fn a_full_queue_loses_lines_and_waits_for_nobody() {
    let (queue, receiver) = sync_channel(16);
    let audit = Audit { queue: Some(queue), counts: Arc::default() };
    // Nobody writes.
    (0..100).for_each(|connection| record(&audit, connection));
    assert_eq!(audit.counts().lost.get(), 84);
    drop(receiver);
    audit.finish();
}

#[test]
fn an_audit_log_that_cannot_be_opened_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log"), "a file where a folder should be").unwrap();
    assert!(Audit::open(&config(folder.path()), folder.path()).is_err());
}
