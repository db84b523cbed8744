//! A short run of each mode, against the floor and against a server that keeps documents. Nothing here looks at a clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reference;

use std::{sync::mpsc, thread};

use confluo_bench::{
    Dialect, ProcessId, Progress, Report, Target, Workload, churn::ChurnConfig, fanout::FanoutConfig, floor::Floor,
    idle::IdleConfig, join::JoinConfig, leave::LeaveConfig, open::OpenConfig, presence::PresenceConfig,
    replay::ReplayConfig, slow::SlowConfig,
};

/// A relay on a thread of its own; it ends with the test's process.
fn floor() -> Target {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let floor = Floor::bind("127.0.0.1:0").await.unwrap();
            sender.send(floor.address().unwrap()).unwrap();
            floor.run().await.unwrap();
        });
    });
    let url = format!("ws://{}/{{room}}", receiver.recv().unwrap());
    Target::new(&url, Dialect::Relay, Some(ProcessId(std::process::id()))).unwrap()
}

fn reference() -> Target {
    Target::new(&reference::serve(None), Dialect::YWebsocket, Some(ProcessId(std::process::id()))).unwrap()
}

fn run(workload: &Workload, target: &Target) -> Report {
    let report = workload.run_blocking(target, &Progress::silent()).unwrap();
    assert!(!report.figures.is_empty() && report.figures.iter().all(|figure| figure.value.is_finite()), "{report:?}");
    report
}

fn value(report: &Report, figure: &str) -> f64 {
    report.figure(figure).unwrap_or_else(|| panic!("no {figure} in {report:?}")).value
}

#[test]
fn fanout_counts_every_delivery_at_a_rate_and_as_fast_as_it_goes() {
    for target in [floor(), reference()] {
        for rate in [Some(100.0), None] {
            let config =
                FanoutConfig { rooms: 2, clients: 4, writers: 2, rate, window: 8, warmup_seconds: 0.0, seconds: 0.3 };
            let report = run(&Workload::Fanout(config), &target);
            assert!(report.complete, "{report:?}");
            assert!(value(&report, "deliveries") > 0.0);
            assert!(report.to_markdown().contains("| complete | yes |"));
        }
    }
}

#[test]
fn fanout_sees_that_a_server_loses_updates() {
    let target = Target::new(&reference::serve(Some(7)), Dialect::YWebsocket, None).unwrap();
    let config = FanoutConfig { clients: 3, writers: 1, rate: Some(200.0), seconds: 0.3, ..FanoutConfig::default() };
    let report = run(&Workload::Fanout(config), &target);
    assert!(!report.complete && value(&report, "missing") > 0.0, "{report:?}");
}

#[test]
fn presence_follows_every_cursor() {
    for target in [floor(), reference()] {
        let report =
            run(&Workload::Presence(PresenceConfig { clients: 5, rate: 20.0, relay: true, seconds: 0.3 }), &target);
        assert!(report.complete && value(&report, "relayed") > 0.0, "{report:?}");
    }
}

#[test]
fn idle_connections_stay() {
    let report = run(&Workload::Idle(IdleConfig { connections: 20, rooms: 5, seconds: 0.1 }), &floor());
    assert!(value(&report, "memory_per_connection") >= 0.0);
}

#[test]
fn all_who_join_at_once_get_the_whole_document() {
    for target in [floor(), reference()] {
        let config = JoinConfig { clients: 5, document_bytes: 600_000, timeout_seconds: 30 };
        let report = run(&Workload::Join(config), &target);
        assert!(report.complete, "{report:?}");
    }
}

#[test]
fn a_replayed_trace_arrives_at_who_joins_later() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let keystrokes: Vec<_> = (0..700).map(|at| serde_json::json!({"patches": [[at, 0, "k"]]})).collect();
    let text = serde_json::json!({"startContent": "", "endContent": "k".repeat(700), "txns": keystrokes});
    std::fs::write(&trace, text.to_string()).unwrap();
    for target in [floor(), reference()] {
        let report = run(&Workload::Replay(ReplayConfig { trace: trace.clone(), window: 512 }), &target);
        assert!(report.complete && (value(&report, "updates") - 700.0).abs() < 0.5, "{report:?}");
    }
}

#[test]
fn visitors_come_and_go() {
    for target in [floor(), reference()] {
        let config = ChurnConfig { visitors: 3, rooms: 2, seconds: 0.3, settle_seconds: 0.0 };
        let report = run(&Workload::Churn(config), &target);
        assert!(value(&report, "visits_per_second") > 0.0);
    }
}

#[test]
fn a_document_that_is_there_is_opened_and_one_that_is_not_is_seen() {
    let target = reference().in_rooms(Some("kept".to_owned()));
    let writing = FanoutConfig {
        clients: 1,
        writers: 1,
        rate: Some(100.0),
        warmup_seconds: 0.0,
        seconds: 0.1,
        ..FanoutConfig::default()
    };
    assert!(run(&Workload::Fanout(writing), &target).complete);
    for (documents, empty) in [(1, 0.0), (3, 2.0)] {
        let report = run(&Workload::Open(OpenConfig { documents, openings: documents }), &target);
        assert!(report.complete == (documents == 1) && (value(&report, "empty") - empty).abs() < 0.5, "{report:?}");
    }
}

#[test]
fn all_come_and_leave_and_come_again() {
    for target in [floor(), reference()] {
        let config = LeaveConfig {
            rooms: 2,
            clients: 2,
            rate: 50.0,
            seconds: 0.2,
            times: 2,
            settle_seconds: 0.0,
            ..LeaveConfig::default()
        };
        let report = run(&Workload::Leave(config), &target);
        assert!(report.complete && report.figure("memory_left_behind").is_some(), "{report:?}");
    }
}

#[test]
fn a_slow_reader_catches_up() {
    for target in [floor(), reference()] {
        let config =
            SlowConfig { clients: 4, writers: 2, rate: Some(100.0), window: 8, around_seconds: 0.2, stop_seconds: 0.3 };
        let report = run(&Workload::Slow(config), &target);
        assert!(report.complete && report.figure("latency_p99_while_paused").is_some(), "{report:?}");
        assert!(report.figure("memory_grown_while_paused").is_some(), "{report:?}");
    }
}
