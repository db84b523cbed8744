//! Reports to medians, medians to a table.

use std::{borrow::Cow, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    list::{Comparison, Row},
    record::{Compared, Measurement},
};
use crate::report::format_number;

/// One figure of one load, at each server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MeasuredRow {
    /// The load.
    pub name: String,
    /// The figure.
    pub figure: String,
    /// Its unit.
    pub unit: Cow<'static, str>,
    /// One cell for each server, in the list's order.
    pub cells: Vec<Cell>,
}

/// One figure of one load at one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// How many runs there were; none if it was not measured.
    pub runs: usize,
}

/// One row for each figure of each load of which anything was measured.
pub(super) fn rows(list: &Comparison, measurements: &[Measurement]) -> Vec<MeasuredRow> {
    let was_measured = |row: &&Row| measurements.iter().any(|measurement| measurement.row == row.name);
    let rows = list.row.iter().filter(was_measured);
    rows.flat_map(|row| row.figures.iter().map(|figure| measured_row(list, row, figure, measurements))).collect()
}

fn measured_row(list: &Comparison, row: &Row, figure: &str, measurements: &[Measurement]) -> MeasuredRow {
    let of_row = |server: &str| {
        let is_wanted = |done: &&Measurement| done.row == row.name && done.server == server;
        measurements.iter().filter(is_wanted).collect::<Vec<_>>()
    };
    let value = |done: &Measurement| done.comparable()?.figure(figure).map(|figure| figure.value);
    let of_floor = of_row(&list.floor);
    let cell = |server: &str| {
        let runs = of_row(server);
        let values: Vec<_> = runs.iter().filter_map(|run| value(run)).collect();
        let ratios = runs.iter().filter_map(|run| {
            let floor = of_floor.iter().find(|floor| floor.run == run.run)?;
            Some(value(run)? / value(floor)?)
        });
        Cell {
            server: server.to_owned(),
            range: values.iter().copied().reduce(f64::min).zip(values.iter().copied().reduce(f64::max)),
            failed: runs.iter().filter(|run| run.comparable().is_none()).count(),
            ratio_to_floor: median(ratios.filter(|ratio| ratio.is_finite()).collect()),
            median: median(values),
            runs: runs.len(),
        }
    };
    let known = measurements.iter().filter(|done| done.row == row.name).filter_map(Measurement::comparable);
    let unit = known.filter_map(|report| report.figure(figure)).map(|figure| figure.unit.clone()).next();
    MeasuredRow {
        name: row.name.clone(),
        figure: figure.to_owned(),
        unit: unit.unwrap_or_default(),
        cells: list.server.iter().map(|server| cell(&server.name)).collect(),
    }
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
    let runs = compared.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.runs).max().unwrap_or(0);
    let mut text = format!(
        "{}, {} CPUs, {} MB, Linux {}; medians of {runs} runs, in brackets the ratio to the floor.\n\n",
        machine.processor, machine.cpus, machine.memory_megabytes, machine.kernel
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
            let _ = write!(text, " {} |", cell_text(cell, &row.unit, runs));
        }
        text.push('\n');
    }
    text
}

fn cell_text(cell: &Cell, unit: &str, runs: usize) -> String {
    let Some(median) = cell.median else {
        // Not every server tells everything, as the time of a flush.
        return if cell.failed == 0 { "–".to_owned() } else { "failed".to_owned() };
    };
    let mut text = format!("{} {unit}", format_number(median)).trim_end().to_owned();
    if let Some(ratio) = cell.ratio_to_floor {
        let _ = write!(text, " ({ratio:.2}×)");
    }
    if cell.failed > 0 {
        let _ = write!(text, ", {} of {} runs failed", cell.failed, cell.runs);
    } else if cell.runs < runs {
        let _ = write!(text, ", {} run{}", cell.runs, if cell.runs == 1 { "" } else { "s" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Figure, Report,
        compare::{Machine, Outcome},
    };

    const LIST: &str = r#"
        runs = 3
        port = 1
        floor = "floor"
        server = [{ name = "floor", command = ["f"], url = "u" }, { name = "server", command = ["s"], url = "u" },
                  { name = "broken", command = ["b"], url = "u" }, { name = "skipped", command = ["k"], url = "u" }]
        row = [{ name = "load", figures = ["untold", "cpu"], load = { mode = "fanout" } },
               { name = "later", figures = ["cpu"], load = { mode = "fanout" } }]
    "#;

    fn done(server: &str, run: usize, cpu: Option<f64>) -> Measurement {
        let figures = |cpu| vec![Figure { name: "cpu".into(), value: cpu, unit: "µs".into() }];
        let settings = serde_json::Value::Null;
        let report = |cpu: f64| Report {
            mode: "fanout".into(),
            url: String::new(),
            settings: settings.clone(),
            figures: figures(cpu),
            complete: cpu < 100.0,
        };
        let outcome = cpu.map_or_else(|| Outcome::Failed("it ended".to_owned()), |cpu| Outcome::Measured(report(cpu)));
        Measurement { row: "load".to_owned(), server: server.to_owned(), run, measured_as: settings.clone(), outcome }
    }

    #[test]
    fn cells_are_medians_and_ratios_are_taken_within_each_run() {
        let list: Comparison = toml::from_str(LIST).unwrap();
        let of = |server, runs: [Option<f64>; 3]| (1..).zip(runs).map(move |(run, cpu)| done(server, run, cpu));
        // In another order than they are compared in, as pieces may come.
        let measurements: Vec<_> = of("server", [Some(2.0), Some(6.0), Some(100.0)])
            .chain(of("broken", [None, Some(100.0), None]))
            .chain(of("floor", [Some(1.0), Some(2.0), Some(4.0)]))
            .collect();
        let compared = Compared {
            machine: Machine { processor: "P".to_owned(), cpus: 2, memory_megabytes: 1, kernel: "6".to_owned() },
            versions: list.server.iter().map(|server| (server.name.clone(), "1".to_owned())).collect(),
            rows: rows(&list, &measurements),
            measurements,
        };
        let markdown = compared.to_markdown();
        assert!(markdown.contains("| load | untold | – | failed | failed | – |"), "{markdown}");
        let bottom = markdown.lines().last().unwrap();
        assert_eq!(
            bottom, "| load | cpu | 2 µs (1.00×) | 4 µs (2.50×), 1 of 3 runs failed | failed | – |",
            "{markdown}"
        );
        let read: Compared = serde_json::from_str(&compared.to_json()).unwrap();
        assert_eq!(read.to_markdown(), markdown);
    }
}
