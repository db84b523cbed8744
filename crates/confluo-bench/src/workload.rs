//! The modes that put a server under load.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::{
    BenchError, Progress, Report, Target,
    churn::{self, ChurnConfig},
    fanout::{self, FanoutConfig},
    idle::{self, IdleConfig},
    join::{self, JoinConfig},
    leave::{self, LeaveConfig},
    open::{self, OpenConfig},
    presence::{self, PresenceConfig},
    replay::{self, ReplayConfig},
    slow::{self, SlowConfig},
};

/// One mode with its settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is documented at its module")]
pub enum Workload {
    Fanout(FanoutConfig),
    Presence(PresenceConfig),
    Idle(IdleConfig),
    Join(JoinConfig),
    Replay(ReplayConfig),
    Churn(ChurnConfig),
    Slow(SlowConfig),
    Leave(LeaveConfig),
    Open(OpenConfig),
}

impl Workload {
    /// Puts a recording into a load that needs one and names none; `None` if there is none to put in.
    pub(crate) fn with_trace(&self, trace: Option<&Path>) -> Option<Self> {
        match self {
            Self::Replay(config) if config.trace.as_os_str().is_empty() => {
                Some(Self::Replay(ReplayConfig { trace: trace?.to_owned(), ..config.clone() }))
            }
            _ => Some(self.clone()),
        }
    }

    /// Puts the server under this load, on the calling thread alone. Must be called on a thread of tokio's current-thread
    /// runtime, or through [`Workload::run_blocking`].
    pub async fn run(&self, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
        let target = &target.with_new_rooms();
        let local = LocalSet::new();
        local
            .run_until(async {
                match self {
                    Self::Fanout(config) => fanout::run(config, target, progress).await,
                    Self::Presence(config) => presence::run(config, target, progress).await,
                    Self::Idle(config) => idle::run(config, target, progress).await,
                    Self::Join(config) => join::run(config, target, progress).await,
                    Self::Replay(config) => replay::run(config, target, progress).await,
                    Self::Churn(config) => churn::run(config, target, progress).await,
                    Self::Slow(config) => slow::run(config, target, progress).await,
                    Self::Leave(config) => leave::run(config, target, progress).await,
                    Self::Open(config) => open::run(config, target, progress).await,
                }
            })
            .await
    }

    /// Puts the server under this load from a thread without a runtime.
    pub fn run_blocking(&self, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(BenchError::Broken)?.block_on(self.run(target, progress))
    }
}
