//! The thread that writes.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender};

use tracing::{error, info};

use super::AuditCounts;
use super::rotating_file::RotatingFile;

/// The most bytes that are written at once.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// What waits for the thread.
#[derive(Debug)]
pub(super) enum Entry {
    Line(String),
    /// To be answered when all before it has been written.
    Finish(SyncSender<()>),
}

#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    File(RotatingFile),
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File(file) => file.write(lines),
        }
    }
}

/// Writes what comes, several lines at once if they are there, until nobody can send any more.
pub(super) fn write_all(queue: &Receiver<Entry>, mut sink: Sink, counts: &AuditCounts) {
    let mut lines = String::new();
    let mut failing = Failing::default();
    while let Ok(first) = queue.recv() {
        let (mut count, mut finished) = (0, None);
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Line(line) => {
                    lines.push_str(&line);
                    count += 1;
                }
                Entry::Finish(done) => finished = Some(done),
            }
            let is_enough = lines.len() >= MAX_WRITE_BYTES || finished.is_some();
            next = if is_enough { None } else { queue.try_recv().ok() };
        }
        if count > 0 {
            let outcome = sink.write(lines.as_bytes());
            let counter = if outcome.is_ok() { &counts.written } else { &counts.lost };
            counter.add(count);
            failing.note(outcome, count);
        }
        lines.clear();
        if let Some(done) = finished {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

/// Says once that the log cannot be written, and once that it can be again.
#[derive(Default)]
struct Failing {
    lost: Option<u64>,
}

impl Failing {
    fn note(&mut self, outcome: io::Result<()>, count: u64) {
        match (outcome, self.lost) {
            (Ok(()), None) => {}
            (Ok(()), Some(lost)) => {
                self.lost = None;
                info!(lost, "the audit log is written again");
            }
            (Err(_), Some(lost)) => self.lost = Some(lost + count),
            (Err(error), None) => {
                self.lost = Some(count);
                error!(%error, "the audit log cannot be written; the server goes on, and its lines are lost until it can");
            }
        }
    }
}
