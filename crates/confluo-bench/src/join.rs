//! Many clients open one big document at the same moment: how long until all have it, and what that takes.

use std::{cell::RefCell, rc::Rc, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, Dialect, Progress, Report, Target,
    clock::{now, seconds_since},
    connection::{Connection, Listener},
    crowd::{Count, Crowd},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, kind_of, update_message},
    process::ProcessId,
    report::{Cost, Meter, latencies},
    stamp::{StampWriter, find_stamps},
};

/// The document is written in pieces of this size: servers bound a message.
const PIECE_BYTES: usize = 256 * 1024;
/// Messages beyond this are the document; they are measured, not kept.
const KEEP_UP_TO: u64 = 64 * 1024;
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// How many join what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinConfig {
    /// Clients that join at once.
    pub clients: usize,
    /// The size of the document's text, in bytes.
    pub document_bytes: usize,
    /// Seconds within which all must have it.
    pub timeout_seconds: u64,
}

impl Default for JoinConfig {
    fn default() -> Self {
        Self { clients: 200, document_bytes: 20 << 20, timeout_seconds: 120 }
    }
}

/// Measures it. A relay keeps no document: there the clients are connected already and one message of that size is sent
/// to all, which is the time that the bytes alone take.
pub async fn run(config: &JoinConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    if config.clients == 0 || config.document_bytes < 2 * KEEP_UP_TO as usize {
        return Err(BenchError::Setting {
            setting: "document_bytes",
            rule: "must be at least 131072, clients at least 1",
        });
    }
    let mut report = Report::new("join", target, config);
    let mut crowd = Crowd::default();
    let is_relay = target.dialect == Dialect::Relay;
    if !is_relay {
        write_document(config, target, progress, &mut crowd).await?;
        // The server stores and forgets what writing set in motion.
        crowd.until(time::sleep(Duration::from_secs(1))).await?;
    }

    let (arrived, received, joined) = (Count::default(), Count::default(), Count::default());
    let latency = Rc::new(RefCell::new(latencies()));
    let began = Rc::new(std::cell::Cell::new(0_u64));
    let mut connections = Vec::with_capacity(config.clients);
    let document_bytes = config.document_bytes as u64;
    let await_document = |listener: Listener| {
        let (arrived, received, joined, began) = (arrived.clone(), received.clone(), joined.clone(), Rc::clone(&began));
        let latency: Rc<RefCell<Histogram<u64>>> = Rc::clone(&latency);
        let (mut has_joined, mut missing) = (false, document_bytes);
        let mut take = move |bytes: u64, at: u64| {
            received.add(bytes);
            // It may come in several messages: a state from before, and what was written since.
            if missing > 0 {
                missing = missing.saturating_sub(bytes);
                if missing == 0 {
                    latency.borrow_mut().saturating_record(at.saturating_sub(began.get()));
                    arrived.add(1);
                }
            }
        };
        listener.listen(KEEP_UP_TO, move |connection, heard, at| match heard {
            Heard::Skimmed(bytes) => take(bytes, at),
            Heard::Message(message) if kind_of(message) == Kind::Step1 && !has_joined => {
                has_joined = true;
                joined.add(1);
                if !is_relay {
                    connection.queue(EMPTY_STEP_2);
                }
            }
            Heard::Message(message) => take(message.len() as u64, at),
            _ => {}
        })
    };

    let meter;
    if is_relay {
        for index in 0..config.clients {
            let (connection, listener) = Connection::open(target, &target.room(0)).await?;
            crowd.add(await_document(listener));
            connections.push(connection);
            crowd.until_within(Duration::from_secs(60), "joining", joined.reach(index as u64 + 1)).await?;
        }
        let document = update_message(StampWriter::new(target.client_id(0), 0).filling(config.document_bytes));
        meter = Meter::start(target)?;
        began.set(now());
        connections[0].send(&document)?;
    } else {
        meter = Meter::start(target)?;
        began.set(now());
        for _ in 0..config.clients {
            let (connection, listener) = Connection::open(target, &target.room(0)).await?;
            crowd.add(await_document(listener));
            connections.push(connection);
        }
    }
    let limit = Duration::from_secs(config.timeout_seconds);
    let most = Rc::new(std::cell::Cell::new(0_u64));
    let everybody = async {
        tokio::select! {
            () = arrived.reach(config.clients as u64) => {}
            () = watch_memory(target.process, &most) => {}
        }
    };
    crowd.until_within(limit, "the document at every client", everybody).await?;
    let seconds = seconds_since(began.get());
    let cost = meter.read()?;
    push_figures(&mut report, config, &cost, seconds, received.get(), most.get());
    report.push_latency(&latency.borrow());
    drop(crowd);
    Ok(report)
}

fn push_figures(report: &mut Report, config: &JoinConfig, cost: &Cost, seconds: f64, received: u64, most: u64) {
    report.push("all_have_it_after", seconds, "s");
    report.push("megabytes_per_second", received as f64 / 1e6 / seconds, "MB/s");
    report.push_cost(cost, "cpu_per_join", config.clients as u64);
    if let Some(process) = &cost.process {
        let most = most.max(process.after.resident_bytes);
        let grown = most.saturating_sub(process.before.resident_bytes);
        report.push("memory_grown_by", grown as f64 / 1e6, "MB");
        report.push("memory_grown_by_documents", grown as f64 / config.document_bytes as f64, "×");
    }
}

/// One client writes the document, a piece after the other's echo.
async fn write_document(
    config: &JoinConfig,
    target: &Target,
    progress: &Progress,
    crowd: &mut Crowd,
) -> Result<(), BenchError> {
    let (connection, listener) = Connection::open(target, &target.room(0)).await?;
    let (joined, echoed) = (Count::default(), Count::default());
    let (tell_joined, tell_echoed) = (joined.clone(), echoed.clone());
    let mut has_joined = false;
    let writing = async {
        joined.reach(1).await;
        let mut writer = StampWriter::new(target.client_id(0), 0);
        let mut written = 0;
        while written < config.document_bytes {
            let piece = PIECE_BYTES.min(config.document_bytes - written);
            connection.queue(&update_message(writer.filling(piece)));
            let (counter, stamp) = writer.next_update();
            connection.send(&update_message(stamp))?;
            written += piece;
            echoed.reach(u64::from(counter) + 1).await;
            progress.say(&format!("{written} of {} bytes are written", config.document_bytes));
        }
        Ok(())
    };
    let listening = listener.listen(u64::MAX, move |connection, heard, _| {
        let Heard::Message(message) = heard else { return };
        match kind_of(message) {
            Kind::Step1 if !has_joined => {
                has_joined = true;
                connection.queue(EMPTY_STEP_2);
                tell_joined.add(1);
            }
            Kind::Content(content) => find_stamps(content, |_| tell_echoed.add(1)),
            _ => {}
        }
    });
    crowd
        .until_within(WRITE_TIMEOUT, "writing the document", async {
            tokio::select! {
                ended = listening => ended,
                written = writing => written,
            }
        })
        .await?
}

/// Keeps the most memory that was seen, until it is dropped.
async fn watch_memory(process: Option<ProcessId>, most: &std::cell::Cell<u64>) {
    let Some(process) = process else { return std::future::pending().await };
    loop {
        if let Ok(usage) = process.usage() {
            most.set(most.get().max(usage.resident_bytes));
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}
