//! How the process is told to stop: first softly, then hard.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::documents::Drained;

/// SIGINT and SIGTERM, from the moment this exists.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Everything was closed and flushed.
    Clean,
    /// Everything was closed, and the store was out of service.
    Unwritten,
    /// `shutdown.timeout` passed first.
    TimedOut,
    /// A second signal came first.
    Forced,
}

/// SIGHUP, from the moment this exists.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over from its default, which is to die.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Tells of each that there is nothing to read again. Never ends.
    pub async fn ignore(mut self) -> Infallible {
        while self.0.recv().await.is_some() {
            info!("SIGHUP: there is nothing to read again, for only a certificate of [tls] is");
        }
        std::future::pending().await
    }
}

impl StopSignals {
    /// Takes the signals over from their default, which is to die.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Lets `serving` run until it ends. The first signal cancels `soft`; after that a second signal, or `timeout`, ends
    /// the wait.
    pub async fn stop_at(
        mut self,
        serving: impl Future<Output = Drained>,
        soft: &CancellationToken,
        timeout: Duration,
    ) -> Stop {
        let escalation = async {
            let name = self.next().await;
            info!(signal = name, ?timeout, "stopping; a second signal stops at once");
            soft.cancel();
            tokio::select! {
                name = self.next() => {
                    warn!(signal = name, "stopping at once");
                    Stop::Forced
                }
                () = tokio::time::sleep(timeout) => {
                    warn!("shutdown.timeout passed; what was not flushed was never acknowledged");
                    Stop::TimedOut
                }
            }
        };
        tokio::select! {
            biased;
            drained = serving => match drained {
                Drained::OnDisk => Stop::Clean,
                Drained::Unwritten { .. } => Stop::Unwritten,
            },
            stop = escalation => stop,
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
