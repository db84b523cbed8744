//! Clients that come, edit once, and leave: how many a second, how long each takes, and what stays behind.

use std::{cell::RefCell, rc::Rc, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time};

use crate::{
    BenchError, Progress, Report, Target,
    clock::{now, seconds_since},
    connection::Connection,
    crowd::{Count, Crowd},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, kind_of, update_message},
    report::{Meter, latencies},
    stamp::{MAX_WRITERS, Stamp, StampWriter, find_stamps},
};

const VISIT_TIMEOUT: Duration = Duration::from_secs(30);

/// How many come and go at the same time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChurnConfig {
    /// Clients that are on a visit at any time.
    pub visitors: usize,
    /// Documents that they visit in turn.
    pub rooms: usize,
    /// Seconds of measurement.
    pub seconds: f64,
    /// Seconds that the server gets afterwards to let go of what it held.
    pub settle_seconds: f64,
}

impl Default for ChurnConfig {
    fn default() -> Self {
        Self { visitors: 50, rooms: 200, seconds: 30.0, settle_seconds: 10.0 }
    }
}

/// Measures it.
pub async fn run(config: &ChurnConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.visitors == 0 || config.rooms == 0 {
        return Err(BenchError::Setting { setting: "visitors and rooms", rule: "must be at least 1" });
    }
    let mut report = Report::new("churn", target, config);
    let meter = Meter::start(target)?;
    let visit_latency = Rc::new(RefCell::new(latencies()));
    let (visits, left) = (Count::default(), Count::default());
    let mut crowd = Crowd::default();
    let started = now();
    for visitor in 0..config.visitors {
        let (target, config, latency) = (target.clone(), config.clone(), Rc::clone(&visit_latency));
        let (visits, left) = (visits.clone(), left.clone());
        crowd.add(async move {
            let mut number = visitor;
            while seconds_since(started) < config.seconds {
                visit(&target, number, number % config.rooms, &latency).await?;
                visits.add(1);
                number += config.visitors;
            }
            left.add(1);
            Ok(())
        });
    }
    let all_left = async {
        while left.get() < config.visitors as u64 {
            progress.say(&format!("{:.0} of {:.0} s, {} visits", seconds_since(started), config.seconds, visits.get()));
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    crowd.until(all_left).await?;
    let cost = meter.read()?;
    crowd.until(time::sleep(Duration::from_secs_f64(config.settle_seconds))).await?;
    let after = meter.read()?;
    report.push("visits_per_second", visits.get() as f64 / cost.seconds, "/s");
    report.push_latency(&visit_latency.borrow());
    report.push_cost(&cost, "cpu_per_visit", visits.get());
    if let Some(process) = &after.process {
        let grown = process.after.resident_bytes as f64 - process.before.resident_bytes as f64;
        report.push("memory_left_behind", grown / 1e6, "MB");
    }
    Ok(report)
}

/// One visit: connect, join, edit, see the edit come back, leave without a word, as a closed laptop does.
async fn visit(
    target: &Target,
    number: usize,
    room: usize,
    latency: &RefCell<Histogram<u64>>,
) -> Result<(), BenchError> {
    let started = now();
    let (_connection, listener) = Connection::open(target, &target.room(room)).await?;
    // Each visit writes under a client id of its own, and a stamp that no other visit has.
    let client_id = 0x8000_0000 | u64::from(rand::random::<u32>());
    let stamp = Stamp { writer: (number % MAX_WRITERS) as u16, counter: (number / MAX_WRITERS) as u32 };
    let (_, update) = StampWriter::beginning_at(client_id, stamp).next_update();
    let edit = update_message(update);
    let seen = Rc::new(Notify::new());
    let tell = Rc::clone(&seen);
    let mut has_joined = false;
    let listening = listener.listen(u64::MAX, move |connection, heard, _| {
        let Heard::Message(message) = heard else { return };
        let kind = kind_of(message);
        if let Kind::Content(content) = kind
            && has_joined
        {
            find_stamps(content, |found| {
                if found == stamp {
                    tell.notify_one();
                }
            });
        }
        if matches!(kind, Kind::Step1 | Kind::Content(_)) && !has_joined {
            has_joined = true;
            connection.queue(EMPTY_STEP_2);
            connection.queue(&edit);
        }
    });
    tokio::select! {
        ended = listening => ended?,
        seen = time::timeout(VISIT_TIMEOUT, seen.notified()) => {
            seen.map_err(|_| BenchError::Timeout { what: "the echo of an edit", seconds: VISIT_TIMEOUT.as_secs() })?;
        }
    }
    latency.borrow_mut().saturating_record(now() - started);
    Ok(())
}
