//! One reader stops reading while the others go on: what the others feel, what it costs the server, and whether the
//! slow one is equal to the rest in the end.

use serde::{Deserialize, Serialize};

use crate::{
    BenchError, Progress, Report, Target,
    fanout::{self, FanoutConfig, Pause},
};

/// How long one reader stops, under which load.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlowConfig {
    /// Clients in the one room.
    pub clients: usize,
    /// How many of them write.
    pub writers: usize,
    /// Updates a second of each writer; as fast as it goes if `None`.
    pub rate: Option<f64>,
    /// As in [`FanoutConfig::window`].
    pub window: u32,
    /// Seconds before the reader stops, and after it reads again.
    pub around_seconds: f64,
    /// Seconds for which it does not read.
    pub stop_seconds: f64,
}

impl Default for SlowConfig {
    fn default() -> Self {
        Self { clients: 100, writers: 5, rate: None, window: 64, around_seconds: 10.0, stop_seconds: 60.0 }
    }
}

/// Measures it.
pub async fn run(config: &SlowConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.clients <= config.writers {
        return Err(BenchError::Setting { setting: "writers", rule: "must be fewer than the clients: one only reads" });
    }
    let mut report = Report::new("slow", target, config);
    let fanout = FanoutConfig {
        rooms: 1,
        clients: config.clients,
        writers: config.writers,
        rate: config.rate,
        window: config.window,
        warmup_seconds: config.around_seconds.min(1.0),
        seconds: config.stop_seconds + 2.0 * config.around_seconds,
    };
    let pause = Pause { after_seconds: config.around_seconds, seconds: config.stop_seconds };
    fanout::measure(&fanout, target, progress, Some(pause), &mut report).await?;
    Ok(report)
}
