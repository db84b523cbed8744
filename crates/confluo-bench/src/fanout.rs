//! Writers write, everybody receives: how much, how fast, at what cost, and whether all of it arrived everywhere.

mod pause;
mod room;

use std::{cell::RefCell, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, Progress, Report, Target,
    clock::{now, seconds_since},
    connection::Connection,
    crowd::{Crowd, OPENING_AT_ONCE},
    metrics::Metrics,
    report::Meter,
    stamp::MAX_WRITERS,
};
pub(crate) use pause::Pause;
use pause::Pausing;
use room::{Member, Room, Tally};

/// Nothing arriving for this long while something is still missing means that it is lost.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// How a server is loaded with edits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FanoutConfig {
    /// Documents.
    pub rooms: usize,
    /// Clients in each.
    pub clients: usize,
    /// How many of them write.
    pub writers: usize,
    /// Updates a second of each writer; as fast as it goes if `None`.
    pub rate: Option<f64>,
    /// As fast as it goes: how many updates of its own a writer may have on the way, counted by their echo.
    pub window: u32,
    /// Seconds before the measurement in which all is as in it.
    pub warmup_seconds: f64,
    /// Seconds of measurement.
    pub seconds: f64,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self { rooms: 1, clients: 100, writers: 5, rate: None, window: 64, warmup_seconds: 1.0, seconds: 10.0 }
    }
}

impl FanoutConfig {
    pub(crate) fn validate(&self) -> Result<(), BenchError> {
        let rule = |setting, holds, rule| if holds { Ok(()) } else { Err(BenchError::Setting { setting, rule }) };
        rule("rooms", self.rooms > 0, "must be at least 1")?;
        rule("clients", self.clients > 0, "must be at least 1")?;
        rule(
            "writers",
            self.writers <= self.clients.min(MAX_WRITERS),
            "must be at most the clients, and at most 4096",
        )?;
        rule("rate", self.rate.is_none_or(|rate| rate > 0.0), "must be more than 0")?;
        rule("window", self.window > 0, "must be at least 1")?;
        rule("seconds", self.seconds > 0.0, "must be more than 0")
    }
}

/// Measures it.
pub async fn run(config: &FanoutConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    let mut report = Report::new("fanout", target, config);
    measure(config, target, progress, None, &mut report).await?;
    Ok(report)
}

/// All rooms. Rooms and members know each other, so somebody must say when the connections end.
struct Rooms(Vec<Rc<Room>>);

impl Drop for Rooms {
    fn drop(&mut self) {
        for room in &self.0 {
            room.let_all_go();
        }
    }
}

pub(crate) async fn measure(
    config: &FanoutConfig,
    target: &Target,
    progress: &Progress,
    pause: Option<Pause>,
    report: &mut Report,
) -> Result<(), BenchError> {
    config.validate()?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let mut crowd = Crowd::default();
    let rooms = Rooms((0..config.rooms).map(|_| Rc::new(Room::new(config, Rc::clone(&tally)))).collect());
    let rooms = &rooms.0;
    open_rooms(config, target, progress, rooms, &mut crowd).await?;

    let writing = now();
    for (index, room) in rooms.iter().enumerate() {
        room.start_writing(config, index, &mut crowd)?;
    }
    crowd.until(time::sleep(Duration::from_secs_f64(config.warmup_seconds))).await?;
    let metrics_before = read_metrics(target).await?;
    let meter = Meter::start(target)?;
    tally.borrow_mut().start();
    let measuring = now();
    let mut pausing = pause.map(Pausing::new);
    while seconds_since(measuring) < config.seconds {
        if let Some(pausing) = &mut pausing {
            pausing.go_on(seconds_since(measuring), &rooms[0], &tally, target)?;
        }
        let left = config.seconds - seconds_since(measuring);
        crowd.until(time::sleep(Duration::from_secs_f64(left.clamp(0.0, 0.05)))).await?;
        let deliveries = tally.borrow().deliveries;
        progress.say(&format!("{:.0} of {:.0} s, {deliveries} deliveries", seconds_since(measuring), config.seconds));
    }
    let seconds = seconds_since(measuring);
    let sent_while_measuring = tally.borrow().updates;
    for room in rooms {
        room.stop_writing();
        room.release_all();
    }
    drain(rooms, &tally, &mut crowd).await?;
    let cost = meter.read()?;
    let metrics_after = read_metrics(target).await?;

    if let Some(pausing) = &pausing {
        pausing.push_figures(&tally, target, report);
    }
    let missing: u64 = rooms.iter().map(|room| room.missing()).sum();
    let tally = tally.borrow();
    report.complete &= missing == 0 && tally.gaps == 0;
    report.push("updates_per_second", sent_while_measuring as f64 / seconds, "/s");
    report.push("deliveries_per_second", tally.deliveries as f64 / cost.seconds, "/s");
    report.push("updates", tally.updates as f64, "");
    report.push("deliveries", tally.deliveries as f64, "");
    report.push_latency(&tally.latency);
    report.push_cost(&cost, "cpu_per_delivery", tally.deliveries);
    if let (Some(before), Some(after)) = (&metrics_before, &metrics_after) {
        report.push_flush(before, after);
    }
    report.push("frames", tally.frames as f64, "");
    report.push("megabytes", tally.bytes as f64 / 1e6, "MB");
    report.push("again", tally.again as f64, "");
    report.push("missing", (missing + tally.gaps) as f64, "");
    progress.say(&format!("done after {:.0} s", seconds_since(writing)));
    Ok(())
}

async fn read_metrics(target: &Target) -> Result<Option<Metrics>, BenchError> {
    match &target.metrics {
        Some(address) => address.read().await.map(Some),
        None => Ok(None),
    }
}

async fn open_rooms(
    config: &FanoutConfig,
    target: &Target,
    progress: &Progress,
    rooms: &[Rc<Room>],
    crowd: &mut Crowd,
) -> Result<(), BenchError> {
    let total = config.rooms * config.clients;
    let mut opened = 0;
    // Room by room in turn, so that the load on the server is as even while opening as it is afterwards.
    for index in 0..config.clients {
        for (number, room) in rooms.iter().enumerate() {
            let (connection, listener) = Connection::open(target, &target.room(number)).await?;
            let client_id = target.client_id(number * config.writers + index);
            let writer = (index < config.writers).then_some((index as u16, client_id));
            let member = Member::new(Rc::clone(room), writer);
            room.add(Rc::clone(&connection), Rc::clone(&member));
            crowd.add(listener.listen(u64::MAX, move |connection, heard, at| member.hear(connection, heard, at)));
            opened += 1;
            if opened % OPENING_AT_ONCE == 0 || opened == total {
                let here = Room::joined(rooms);
                crowd.until_within(Duration::from_secs(60), "joining", here.reach(opened as u64)).await?;
                progress.say(&format!("{opened} of {total} clients have joined"));
            }
        }
    }
    Ok(())
}

/// Waits until everybody has everything, or until nothing comes any more.
async fn drain(rooms: &[Rc<Room>], tally: &Rc<RefCell<Tally>>, crowd: &mut Crowd) -> Result<(), BenchError> {
    let mut last_progress = now();
    let mut last_frames = 0;
    while rooms.iter().any(|room| room.missing() > 0) {
        crowd.until(time::sleep(Duration::from_millis(5))).await?;
        let frames = tally.borrow().frames;
        if frames != last_frames {
            (last_frames, last_progress) = (frames, now());
        }
        if seconds_since(last_progress) > LOST_AFTER.as_secs_f64() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_names_no_rate_goes_as_fast_as_it_can() {
        let load: FanoutConfig = toml::from_str("clients = 10").unwrap();
        assert_eq!(load.rate, None);
    }
}
