//! Opening stored documents that nobody has open: how long until a client has one.

use std::{cell::RefCell, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    BenchError, Progress, Report, Target,
    clock::now,
    connection::Connection,
    crowd::Crowd,
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, is_step_2, kind_of},
    report::{Meter, latencies},
};

const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Which documents are opened. They are there already, as [`crate::fill`] or a load before a restart made them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenConfig {
    /// How many documents there are.
    pub documents: usize,
    /// How many of them are opened, one after another, evenly spread. Each is closed by its only client's leaving.
    pub openings: usize,
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self { documents: 1, openings: 1 }
    }
}

/// Measures it. Latency is from the wish to connect until step 2 is whole.
pub async fn run(config: &OpenConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.openings == 0 || config.documents < config.openings {
        return Err(BenchError::Setting { setting: "openings", rule: "must be at least 1 and at most the documents" });
    }
    let mut report = Report::new("open", target, config);
    let (mut latency, mut bytes, mut empty) = (latencies(), 0, 0_u64);
    let meter = Meter::start(target)?;
    for number in 0..config.openings {
        let document = number * (config.documents / config.openings);
        let started = now();
        let (ended, received) = open(target, &target.room(document)).await?;
        latency.saturating_record(ended - started);
        bytes += received;
        empty += u64::from(received == 0);
        progress.say(&format!("{} of {} documents were opened", number + 1, config.openings));
    }
    let cost = meter.read()?;
    report.complete = empty == 0;
    report.push("openings", config.openings as f64, "");
    report.push("empty", empty as f64, "");
    report.push("document_kilobytes", bytes as f64 / 1e3 / config.openings as f64, "kB");
    report.push_latency(&latency);
    report.push_cost(&cost, "cpu_per_opening", config.openings as u64);
    Ok(report)
}

/// Opens one document and leaves: when it was there, and how many bytes it has.
async fn open(target: &Target, room: &str) -> Result<(u64, usize), BenchError> {
    let (_connection, listener) = Connection::open(target, room).await?;
    let found = Rc::new(RefCell::new((0, 0)));
    let opened = Rc::new(Notify::new());
    let mut crowd = Crowd::default();
    let (hear_found, tell_opened) = (Rc::clone(&found), Rc::clone(&opened));
    crowd.add(listener.listen(u64::MAX, move |connection, heard, at| {
        let Heard::Message(message) = heard else { return };
        match kind_of(message) {
            Kind::Step1 => connection.queue(EMPTY_STEP_2),
            Kind::Content(content) => {
                let (ended, bytes) = &mut *hear_found.borrow_mut();
                *ended = at;
                // The update that holds nothing is two zeros.
                *bytes += if content.len() > 2 { content.len() } else { 0 };
                if is_step_2(message) {
                    tell_opened.notify_one();
                }
            }
            _ => {}
        }
    }));
    crowd.until_within(OPEN_TIMEOUT, "step 2", opened.notified()).await?;
    let found = *found.borrow();
    Ok(found)
}
