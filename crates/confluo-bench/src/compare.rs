//! Several servers in turn under the same loads, each pinned to one CPU with this tool on another, as a table.
//!
//! In each run every row is measured at every server, one after the other and each freshly started, so that ratios to the floor
//! compare neighbours in time. What counts is the median of the runs, and the median of the ratios.

mod list;
mod machine;
mod process;
mod table;

use std::path::Path;

use serde::Serialize;

pub use list::{Comparand, Comparison as ComparisonList, Row};
pub use machine::Machine;
pub use table::{Cell, MeasuredRow};

use crate::{BenchError, ProcessId, Progress, Report, Target};
use process::ServerProcess;

/// What of a list is measured.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// How often; the list's own number if `None`.
    pub runs: Option<usize>,
    /// Only rows whose name holds this.
    pub only: Option<String>,
}

/// What was measured, where, and with what.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The machine.
    pub machine: Machine,
    /// How many runs the medians are of.
    pub runs: usize,
    /// Each server with its version.
    pub versions: Vec<(String, String)>,
    /// The rows, one for each load and figure.
    pub rows: Vec<MeasuredRow>,
}

/// Measures a list.
pub fn run(list: &Path, options: &CompareOptions, progress: &Progress) -> Result<Compared, BenchError> {
    let folder = list.parent().unwrap_or(Path::new("."));
    let comparison = ComparisonList::read(list)?;
    let runs = options.runs.unwrap_or(comparison.runs).max(1);
    let wanted = |row: &&Row| options.only.as_ref().is_none_or(|part| row.name.contains(part));
    let rows: Vec<&Row> = comparison.row.iter().filter(wanted).collect();
    let mut measured: Vec<Vec<Vec<Option<Report>>>> = vec![vec![Vec::new(); comparison.server.len()]; rows.len()];
    let place = process::Place { folder, port: comparison.port, server_cpu: comparison.server_cpu };
    process::pin_this_thread(comparison.tool_cpu)?;
    for run in 1..=runs {
        for (row, measured) in rows.iter().zip(&mut measured) {
            for (server, reports) in comparison.server.iter().zip(measured) {
                if row.skip.contains(&server.name) {
                    continue;
                }
                progress.announce(&format!("run {run} of {runs}: {} at {}", row.name, server.name));
                let report = measure(server, row, &place, comparison.tool_cpu, progress);
                if let Err(error) = &report {
                    progress.announce(&format!("{} at {} failed: {}", row.name, server.name, with_sources(error)));
                }
                reports.push(report.ok());
            }
        }
    }
    let names: Vec<_> = comparison.server.iter().map(|server| server.name.clone()).collect();
    let rows =
        rows.iter().zip(&measured).flat_map(|(row, reports)| table::rows(row, &names, &comparison.floor, reports));
    Ok(Compared {
        machine: Machine::read(),
        runs,
        versions: comparison
            .server
            .iter()
            .map(|server| (server.name.clone(), process::version(server, &place)))
            .collect(),
        rows: rows.collect(),
    })
}

fn measure(
    server: &Comparand,
    row: &Row,
    place: &process::Place<'_>,
    tool_cpu: usize,
    progress: &Progress,
) -> Result<Report, BenchError> {
    let running = ServerProcess::start(server, place)?;
    process::pin_this_thread(tool_cpu)?;
    let url = place.fill(&server.url, running.data());
    let target = Target::new(&url, server.dialect, Some(ProcessId(running.id())))?;
    row.load.run_blocking(&target, progress)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Compared {
    /// The table, with the machine and the versions above it.
    pub fn to_markdown(&self) -> String {
        table::to_markdown(self)
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
