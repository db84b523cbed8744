//! Connections that say nothing: what each costs in memory, and all of them in CPU.

use std::{rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, Dialect, Progress, Report, Target,
    connection::Connection,
    crowd::{Count, Crowd, OPENING_AT_ONCE},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, kind_of},
    report::Meter,
};

/// The most connections of one room at a relay.
const RELAYED_TO: usize = 4;

/// How many connections idle, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdleConfig {
    /// Connections in all. Mind the limit of open files, here and at the server.
    pub connections: usize,
    /// Documents over which they are spread.
    pub rooms: usize,
    /// Seconds for which they idle.
    pub seconds: f64,
}

impl Default for IdleConfig {
    fn default() -> Self {
        Self { connections: 2_000, rooms: 500, seconds: 30.0 }
    }
}

/// Measures it.
pub async fn run(config: &IdleConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.rooms == 0 || config.connections < config.rooms {
        return Err(BenchError::Setting { setting: "rooms", rule: "must be at least 1 and at most the connections" });
    }
    let mut report = Report::new("idle", target, config);
    let opening = Meter::start(target)?;
    let mut crowd = Crowd::default();
    let (joined, frames) = (Count::default(), Count::default());
    let mut connections = Vec::with_capacity(config.connections);
    // A relay tells everybody what each says first: ten thousand in one room would open for hours, and idle no differently.
    let rooms = match target.dialect {
        Dialect::Relay => config.rooms.max(config.connections / RELAYED_TO),
        Dialect::YWebsocket | Dialect::Hocuspocus => config.rooms,
    };
    for index in 0..config.connections {
        let (connection, listener) = Connection::open(target, &target.room(index % rooms)).await?;
        connections.push(Rc::clone(&connection));
        let (tell_joined, frames) = (joined.clone(), frames.clone());
        let mut has_joined = false;
        crowd.add(listener.listen(u64::MAX, move |connection, heard, _| {
            let Heard::Message(message) = heard else { return };
            frames.add(1);
            if !has_joined && matches!(kind_of(message), Kind::Step1 | Kind::Content(_)) {
                has_joined = true;
                tell_joined.add(1);
                connection.queue(EMPTY_STEP_2);
            }
        }));
        if (index + 1) % OPENING_AT_ONCE == 0 || index + 1 == config.connections {
            crowd.until_within(Duration::from_secs(60), "joining", joined.reach(index as u64 + 1)).await?;
            progress.say(&format!("{} of {} connections are open", index + 1, config.connections));
        }
    }
    // What the opening itself set in motion comes to rest.
    crowd.until(time::sleep(Duration::from_secs_f64(config.seconds.min(2.0)))).await?;
    let opened = opening.read()?;
    let frames_before = frames.get();
    let idling = Meter::start(target)?;
    let mut slept = 0.0;
    while slept < config.seconds {
        let step = (config.seconds - slept).min(1.0);
        crowd.until(time::sleep(Duration::from_secs_f64(step))).await?;
        slept += step;
        progress.say(&format!("{slept:.0} of {:.0} s idle", config.seconds));
    }
    let idle = idling.read()?;
    report.push("connections", config.connections as f64, "");
    report.push("opened_per_second", config.connections as f64 / opened.seconds, "/s");
    if let (Some(opened), Some(idle)) = (&opened.process, &idle.process) {
        let grown = idle.after.resident_bytes.saturating_sub(opened.before.resident_bytes);
        report.push("memory_per_connection", grown as f64 / 1024.0 / config.connections as f64, "KiB");
    }
    report.push("frames_per_connection", (frames.get() - frames_before) as f64 / config.connections as f64, "");
    report.push_cost(&idle, "cpu_per_connection", config.connections as u64);
    drop(crowd);
    drop(connections);
    Ok(report)
}
