//! Soft, then hard: what a first and a second signal do to something that does not want to end.

use std::future::pending;
use std::time::Duration;

use confluo::documents::Drained;
use confluo::signals::{Stop, StopSignals};
use rustix::process::{Signal, getpid, kill_process};
use tokio_util::sync::CancellationToken;

const NEVER: Duration = Duration::from_secs(3600);

/// One test, as signals reach the whole process.
#[tokio::test]
async fn the_first_signal_asks_and_the_second_or_the_timeout_ends() {
    let soft = CancellationToken::new();
    let polite = async {
        kill_process(getpid(), Signal::TERM).unwrap();
        soft.cancelled().await;
        Drained::OnDisk
    };
    assert_eq!(StopSignals::listen().unwrap().stop_at(polite, &soft, NEVER).await, Stop::Clean);

    let soft = CancellationToken::new();
    let on_a_full_disk = async {
        kill_process(getpid(), Signal::TERM).unwrap();
        soft.cancelled().await;
        Drained::Unwritten { detail: "full" }
    };
    assert_eq!(StopSignals::listen().unwrap().stop_at(on_a_full_disk, &soft, NEVER).await, Stop::Unwritten);

    let soft = CancellationToken::new();
    let stubborn = async {
        kill_process(getpid(), Signal::TERM).unwrap();
        soft.cancelled().await;
        kill_process(getpid(), Signal::INT).unwrap();
        pending().await
    };
    assert_eq!(StopSignals::listen().unwrap().stop_at(stubborn, &soft, NEVER).await, Stop::Forced);

    let soft = CancellationToken::new();
    let stuck = async {
        kill_process(getpid(), Signal::INT).unwrap();
        pending().await
    };
    assert_eq!(StopSignals::listen().unwrap().stop_at(stuck, &soft, Duration::ZERO).await, Stop::TimedOut);
}
