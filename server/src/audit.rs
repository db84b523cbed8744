//! The audit log: who came, was refused, wrote, left, was revoked; and who used the admin endpoint. JSON lines.
//!
//! 1. [`AuditEvent`] is a line's content: never a token, never content of a document.
//! 2. [`Audit::record`] puts a line into a bounded queue and never waits. When the queue is full the line is lost, and
//!    counted.
//! 3. A thread of its own writes to a file with rotation, or to standard output. If it cannot, the server goes on: that is
//!    said once, and the lines are counted.

mod event;
mod rotating_file;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use confluo_hub::Clock;
use confluo_hub::metrics::Counter;
use serde::Serialize;

pub(crate) use event::name_of;
pub use event::{AuditEvent, What, Who, Why};
use rotating_file::RotatingFile;
use writer::{Entry, Sink, write_all};

use crate::config::{AuditConfig, AuditOutput};

/// The file in the data folder, unless `audit.file` names another.
const FILE_NAME: &str = "audit.jsonl";

/// Where events go. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Absent if there is no audit log.
    queue: Option<SyncSender<Entry>>,
    counts: Arc<AuditCounts>,
}

/// What became of events.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Lines that were written.
    pub written: Counter,
    /// Lines that were lost: the queue was full, or the log could not be written.
    pub lost: Counter,
    /// Refusals that were only counted, for there were very many.
    pub folded: Counter,
    /// How many of those stand in the log, as a number.
    folded_written: AtomicU64,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a AuditEvent<'a>,
}

impl Audit {
    /// Opens the log and starts its thread. The file must be writable now; what happens to it later stops nothing.
    pub fn open(config: &AuditConfig, data_dir: &Path) -> io::Result<Self> {
        let sink = match config.output {
            AuditOutput::Off => return Ok(Self { queue: None, counts: Arc::default() }),
            AuditOutput::Stdout => Sink::Stdout,
            AuditOutput::File => {
                let path = path(config, data_dir);
                Sink::File(RotatingFile::open(path, config.max_file_bytes.as_u64(), config.max_files)?)
            }
        };
        let (queue, receiver) = sync_channel(config.queue_events as usize);
        let counts = Arc::<AuditCounts>::default();
        let of_thread = Arc::clone(&counts);
        // It ends with the last clone of the queue; `finish` waits until it has written what was queued.
        std::thread::Builder::new()
            .name("confluo-audit".into())
            .spawn(move || write_all(&receiver, sink, &of_thread))?;
        Ok(Self { queue: Some(queue), counts })
    }

    /// What would keep [`Audit::open`] from opening the log, as far as that shows without making anything: whoever checks a
    /// configuration may be another user than the server's.
    pub fn check(config: &AuditConfig, data_dir: &Path) -> io::Result<()> {
        match config.output {
            AuditOutput::Off | AuditOutput::Stdout => Ok(()),
            AuditOutput::File => RotatingFile::check(&path(config, data_dir)),
        }
    }

    /// Writes an event down, in its turn. Never waits.
    pub fn record(&self, event: &AuditEvent<'_>) {
        let Some(queue) = &self.queue else { return };
        let time = humantime::format_rfc3339_millis(Clock.wall()).to_string();
        let Ok(mut line) = serde_json::to_string(&Line { time, event }) else { return self.counts.lost.increment() };
        line.push('\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(Entry::Line(line)) {
            self.counts.lost.increment();
        }
    }

    /// Counts a refusal that is not written down by itself: strangers could otherwise rotate away what others did. So are
    /// those counted that were cut off before anything was known of them.
    pub fn fold(&self) {
        if self.queue.is_some() {
            self.counts.folded.increment();
        }
    }

    /// Writes a refusal down, and before it how many were only counted since the last one.
    pub fn record_after_folded(&self, event: &AuditEvent<'_>) {
        self.record_folded();
        self.record(event);
    }

    fn record_folded(&self) {
        let folded = self.counts.folded.get();
        let refusals = folded.saturating_sub(self.counts.folded_written.swap(folded, Ordering::Relaxed));
        if refusals > 0 {
            self.record(&AuditEvent::Folded { refusals });
        }
    }

    /// What became of events.
    pub fn counts(&self) -> &AuditCounts {
        &self.counts
    }

    /// Waits until everything that was recorded or counted before has been written, or could not be. Blocks.
    pub fn finish(&self) {
        let Some(queue) = &self.queue else { return };
        self.record_folded();
        let (done, written) = sync_channel(1);
        if queue.send(Entry::Finish(done)).is_ok() {
            // It answers, or has ended.
            let _ = written.recv();
        }
    }
}

fn path(config: &AuditConfig, data_dir: &Path) -> PathBuf {
    config.file.clone().unwrap_or_else(|| data_dir.join(FILE_NAME))
}

#[cfg(test)]
mod tests;
