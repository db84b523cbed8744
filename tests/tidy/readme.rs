//! The numbers of the README are those that are compiled in.

use std::fs;

use confluo::config::Config;
use serde_json::Value;

use crate::{check_none, root};

/// Each row of the README's limits, and the settings whose defaults it tells, in the order in which it tells them.
const LIMITS: &[(&str, &[&str])] = &[
    ("one message", &["limits.max_message_bytes"]),
    ("messages of a session", &["limits.max_messages_per_second", "limits.max_message_burst"]),
    ("bytes of a session", &["limits.max_bytes_per_second", "limits.max_message_bytes"]),
    ("messages over 64 KiB of all sessions", &["limits.max_inbound_bytes"]),
    ("one document", &["limits.max_document_bytes"]),
    ("all awareness states of a session", &["limits.max_awareness_bytes"]),
    ("awareness states of a session", &["limits.max_awareness_per_second", "limits.max_awareness_burst"]),
    ("awareness ids of a session", &["limits.max_client_ids_per_session"]),
    ("sessions of a document", &["limits.max_sessions_per_document"]),
    ("documents in memory", &["limits.max_documents_open"]),
    ("documents created by a user (without users: an address)", &["limits.max_documents_created_per_hour"]),
    ("sockets", &["http.max_connections"]),
    ("sockets of an address", &["limits.max_connections_per_address"]),
    ("sessions of a user", &["limits.max_connections_per_user"]),
    (
        "upgrades of an address",
        &["limits.max_upgrades_per_second", "limits.max_upgrade_burst", "limits.max_upgrade_wait"],
    ),
    ("plain requests of an address", &["limits.max_requests_per_second", "limits.max_request_burst"]),
    ("plain requests that are being answered", &["http.max_requests"]),
    ("TLS handshakes of an address", &[]),
    ("sockets of an address that are being refused", &["limits.max_refused_per_address"]),
    ("time for a token, bytes before it", &["auth.token_timeout", "limits.max_bytes_before_token"]),
    ("tokens of a session", &["limits.max_tokens_per_minute"]),
    ("a request's head, time for it", &["http.max_header_bytes", "http.max_headers", "http.header_read_timeout"]),
    ("a request's body, time for the whole", &["http.max_body_bytes", "http.request_timeout"]),
    ("a plain answer that is not read", &["http.write_timeout"]),
    ("a room's mailbox", &["rooms.mailbox_messages", "rooms.mailbox_bytes"]),
    ("a session's outbound queue", &["rooms.outbound_queue_bytes"]),
];

/// The cells of each row of the table under `heading`.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let rows = section.lines().skip_while(|line| !line.starts_with("|--")).skip(1);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn default_of(defaults: &Value, setting: &str) -> Value {
    let pointer = format!("/{}", setting.replace('.', "/"));
    defaults.pointer(&pointer).unwrap_or_else(|| panic!("{setting} is no setting")).clone()
}

/// As a person writes it: `5,000`, `64 MiB`, `10 s`.
fn spoken(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Number(number) => {
            let digits = number.to_string();
            let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
        Value::String(text) => match text.find(|letter: char| letter.is_alphabetic()) {
            // A duration is serialized without the space.
            Some(unit) if text[..unit].bytes().all(|byte| byte.is_ascii_digit()) && unit > 0 => {
                format!("{} {}", &text[..unit], &text[unit..])
            }
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}

#[test]
fn the_limits_are_those_of_the_defaults() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let rows = table("Limits");
    let mut problems = Vec::new();
    for row in &rows {
        let [bound, default, ..] = row.as_slice() else { panic!("{row:?}") };
        let Some((_, settings)) = LIMITS.iter().find(|(known, _)| known == bound) else {
            problems.push(format!("{bound}: this test does not know whose default it tells"));
            continue;
        };
        let mut rest = default.as_str();
        for setting in *settings {
            let expected = spoken(&default_of(&defaults, setting));
            match rest.split_once(&expected) {
                Some((before, after))
                    if !before.ends_with(char::is_numeric) && !after.starts_with(char::is_numeric) =>
                {
                    rest = after;
                }
                _ => problems.push(format!("{bound}: {default:?} does not tell {setting}, which is {expected}")),
            }
        }
        let told: usize = default
            .split(|letter: char| !letter.is_ascii_digit() && letter != ',')
            .filter(|word| word.contains(char::is_numeric))
            .count();
        if told != settings.len() {
            problems.push(format!("{bound}: {default:?} tells {told} numbers, of {} settings", settings.len()));
        }
    }
    for (bound, _) in LIMITS {
        if !rows.iter().any(|row| row[0] == *bound) {
            problems.push(format!("{bound}: no row of the README tells it"));
        }
    }
    check_none("limits of the README", &problems);
}

#[test]
fn the_configuration_is_that_of_the_defaults() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut problems = Vec::new();
    for row in table("Configuration") {
        let settings = row[0].split(", ").map(|name| name.trim_matches('`'));
        let told = row[1].split(", ").map(|value| value.trim_matches('`').replace("unset", "none"));
        for (setting, told) in settings.zip(told) {
            let expected = spoken(&default_of(&defaults, setting));
            if told != expected {
                problems.push(format!("{setting} is {expected}, not {told}"));
            }
        }
    }
    check_none("settings of the README", &problems);
}

#[test]
fn a_number_is_spoken_as_the_readme_writes_it() {
    let check = |value: Value, expected: &str| assert_eq!(spoken(&value), expected);
    check(5_000.into(), "5,000");
    check(1_000_000.into(), "1,000,000");
    check(32.into(), "32");
    check("10s".into(), "10 s");
    check("64 MiB".into(), "64 MiB");
    check("127.0.0.1:8787".into(), "127.0.0.1:8787");
}
