//! What the disk alone takes for a write and a flush, at the pace of a load and with no server: part of any durable latency.

use std::{
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    BenchError, Progress, Report,
    clock::{now, seconds_since},
    report::latencies,
};

/// At which pace how much is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlushConfig {
    /// Records a second.
    pub rate: f64,
    /// The size of each.
    pub bytes: usize,
    /// Seconds of measurement.
    pub seconds: f64,
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self { rate: 100.0, bytes: 200, seconds: 15.0 }
    }
}

impl FlushConfig {
    fn validate(&self) -> Result<(), BenchError> {
        let rule = |setting, holds, rule| if holds { Ok(()) } else { Err(BenchError::Setting { setting, rule }) };
        rule("rate", (1e-3..=1e6).contains(&self.rate), "must be at least 0.001 and at most 1000000")?;
        rule("bytes", (1..=1 << 20).contains(&self.bytes), "must be at least 1 and at most 1048576")?;
        rule("seconds", self.seconds > 0.0 && self.seconds <= 3600.0, "must be more than 0 and at most 3600")
    }

    /// When a record is due, in nanoseconds from the start.
    fn due(&self, record: u64) -> u64 {
        record * nanos(1.0 / self.rate)
    }

    fn records(&self) -> u64 {
        nanos(self.seconds).div_ceil(nanos(1.0 / self.rate))
    }
}

/// Of a time within the bounds of [`FlushConfig::validate`]: from a microsecond to an hour.
fn nanos(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}

/// Writes to a new file in `folder`, which is gone afterwards. Latency is from when a record is due until it is on disk: all that
/// came due while the disk was busy are flushed together, and each has waited, as in a server.
pub fn run(config: &FlushConfig, folder: &Path, progress: &Progress) -> Result<Report, BenchError> {
    config.validate()?;
    let failed = |source| BenchError::File { path: folder.to_owned(), source };
    let mut report = Report::of("flush", folder.display().to_string(), config);
    let record = vec![b'c'; config.bytes];
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    // What is written later fits into the file as it is, so that a flush has no new size to write.
    for _ in 0..config.records() {
        file.write_all(&vec![0; config.bytes]).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;

    let (mut latency, mut written, mut flushes) = (latencies(), 0_u64, 0_u64);
    let started = now();
    while written < config.records() {
        thread::sleep(Duration::from_nanos(config.due(written).saturating_sub(now() - started)));
        let first = written;
        while written < config.records() && (written == first || config.due(written) <= now() - started) {
            file.write_all(&record).map_err(failed)?;
            written += 1;
        }
        file.sync_data().map_err(failed)?;
        flushes += 1;
        let ended = now() - started;
        for record in first..written {
            latency.saturating_record(ended.saturating_sub(config.due(record)));
        }
        progress.say(&format!("{:.0} of {:.0} s, {written} records", seconds_since(started), config.seconds));
    }
    report.push("records", written as f64, "");
    report.push("flushes", flushes as f64, "");
    report.push_latency(&latency);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_flushed_and_counted_and_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let config = FlushConfig { rate: 1_000.0, bytes: 100, seconds: 0.05 };
        let report = run(&config, folder.path(), &Progress::silent()).unwrap();
        let value = |name| report.figure(name).unwrap().value;
        assert!((value("records") - 50.0).abs() < 1e-9);
        assert!((1.0..=50.0).contains(&value("flushes")));
        assert!(value("latency_p50") > 0.0 && value("latency_p50") <= value("latency_max"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_pace_that_cannot_be_kept_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (rate, bytes, seconds) in [(0.0, 1, 1.0), (f64::NAN, 1, 1.0), (1.0, 0, 1.0), (1.0, 1, f64::INFINITY)] {
            let refused = run(&FlushConfig { rate, bytes, seconds }, folder.path(), &Progress::silent());
            assert!(matches!(refused, Err(BenchError::Setting { .. })), "{rate} {bytes} {seconds}");
        }
    }
}
