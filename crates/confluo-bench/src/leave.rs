//! Everybody comes, edits and leaves again: what the server still holds afterwards. The first times make the documents and fill
//! what a store keeps in memory up to a bound; what is left behind is what later times in the same documents add to that.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, ProcessId, Progress, Report, Target,
    clock::{now, seconds_since},
    fanout::{self, FanoutConfig},
    metrics::Metrics,
};

/// Who comes, and how long the server gets afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaveConfig {
    /// Documents.
    pub rooms: usize,
    /// Clients in each; all write.
    pub clients: usize,
    /// Updates a second of each.
    pub rate: f64,
    /// Seconds for which they write.
    pub seconds: f64,
    /// How often they come and leave, the first times included.
    pub times: usize,
    /// What is held after this many of them is what later times are compared with.
    pub first_times: usize,
    /// The most seconds that the server gets to let go of what it held.
    pub settle_seconds: f64,
    /// It is not waited longer when nothing is held and memory is within so many per cent of what it was.
    pub memory_back_percent: f64,
}

impl Default for LeaveConfig {
    fn default() -> Self {
        Self {
            rooms: 500,
            clients: 4,
            rate: 2.0,
            seconds: 10.0,
            times: 3,
            first_times: 1,
            settle_seconds: 60.0,
            memory_back_percent: 20.0,
        }
    }
}

/// What a server holds.
#[derive(Debug)]
struct Holding {
    resident_bytes: f64,
    metrics: Option<Metrics>,
}

impl Holding {
    async fn of(target: &Target) -> Result<Self, BenchError> {
        // Metrics first: the server's answer is then behind it.
        let metrics = match &target.metrics {
            Some(address) => Some(address.read().await?),
            None => None,
        };
        let usage = target.process.map(ProcessId::usage).transpose()?.unwrap_or_default();
        Ok(Self { resident_bytes: usage.resident_bytes as f64, metrics })
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.metrics.as_ref()?.value(name)
    }

    /// How many more tasks there are. One that was about to end before, as that of a probe, does not count.
    fn tasks_since(&self, before: &Self) -> Option<f64> {
        Some((self.value("confluo_tasks")? - before.value("confluo_tasks")?).max(0.0))
    }

    /// Without metrics nobody can know, and the server gets all its time.
    fn has_let_go(&self, fresh: &Self, before: Option<&Self>, memory_back_percent: f64) -> bool {
        let memory_is_back =
            |before: &Self| self.resident_bytes <= before.resident_bytes * (1.0 + memory_back_percent / 100.0);
        let is_none = |count: Option<f64>| count.is_some_and(|count| count <= 0.0);
        is_none(self.value("confluo_documents_open"))
            && is_none(self.value("confluo_sessions"))
            && is_none(self.tasks_since(fresh))
            && before.is_none_or(memory_is_back)
    }
}

/// Measures it.
pub async fn run(config: &LeaveConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.first_times == 0 {
        return Err(BenchError::Setting { setting: "first_times", rule: "must be at least 1" });
    }
    if config.times <= config.first_times {
        return Err(BenchError::Setting { setting: "times", rule: "must be more than the first times" });
    }
    let mut report = Report::new("leave", target, config);
    let visit = FanoutConfig {
        rooms: config.rooms,
        clients: config.clients,
        writers: config.clients,
        rate: Some(config.rate),
        warmup_seconds: 0.0,
        seconds: config.seconds,
        ..FanoutConfig::default()
    };
    let fresh = Holding::of(target).await?;
    let target = target.in_rooms_of_this_run();
    let mut after: Vec<Holding> = Vec::with_capacity(config.times);
    let mut settled_after = 0.0;
    for time in 1..=config.times {
        // Other people each time, in the same documents.
        let target = target.with_new_rooms();
        let mut visited = Report::new("fanout", &target, &visit);
        fanout::measure(&visit, &target, progress, None, &mut visited).await?;
        report.complete &= visited.complete;
        let left = now();
        let mut holding = Holding::of(&target).await?;
        // What later times are compared with is what is held after all of that time.
        while (time == config.first_times
            || !holding.has_let_go(&fresh, after.get(config.first_times - 1), config.memory_back_percent))
            && seconds_since(left) < config.settle_seconds
        {
            time::sleep(Duration::from_secs_f64(0.25_f64.min(config.settle_seconds))).await;
            holding = Holding::of(&target).await?;
            progress.say(&format!("all have left for the {time}. time, {:.0} s ago", seconds_since(left)));
        }
        settled_after = seconds_since(left);
        after.push(holding);
    }
    push_figures(&mut report, &fresh, &after, config.first_times);
    report.push("settled_after", settled_after, "s");
    Ok(report)
}

fn push_figures(report: &mut Report, fresh: &Holding, after: &[Holding], first_times: usize) {
    let (Some(before), Some(last)) = (after.get(first_times - 1), after.last()) else { return };
    for (name, count) in [
        ("documents_open", last.value("confluo_documents_open")),
        ("sessions", last.value("confluo_sessions")),
        ("tasks_left_behind", last.tasks_since(fresh)),
    ] {
        if let Some(count) = count {
            report.push(name, count, "");
        }
    }
    if before.resident_bytes > 0.0 {
        report.push("memory_when_fresh", fresh.resident_bytes / 1e6, "MB");
        report.push("memory_before", before.resident_bytes / 1e6, "MB");
        report.push("memory_after", last.resident_bytes / 1e6, "MB");
        report.push("memory_left_behind", (last.resident_bytes / before.resident_bytes - 1.0) * 100.0, "%");
    }
}
