//! What was measured so far: kept in a file, read again, and gone on with.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Comparand, CompareOptions, Machine, MeasuredRow, Row,
    list::Comparison,
    process::{self, Place},
    table,
};
use crate::{BenchError, Report};

/// What was measured, where, and with what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Compared {
    /// The machine.
    pub machine: Machine,
    /// Each server with its version.
    pub versions: Vec<(String, String)>,
    /// The medians: one row for each load and figure.
    pub rows: Vec<MeasuredRow>,
    /// Every single measurement.
    pub measurements: Vec<Measurement>,
}

/// One load at one server, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    /// The row of the list.
    pub row: String,
    /// The server.
    pub server: String,
    /// Which run, from 1. Ratios are taken between measurements of one run.
    pub run: usize,
    /// The row as it was in the list; a measurement of a row that was changed since is dropped.
    pub measured_as: serde_json::Value,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a measurement ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With figures, complete or not.
    Measured(Report),
    /// Without, for this reason.
    Failed(String),
}

impl Measurement {
    /// Its report, unless something was lost: such a run has no figures that could be compared.
    pub(super) fn comparable(&self) -> Option<&Report> {
        match &self.outcome {
            Outcome::Measured(report) if report.complete => Some(report),
            Outcome::Measured(_) | Outcome::Failed(_) => None,
        }
    }
}

impl Compared {
    /// With nothing measured, or with what the file holds.
    pub(super) fn begin(list: &Comparison, place: &Place<'_>, options: &CompareOptions) -> Result<Self, BenchError> {
        let version = |server: &Comparand| (server.name.clone(), process::version(server, place));
        let versions: Vec<_> = list.server.iter().map(version).collect();
        let new = Self { machine: Machine::read(), versions, rows: Vec::new(), measurements: Vec::new() };
        let Some(file) = options.file.as_deref().filter(|file| file.exists()) else { return Ok(new) };
        let refuse = |reason: String| Err(BenchError::Measured { path: file.to_owned(), reason });
        if !options.resume {
            return refuse("it is there already: go on with it by --resume, or remove it".to_owned());
        }
        let text = fs::read_to_string(file).map_err(|source| BenchError::File { path: file.to_owned(), source })?;
        let mut old: Self = match serde_json::from_str(&text) {
            Ok(old) => old,
            Err(error) => return refuse(format!("it holds no measurements: {error}")),
        };
        if old.machine != new.machine {
            return refuse("it was measured on another machine; ratios would compare the machines".to_owned());
        }
        let is_known = |measurement: &Measurement| {
            let row = list.row.iter().find(|row| row.name == measurement.row);
            row.is_some_and(|row| row.as_measured() == measurement.measured_as)
        };
        old.measurements.retain(is_known);
        for (server, version) in &new.versions {
            let before = old.versions.iter().find(|(name, _)| name == server);
            if let Some((_, before)) = before.filter(|(_, before)| before != version)
                && old.measurements.iter().any(|measurement| measurement.server == *server)
            {
                return refuse(format!("it measured {server} {before}; now it is {version}"));
            }
        }
        Ok(Self { measurements: old.measurements, ..new })
    }

    pub(super) fn has(&self, row: &Row, server: &Comparand, run: usize) -> bool {
        let is_it = |done: &Measurement| done.row == row.name && done.server == server.name && done.run == run;
        self.measurements.iter().any(is_it)
    }

    pub(super) fn add(&mut self, row: &Row, server: &Comparand, run: usize, outcome: Outcome) {
        let (row_name, server) = (row.name.clone(), server.name.clone());
        self.measurements.push(Measurement { row: row_name, server, run, measured_as: row.as_measured(), outcome });
    }

    /// Computes the medians anew.
    pub(super) fn tabulate(&mut self, list: &Comparison) {
        self.rows = table::rows(list, &self.measurements);
    }

    /// Writes all of it, so that a process that is killed leaves either the old file or the new one.
    pub(super) fn write(&self, file: Option<&Path>) -> Result<(), BenchError> {
        let Some(file) = file else { return Ok(()) };
        let part = file.with_extension("part");
        fs::write(&part, self.to_json())
            .and_then(|()| fs::rename(&part, file))
            .map_err(|source| BenchError::File { path: file.to_owned(), source })
    }

    /// The table, with the machine and the versions above it.
    pub fn to_markdown(&self) -> String {
        table::to_markdown(self)
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
