use std::fs;

use super::*;
use crate::config::ByteCount;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<LoadedConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let layers = Layers { file: Some(path), environment, flags: Vec::new() };
    layers.load().map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

/// The message must hold every one of `parts`.
fn check_refused(file: &str, environment: &[(&str, &str)], parts: &[&str]) {
    let message = load(file, environment).unwrap_err();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn the_defaults_are_valid_and_complete() {
    let loaded = Layers::default().load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.config.limits.max_message_bytes, ByteCount::mib(64));
    assert_eq!(loaded.origin("limits.max_message_bytes"), None);
}

#[test]
fn every_default_has_a_comment() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_setting || above.starts_with('#'), "no comment above: {line}");
        above = line;
    }
}

#[test]
fn a_later_layer_wins() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\n[rooms]\nlinger = \"1 s\"";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confluo.toml");
    fs::write(&path, file).unwrap();
    let environment = [("CONFLUO__SERVER__LISTEN", "127.0.0.1:2"), ("CONFLUO__SERVER__WORKERS", "2"), ("PATH", "/bin")];
    let layers = Layers {
        file: Some(path.clone()),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        flags: vec![("--listen", "server.listen", "127.0.0.1:3".to_owned())],
    };
    let loaded = layers.load().unwrap();
    assert_eq!(loaded.config.server.listen.port(), 3);
    assert_eq!(loaded.config.server.workers, 2);
    assert_eq!(loaded.config.rooms.linger.as_secs(), 1);
    assert_eq!(loaded.origin("server.listen"), Some("--listen"));
    assert_eq!(loaded.origin("server.workers"), Some("CONFLUO__SERVER__WORKERS"));
    assert_eq!(loaded.origin("rooms.linger"), path.to_str());
}

#[test]
fn an_unknown_setting_names_itself_its_origin_and_what_is_near() {
    let near =
        ["limits.max_mesage_bytes (from /confluo.toml)", "did you mean max_message_bytes?", "max_document_bytes"];
    check_refused("[limits]\nmax_mesage_bytes = 1", &[], &near);
    check_refused("[limit]\nx = 1", &[], &["limit (from", "no such section; did you mean limits?", "sessions"]);
    check_refused("", &[("CONFLUO__STORE__SPEED", "9")], &["store.speed (from CONFLUO__STORE__SPEED)", "engine"]);
    check_refused("[log]\na = 1\n[store]\nb = 2", &[], &["log.a", "store.b"]);
}

#[test]
fn an_invalid_value_names_its_setting_its_origin_and_what_is_allowed() {
    for (file, parts) in [
        ("[rooms]\nlinger = \"soon\"", ["rooms.linger (from /confluo.toml)", "such as \"500 ms\""]),
        ("[rooms]\nlinger = -3", ["rooms.linger (from /confluo.toml)", "allowed is 0 s to 1 day"]),
        (
            "[rooms]\nmailbox_messages = 1.5",
            ["rooms.mailbox_messages (from /confluo.toml): 1.5 is not allowed", "allowed is 1 to 1000000"],
        ),
        (
            "[rooms]\nmailbox_messages = \"many\"",
            ["rooms.mailbox_messages (from /confluo.toml)", "allowed is 1 to 1000000"],
        ),
        ("[server]\nworkers = -1", ["server.workers (from /confluo.toml)", "allowed is at most 1024"]),
        (
            "[shutdown]\ntimeout = \"1 parsec\"",
            ["shutdown.timeout (from /confluo.toml)", "allowed is longer than `window` and twice"],
        ),
        ("[limits]\nmax_message_bytes = \"many\"", ["limits.max_message_bytes (from /confluo.toml)", "64 KiB"]),
        ("[server]\nlisten = \"here\"", ["server.listen (from /confluo.toml)", "an IP address and a port"]),
        ("[store]\nengine = \"floppy\"", ["store.engine (from /confluo.toml)", "sled"]),
        ("[log]\nfilter = \"a=b=c\"", ["log.filter (from /confluo.toml)", "warn,confluo_hub=debug"]),
        (
            "[sessions]\nfiller_interval = \"45 s\"",
            ["sessions.filler_interval (from /confluo.toml)", "\"1s\" to \"29s\""],
        ),
        ("[metrics]\ntoken_file = \"/nowhere\"", ["metrics.token_file (from /confluo.toml)", "cannot read /nowhere"]),
    ] {
        check_refused(file, &[], &parts);
    }
    check_refused(
        "",
        &[("CONFLUO__SERVER__WORKERS", "two")],
        &["server.workers (from CONFLUO__SERVER__WORKERS)", "two"],
    );
    check_refused("[server\n", &[], &["cannot read the configuration"]);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_told() {
    let environment = |name| [(name, "hunter2 is expected hunter2")];
    for (file, environment, parts) in [
        ("[auth]\nkeys = \"hunter2\"", &[][..], ["auth.keys (from /confluo.toml)", "expected a sequence"]),
        ("[auth]\nmode = \"hunter2\"", &[], ["auth.mode (from /confluo.toml)", "expected `none` or `token`"]),
        ("[auth]\nkeys = [{ algorithm = \"hunter2\" }]", &[], ["auth.keys", "expected one of `HS256`"]),
        ("[auth.default_grants]\na = \"hunter2\"", &[], ["auth.default_grants", "config print --defaults"]),
        ("[auth]\nkeys = [\"hunter2\"]", &[], ["auth.keys", "expected "]),
        ("auth = \"hunter2\"", &[], ["auth", "expected "]),
        ("[metrics]\nenabled = \"hunter2\"", &[], ["metrics.enabled (from /confluo.toml)", "expected a boolean"]),
        ("[metrics]\ntoken = [\"hunter2\"]", &[], ["metrics.token", "expected a string"]),
        ("", &environment("CONFLUO__AUTH__KEYS"), ["auth.keys (from CONFLUO__AUTH__KEYS)", "expected a sequence"]),
        ("[metrics]\ntoken = hunter2", &[], ["/confluo.toml, line 2: ", "cannot read the configuration"]),
        ("[metrics]\ntoken = \"hunter2", &[], ["/confluo.toml, line 2: ", "cannot read the configuration"]),
    ] {
        check_refused(file, environment, &parts);
        let message = load(file, environment).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }
    check_refused("[auth]\nkeys = [{ secrte = \"x\" }]", &[], &["auth.keys", "unknown field `secrte`"]);
}

#[test]
fn every_unknown_setting_and_every_wrong_value_is_named_in_one_pass() {
    let file = "[stroe]\nx = 1\n[store]\nengin = 1\nengine = \"floppy\"\n[log]\nformat = \"xml\"\n[limits]\nmax_client_ids_per_session = 0\n\
                max_awareness_bytes = \"10 parsecs\"\n[rooms]\nlinger = \"-3\"";
    let all = [
        "store.engin (from /confluo.toml): there is no such setting; did you mean engine?",
        "stroe (from /confluo.toml): there is no such section; did you mean store?",
        "store.engine (from /confluo.toml): unknown variant `floppy`, expected `sled` or `redb`",
        "log.format (from /confluo.toml)",
        "limits.max_awareness_bytes (from /confluo.toml)",
        "rooms.linger (from /confluo.toml)",
        "limits.max_client_ids_per_session (from /confluo.toml): 0 is not allowed; it must be from 1 to 10000",
    ];
    check_refused(file, &[], &all);
    assert_eq!(load(file, &[]).unwrap_err().lines().count(), 1 + all.len(), "each is named once");
}

#[test]
fn a_client_has_time_to_answer_a_ping() {
    for (timeout, is_enough) in [("29s 999ms", false), ("30s", true)] {
        let file = format!("[sessions]\nping_interval = \"25s 900ms\"\nno_sign_of_life_timeout = \"{timeout}\"");
        assert_eq!(load(&file, &[]).is_ok(), is_enough, "{file}");
    }
    let file = "[sessions]\nno_sign_of_life_timeout = \"29 s\"";
    check_refused(file, &[], &["sessions.no_sign_of_life_timeout", "at least 5 s longer than sessions.ping_interval"]);
}

#[test]
fn a_stop_has_time_for_a_client_that_does_not_read() {
    for (timeout, is_enough) in [("12 s", false), ("12001 ms", true)] {
        assert_eq!(load(&format!("[shutdown]\ntimeout = {timeout:?}"), &[]).is_ok(), is_enough, "{timeout}");
    }
    let file = "[sessions]\nclose_timeout = \"10 s\"";
    check_refused(file, &[], &["shutdown.timeout", "twice sessions.close_timeout (22s together)"]);
}

#[test]
fn nobody_trusts_everybody_as_a_proxy() {
    for network in ["0.0.0.0/0", "::/0"] {
        let file = format!(
            "[auth]\nunprotected = \"{}\"\n[trusted_proxies]\nnetworks = [\"10.0.0.1\", {network:?}]",
            confluo_auth::UNPROTECTED_WORDS
        );
        check_refused(&file, &[], &["trusted_proxies.networks (from", network, "is everybody", "name your proxies"]);
    }
}

#[test]
fn a_message_limit_below_the_document_limit_is_refused() {
    let file = "[limits]\nmax_message_bytes = \"10 MiB\"\nmax_document_bytes = \"20 MiB\"";
    check_refused(file, &[], &["limits.max_message_bytes (from", "\"20 MiB\"", "could never send it"]);
    let equal = "[limits]\nmax_message_bytes = \"20 MiB\"\nmax_document_bytes = \"20 MiB\"";
    check_refused(equal, &[], &["limits.max_message_bytes (from", "1 KiB", "could never send it"]);
    let enough = "[limits]\nmax_message_bytes = 20972544\nmax_document_bytes = \"20 MiB\"";
    load(enough, &[]).unwrap();
}

#[test]
fn a_secret_comes_from_a_file_without_its_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "hunter2\n").unwrap();
    let environment = [("CONFLUO__METRICS__TOKEN_FILE", path.to_str().unwrap())];
    assert!(load("", &environment).unwrap().config.metrics.token.unwrap().matches("hunter2"));
    check_refused("[metrics]\ntoken = \"x\"", &environment, &["metrics.token_file", "keep one of the two"]);
}

#[test]
fn without_tokens_a_server_listens_on_loopback_or_is_told_in_words_to_do_otherwise() {
    let open = "[server]\nlisten = \"0.0.0.0:8787\"\n";
    check_refused(open, &[], &["auth.mode", "not on 0.0.0.0", "anyone may read and change every document"]);
    check_refused(&format!("{open}[auth]\nunprotected = \"yes\""), &[], &["auth.unprotected must be exactly"]);
    let words = format!("{open}[auth]\nunprotected = \"{}\"", confluo_auth::UNPROTECTED_WORDS);
    load(&words, &[]).unwrap();
    let proxied = "[trusted_proxies]\nnetworks = [\"127.0.0.1\"]\n";
    check_refused(
        proxied,
        &[],
        &["auth.mode", "trusted_proxies.networks", "anyone may read and change every document"],
    );
    load(&format!("{proxied}[auth]\nunprotected = \"{}\"", confluo_auth::UNPROTECTED_WORDS), &[]).unwrap();
    let key = "{ algorithm = \"HS256\", secret = \"a secret of thirty-two bytes or more\" }";
    let tokens =
        format!("{open}[auth]\nmode = \"token\"\nkeys = [{key}]\n[auth.default_grants]\n\"public/*\" = \"read\"");
    let loaded = load(&tokens, &[]).unwrap();
    assert_eq!(loaded.config.auth.default_grants.len(), 1);
    assert!(!format!("{:?}", loaded.config).contains("thirty-two"), "a secret is never shown");
    check_refused("[auth]\nmode = \"token\"", &[], &["auth", "at least one entry"]);
}

#[test]
fn every_problem_of_access_is_told_in_one_pass_with_its_origin() {
    let file = "[auth]\nleeway = \"1 h\"\ncookie = \"a b\"\nallowed_origins = [\"*\"]\n[auth.claims]\nuser = \"\"\n\
                [tls]\nkey_file = \"key.pem\"\n";
    let all = [
        "tls.key_file (from /confluo.toml): set both",
        "auth.cookie (from /confluo.toml): auth.cookie is set, but auth.mode is",
        "auth.leeway (from /confluo.toml): auth.leeway is 1h",
        "auth.expiry_grace: auth.expiry_grace is 10s",
        "auth.claims.user (from /confluo.toml): auth.claims.user is empty",
        "auth.cookie (from /confluo.toml): auth.cookie is \"a b\"",
        "auth.allowed_origins (from /confluo.toml): auth.allowed_origins has \"*\"",
    ];
    check_refused(file, &[], &all);
    assert_eq!(load(file, &[]).unwrap_err().lines().count(), 1 + all.len());
}

#[test]
fn a_command_that_only_opens_the_store_minds_the_settings_that_it_uses() {
    let load = |settings: &[(&str, &str)]| {
        let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let layers = Layers { environment, ..Layers::default() };
        layers.load_for_store().map(|loaded| loaded.config).map_err(|error| error.to_string())
    };
    let listens = ("CONFLUO__SERVER__LISTEN", "0.0.0.0:8787");
    let config = load(&[listens, ("CONFLUO__STORE__ENGINE", "redb"), ("CONFLUO__ROOMS__LINGER", "soon")]).unwrap();
    assert_eq!(config.store.engine, crate::config::StoreEngine::Redb);
    for unused in ["CONFLUO__AUTH__COOKIE", "CONFLUO__AUTH__LEEWAY", "CONFLUO__AUTH__KEYS", "CONFLUO__TLS__KEY_FILE"] {
        assert!(load(&[(unused, "a word")]).is_ok(), "{unused}");
    }
    assert!(load(&[("CONFLUO__AUTH__MODE", "token")]).is_ok(), "its keys may come from elsewhere");
    for used in ["CONFLUO__STORE__CACHE_BYTES", "CONFLUO__LIMITS__MAX_DOCUMENT_BYTES", "CONFLUO__SERVER__DATA_DIR"] {
        assert!(load(&[listens, (used, "")]).is_err(), "{used}");
    }
    assert!(load(&[("CONFLUO__STOR__ENGINE", "redb")]).unwrap_err().contains("did you mean store?"));
}

/// A bound as a comment writes it, and a value just beyond it on either side; `None` where there is none.
fn around(bound: &str) -> [Option<String>; 3] {
    let quoted = |text: String| Some(format!("\"{text}\""));
    if let Ok(number) = bound.parse::<u64>() {
        return [number.checked_sub(1), Some(number), Some(number + 1)].map(|number| number.map(|it| it.to_string()));
    }
    if let Ok(duration) = humantime::parse_duration(bound) {
        let step = std::time::Duration::from_millis(1);
        let written = |duration| quoted(humantime::format_duration(duration).to_string());
        return [duration.checked_sub(step).and_then(written), written(duration), written(duration + step)];
    }
    let size: ByteCount = serde_json::from_value(bound.replace("bytes", "B").into()).expect(bound);
    let written = |bytes: u64| quoted(format!("{bytes} B"));
    [size.as_u64().checked_sub(1).and_then(written), written(size.as_u64()), written(size.as_u64() + 1)]
}

/// Each setting of the defaults whose comment ends with "… low to high." holds to just that.
#[test]
fn the_bounds_that_a_comment_tells_are_those_that_are_checked() {
    let (mut section, mut comment, mut checked) = (String::new(), String::new(), 0);
    for line in DEFAULTS.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push_str(words);
            continue;
        }
        let comment = std::mem::take(&mut comment);
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        let (Some((key, _)), Some((before, high))) = (line.split_once(" = "), comment.rsplit_once(" to ")) else {
            continue;
        };
        let low = before.rsplit(". ").next().unwrap_or_default().rsplit("… ").next().unwrap_or_default().trim();
        let high = high.trim_end_matches('.');
        let is_bound = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        if !is_bound(low) || !is_bound(high) {
            continue;
        }
        checked += 1;
        let setting = format!("{}.{key}", section.trim_matches(['[', ']']));
        let complaint = |value: &str| {
            let message = load(&format!("{section}\n{key} = {value}"), &[]).err()?;
            let is_of_it = |line: &&str| line.trim_start().starts_with(&format!("{setting} "));
            message.lines().find(is_of_it).filter(|line| !line.contains("never send")).map(str::to_owned)
        };
        let ([below, lowest, _], [_, highest, above]) = (around(low), around(high));
        for within in [lowest, highest].into_iter().flatten() {
            assert_eq!(complaint(&within), None, "{setting} = {within:?} is within {low} to {high}");
        }
        for beyond in [below, above].into_iter().flatten() {
            let said = complaint(&beyond).unwrap_or_default();
            assert!(said.contains(" to ") || said.contains(" more than "), "{setting} = {beyond:?}: {said}");
        }
        let said = complaint("\"soon\"").unwrap_or_default();
        assert!(said.contains(&format!("allowed is {low} to {high}")), "{setting}: {said}");
    }
    assert!(checked > 40, "{checked} comments were understood");
}
