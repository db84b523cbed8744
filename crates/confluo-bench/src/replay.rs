//! A recorded editing session through the wire, keystroke by keystroke, and whether its text arrives at who joins later.

use std::{path::PathBuf, time::Duration};

use confluo_client::yrs::{Doc, GetString, Transact, Update, updates::decoder::Decode};
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::{
    BenchError, Dialect, Progress, Report, Target,
    clock::{now, seconds_since},
    connection::Connection,
    crowd::{Count, Crowd},
    frames::Heard,
    message::{EMPTY_STEP_2, Kind, is_step_2, kind_of, update_message},
    report::Meter,
    stamp::{Stamp, StampWriter, find_stamps},
    trace::{TEXT, type_trace},
};

/// Among so many updates of the trace stands one stamp, whose echo says that those before it have passed.
const UPDATES_PER_STAMP: usize = 256;
const LOST_AFTER: Duration = Duration::from_secs(60);

/// Which recording, and how far ahead.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayConfig {
    /// The recording: `josephg/editing-traces`, sequential or concurrent, gzip-compressed or not.
    pub trace: PathBuf,
    /// How many updates may be on the way, in steps of 256.
    pub window: usize,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self { trace: PathBuf::new(), window: 1024 }
    }
}

/// Measures it.
pub async fn run(config: &ReplayConfig, target: &Target, progress: &Progress) -> Result<Report, BenchError> {
    let mut report = Report::new("replay", target, config);
    progress.announce("typing the trace");
    let typed = type_trace(&config.trace)?;
    let bytes: usize = typed.updates.iter().map(Vec::len).sum();
    let messages: Vec<_> = typed.updates.into_iter().map(update_message).collect();
    let stamps_on_the_way = (config.window / UPDATES_PER_STAMP).max(2) as u64;

    let mut crowd = Crowd::default();
    let (connection, listener) = Connection::open(target, &target.room(0)).await?;
    let (joined, echoed) = (Count::default(), Count::default());
    let (tell_joined, tell_echoed) = (joined.clone(), echoed.clone());
    let mut has_joined = false;
    crowd.add(listener.listen(u64::MAX, move |connection, heard, _| {
        let Heard::Message(message) = heard else { return };
        let kind = kind_of(message);
        if !has_joined && matches!(kind, Kind::Step1 | Kind::Content(_)) {
            has_joined = true;
            connection.queue(EMPTY_STEP_2);
            tell_joined.add(1);
        }
        if let Kind::Content(content) = kind {
            find_stamps(content, |Stamp { counter, .. }| {
                if u64::from(counter) == tell_echoed.get() {
                    tell_echoed.add(1);
                }
            });
        }
    }));
    crowd.until_within(LOST_AFTER, "joining", joined.reach(1)).await?;

    let meter = Meter::start(target)?;
    let started = now();
    let mut stamps = StampWriter::new(target.client_id(0), 0);
    for (index, chunk) in messages.chunks(UPDATES_PER_STAMP).enumerate() {
        for message in chunk {
            connection.queue(message);
        }
        let (counter, stamp) = stamps.next_update();
        connection.send(&update_message(stamp))?;
        let due = (u64::from(counter) + 1).saturating_sub(stamps_on_the_way);
        crowd.until_within(LOST_AFTER, "the echo of the trace", echoed.reach(due)).await?;
        progress.say(&format!("{} of {} updates", index * UPDATES_PER_STAMP, messages.len()));
    }
    let all = u64::from(stamps.written());
    crowd.until_within(LOST_AFTER, "the echo of the trace", echoed.reach(all)).await?;
    let seconds = seconds_since(started);
    let cost = meter.read()?;

    let updates = messages.len() as u64;
    report.push("updates", updates as f64, "");
    report.push("kilobytes", bytes as f64 / 1e3, "kB");
    report.push("seconds", seconds, "s");
    report.push("updates_per_second", updates as f64 / seconds, "/s");
    report.push_cost(&cost, "cpu_per_update", updates);
    if target.dialect != Dialect::Relay {
        let (text, join_seconds) = join_and_read(target, &mut crowd).await?;
        report.complete = text == typed.end;
        report.push("join_afterwards", join_seconds * 1e3, "ms");
    }
    Ok(report)
}

/// A client that joins now: the text that it is given, and how long that took.
async fn join_and_read(target: &Target, crowd: &mut Crowd) -> Result<(String, f64), BenchError> {
    let started = now();
    let (_connection, listener) = Connection::open(target, &target.room(0)).await?;
    let (sender, mut content) = tokio::sync::mpsc::channel(1);
    let mut so_far = Vec::new();
    crowd.add(listener.listen(u64::MAX, move |connection, heard, _| {
        let Heard::Message(message) = heard else { return };
        match kind_of(message) {
            Kind::Step1 => connection.queue(EMPTY_STEP_2),
            // What a server sends before its step 2 belongs to the answer; what comes later finds the channel full.
            Kind::Content(content) => {
                so_far.push(content.to_vec());
                if is_step_2(message) {
                    drop(sender.try_send(std::mem::take(&mut so_far)));
                }
            }
            _ => {}
        }
    }));
    let content = crowd.until(time::timeout(LOST_AFTER, content.recv())).await?;
    let seconds = seconds_since(started);
    let content = content
        .ok()
        .flatten()
        .ok_or(BenchError::Timeout { what: "step 2 for a client that joins", seconds: LOST_AFTER.as_secs() })?;
    let doc = Doc::new();
    let text = doc.get_or_insert_text(TEXT);
    let mut txn = doc.transact_mut();
    for update in content {
        let update = Update::decode_v1(&update).map_err(|_| BenchError::Malformed("content that yrs cannot decode"))?;
        txn.apply_update(update).map_err(|_| BenchError::Malformed("content that yrs cannot apply"))?;
    }
    Ok((text.get_string(&txn), seconds))
}
