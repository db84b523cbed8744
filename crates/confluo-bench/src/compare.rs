//! Several servers in turn under the same loads, each pinned to one CPU with this tool on another, as a table.
//!
//! In each run every row is measured at every server, one after the other and each freshly started, so that ratios to the floor
//! compare neighbours in time. What counts is the median of the runs, and the median of the ratios. What was measured is
//! written down at once, failures included, so that a comparison of hours can be made in pieces.

mod list;
mod machine;
mod process;
mod record;
mod table;

use std::path::{Path, PathBuf};

pub use list::{Comparand, Comparison as ComparisonList, Fill, Row};
pub use machine::Machine;
pub use record::{Compared, Measurement, Outcome};
pub use table::{Cell, MeasuredRow};

use crate::{BenchError, MetricsAddress, ProcessId, Progress, Report, Target, Workload, flush};
use process::{Place, ServerProcess};

/// What rooms are called where they must be found again.
const ROOMS: &str = "filled";

/// What of a list is measured.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// How often; the list's own number if `None`.
    pub runs: Option<usize>,
    /// Only rows whose name holds one of these; all if there is none.
    pub only: Vec<String>,
    /// Only these servers; all if there is none.
    pub servers: Vec<String>,
    /// The recording for loads that need one and name none.
    pub trace: Option<PathBuf>,
    /// Where everything is written down, after each measurement.
    pub file: Option<PathBuf>,
    /// Go on with what that file holds: only what is missing there is measured.
    pub resume: bool,
}

impl CompareOptions {
    fn wants_row(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| row.name.contains(part))
    }

    fn wants_server(&self, server: &Comparand, row: &Row) -> bool {
        let is_able = !row.skip.contains(&server.name) && (row.fill.is_none() || !server.fill.is_empty());
        is_able && (self.servers.is_empty() || self.servers.contains(&server.name))
    }
}

/// Measures a list.
pub fn run(list: &Path, options: &CompareOptions, progress: &Progress) -> Result<Compared, BenchError> {
    let folder = list.parent().unwrap_or(Path::new("."));
    let comparison = ComparisonList::read(list)?;
    if let Some(unknown) =
        options.servers.iter().find(|name| comparison.server.iter().all(|known| known.name != **name))
    {
        return Err(BenchError::Comparison { path: list.to_owned(), reason: format!("it has no server {unknown:?}") });
    }
    let place = Place { folder, port: comparison.port, server_cpu: comparison.server_cpu };
    let mut compared = Compared::begin(&comparison, &place, options)?;
    let runs = options.runs.unwrap_or(comparison.runs);
    let mut rows = Vec::new();
    for row in comparison.row.iter().filter(|row| options.wants_row(row)) {
        match row.with_trace(options.trace.as_deref()) {
            Some(with_trace) => rows.push((row, with_trace)),
            None => progress.announce(&format!("{} is not measured: it needs --trace FILE", row.name)),
        }
    }
    if rows.is_empty() {
        progress.announce("no row of the list is wanted");
    }
    let mut due = Vec::new();
    for run in 1..=runs {
        for (row, with_trace) in &rows {
            for server in comparison.server.iter().filter(|server| options.wants_server(server, row)) {
                if !compared.has(row, server, run) {
                    due.push((run, *row, with_trace, server));
                }
            }
        }
    }
    for (number, (run, row, with_trace, server)) in due.iter().enumerate() {
        let what = format!("{} at {}", row.name, server.name);
        progress.announce(&format!("{} of {}, run {run}: {what}", number + 1, due.len()));
        let outcome = match measure(server, with_trace, &place, comparison.tool_cpu, progress) {
            Ok(report) => Outcome::Measured(report),
            Err(error) => {
                let reason = with_sources(&error);
                progress.announce(&format!("{what} failed: {reason}"));
                Outcome::Failed(reason)
            }
        };
        compared.add(row, server, *run, outcome);
        compared.tabulate(&comparison);
        compared.write(options.file.as_deref())?;
    }
    compared.tabulate(&comparison);
    Ok(compared)
}

fn measure(
    server: &Comparand,
    row: &Row,
    place: &Place<'_>,
    tool_cpu: Option<usize>,
    progress: &Progress,
) -> Result<Report, BenchError> {
    let data = tempfile::tempdir().map_err(|source| BenchError::File { path: std::env::temp_dir(), source })?;
    if let Some(fill) = &row.fill {
        progress.announce(&format!("{} documents of {} bytes are stored first", fill.documents, fill.document_bytes));
        process::fill(server, fill, place, data.path())?;
    }
    let disk = match &row.disk {
        Some(config) if !server.fill.is_empty() => {
            process::pin_this_thread(tool_cpu)?;
            Some(flush::run(config, data.path(), progress)?)
        }
        _ => None,
    };
    let run = |load: &Workload, running: &ServerProcess| {
        // To start a server this thread took the server's CPU.
        process::pin_this_thread(tool_cpu)?;
        let metrics = server.metrics.as_ref().map(|url| MetricsAddress::new(&place.fill(url, data.path())));
        let url = place.fill(&server.url, data.path());
        let target = Target::new(&url, server.dialect, Some(ProcessId(running.id())))?
            .with_metrics(metrics.transpose()?)
            .in_rooms(row.has_named_rooms().then(|| ROOMS.to_owned()));
        load.run_blocking(&target, progress)
    };
    let mut running = ServerProcess::start(server, place, data.path())?;
    if let Some(load) = &row.before_restart {
        let report = run(load, &running)?;
        running.stop(server)?;
        if !report.complete {
            return Err(BenchError::Incomplete);
        }
        progress.announce("the server starts again");
        running = ServerProcess::start(server, place, data.path())?;
    }
    let report = run(&row.load, &running)?.with("started_after", running.started_after_seconds() * 1e3, "ms");
    let told = [("disk_p50", "latency_p50"), ("disk_p99", "latency_p99"), ("disk_max", "latency_max")];
    let of_disk = |(name, of)| Some((name, disk.as_ref()?.figure(of)?.value));
    Ok(told.into_iter().filter_map(of_disk).fold(report, |report, (name, value)| report.with(name, value, "ms")))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
