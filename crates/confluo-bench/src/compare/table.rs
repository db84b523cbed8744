//! Reports to medians, medians to a table.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Compared, Row};
use crate::{Report, report::format_number};

/// One figure of one load, at each server.
#[derive(Debug, Clone, Serialize)]
pub struct MeasuredRow {
    /// The load.
    pub name: String,
    /// The figure.
    pub figure: String,
    /// Its unit.
    pub unit: &'static str,
    /// One cell for each server, in the list's order.
    pub cells: Vec<Cell>,
}

/// One figure of one load at one server.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The server.
    pub server: String,
    /// The median of the runs that succeeded, if any did.
    pub median: Option<f64>,
    /// The least and the most.
    pub range: Option<(f64, f64)>,
    /// The median of the ratios to the floor of the same run.
    pub ratio_to_floor: Option<f64>,
    /// How many runs failed, or lost something.
    pub failed: usize,
    /// How many runs there were; none if the server was skipped.
    pub runs: usize,
}

/// The rows of one load: one for each of its figures. `reports[server][run]`.
pub(super) fn rows(row: &Row, servers: &[String], floor: &str, reports: &[Vec<Option<Report>>]) -> Vec<MeasuredRow> {
    let floor = servers.iter().position(|server| server == floor);
    row.figures
        .iter()
        .map(|figure| {
            // A run that lost something has no figures that could be compared.
            let value = |server: usize, run: usize| {
                let report = reports[server].get(run)?.as_ref().filter(|report| report.complete)?;
                report.figure(figure).map(|figure| figure.value)
            };
            let unit =
                reports.iter().flatten().flatten().find_map(|report| report.figure(figure)).map_or("", |f| f.unit);
            let cells = servers.iter().enumerate().map(|(server, name)| {
                let runs = reports[server].len();
                let values: Vec<_> = (0..runs).filter_map(|run| value(server, run)).collect();
                let ratios = (0..runs).filter_map(|run| Some(value(server, run)? / value(floor?, run)?));
                Cell {
                    server: name.clone(),
                    range: values.iter().copied().reduce(f64::min).zip(values.iter().copied().reduce(f64::max)),
                    failed: runs - values.len(),
                    ratio_to_floor: median(ratios.filter(|ratio| ratio.is_finite()).collect()),
                    median: median(values),
                    runs,
                }
            });
            MeasuredRow { name: row.name.clone(), figure: figure.clone(), unit, cells: cells.collect() }
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Writing to a string does not fail.
pub(super) fn to_markdown(compared: &Compared) -> String {
    let machine = &compared.machine;
    let mut text = format!(
        "{}, {} CPUs, {} MB, Linux {}; medians of {} runs, in brackets the ratio to the floor.\n\n",
        machine.processor, machine.cpus, machine.memory_megabytes, machine.kernel, compared.runs
    );
    for (server, version) in &compared.versions {
        let _ = writeln!(text, "- {server}: {version}");
    }
    let _ = write!(text, "\n| load | figure |");
    for (server, _) in &compared.versions {
        let _ = write!(text, " {server} |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "---:|".repeat(compared.versions.len()));
    for row in &compared.rows {
        let _ = write!(text, "| {} | {} |", row.name, row.figure.replace('_', " "));
        for cell in &row.cells {
            let _ = write!(text, " {} |", cell_text(cell, row.unit));
        }
        text.push('\n');
    }
    text
}

fn cell_text(cell: &Cell, unit: &str) -> String {
    let Some(median) = cell.median else {
        return if cell.runs == 0 { "–".to_owned() } else { "failed".to_owned() };
    };
    let mut text = format!("{} {unit}", format_number(median)).trim_end().to_owned();
    if let Some(ratio) = cell.ratio_to_floor {
        let _ = write!(text, " ({ratio:.2}×)");
    }
    if cell.failed > 0 {
        let _ = write!(text, ", {} of {} runs failed", cell.failed, cell.runs);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Figure, Workload, compare::Machine, fanout::FanoutConfig};

    fn report(cpu: f64, complete: bool) -> Report {
        Report {
            mode: "fanout",
            url: String::new(),
            settings: serde_json::Value::Null,
            figures: vec![Figure { name: "cpu", value: cpu, unit: "µs" }],
            complete,
        }
    }

    #[test]
    fn cells_are_medians_and_ratios_are_taken_within_each_run() {
        let row = Row {
            name: "load".to_owned(),
            figures: vec!["cpu".to_owned()],
            skip: Vec::new(),
            load: Workload::Fanout(FanoutConfig::default()),
        };
        let servers = ["floor", "server", "broken", "skipped"].map(str::to_owned);
        let reports = [
            vec![Some(report(1.0, true)), Some(report(2.0, true)), Some(report(4.0, true))],
            vec![Some(report(2.0, true)), Some(report(6.0, true)), Some(report(100.0, false))],
            vec![None, Some(report(1.0, false)), None],
            vec![],
        ];
        let rows = rows(&row, &servers, "floor", &reports);
        let compared = Compared {
            machine: Machine { processor: "P".to_owned(), cpus: 2, memory_megabytes: 1, kernel: "6".to_owned() },
            runs: 3,
            versions: servers.iter().map(|server| (server.clone(), "1".to_owned())).collect(),
            rows,
        };
        let markdown = compared.to_markdown();
        let last = markdown.lines().last().unwrap();
        assert_eq!(last, "| load | cpu | 2 µs (1.00×) | 4 µs (2.50×), 1 of 3 runs failed | failed | – |", "{markdown}");
    }
}
