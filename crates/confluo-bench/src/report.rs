//! What a measurement found, for people (Markdown) and for programs (JSON).

use std::{borrow::Cow, fmt::Write as _};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    BenchError, Target,
    clock::{now, seconds_since},
    process::{ProcessId, Usage},
};

/// One measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The mode.
    pub mode: Cow<'static, str>,
    /// The server's address, or where else it was measured.
    pub url: String,
    /// The settings, as they were given.
    pub settings: serde_json::Value,
    /// What was measured, in the order in which it is shown.
    pub figures: Vec<Figure>,
    /// Whether everything that was sent arrived everywhere, and what was compared was equal. Figures of a run that is
    /// not complete say nothing about speed.
    pub complete: bool,
}

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, stable for programs.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: f64,
    /// Its unit, as it is written behind the value.
    pub unit: Cow<'static, str>,
}

impl Report {
    pub(crate) fn new(mode: &'static str, target: &Target, settings: &impl Serialize) -> Self {
        Self::of(mode, target.url(), settings)
    }

    /// Of a mode that measures something else than a server.
    pub(crate) fn of(mode: &'static str, url: String, settings: &impl Serialize) -> Self {
        let settings = serde_json::to_value(settings).unwrap_or_default();
        Self { mode: mode.into(), url, settings, figures: Vec::new(), complete: true }
    }

    pub(crate) fn push(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit: unit.into() });
    }

    /// Median, 99th percentile and maximum of latencies in nanoseconds.
    pub(crate) fn push_latency(&mut self, latency: &Histogram<u64>) {
        for (name, nanos) in [
            ("latency_p50", latency.value_at_quantile(0.5)),
            ("latency_p99", latency.value_at_quantile(0.99)),
            ("latency_max", latency.max()),
        ] {
            self.push(name, nanos as f64 / 1e6, "ms");
        }
    }

    /// Adds a figure that was measured around the load.
    pub(crate) fn with(mut self, name: &'static str, value: f64, unit: &'static str) -> Self {
        self.push(name, value, unit);
        self
    }

    /// The figure of that name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// A table of two columns.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("| {} | {} |\n|---|---:|\n", self.mode, self.url);
        for Figure { name, value, unit } in &self.figures {
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {} | {} {unit} |", name.replace('_', " "), format_number(*value));
        }
        let _ = writeln!(text, "| complete | {} |", if self.complete { "yes" } else { "**no**" });
        text
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Three significant digits for small numbers, groups of three for big ones.
pub(crate) fn format_number(value: f64) -> String {
    if value.abs() < 1000.0 {
        let decimals = if value.abs() >= 100.0 || value.fract().abs() < 1e-9 {
            0
        } else if value.abs() >= 10.0 {
            1
        } else if value.abs() >= 0.1 {
            2
        } else {
            4
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Latencies from a microsecond to an hour, in nanoseconds, to three digits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).expect("the bounds are constants in range")
}

/// What a process used between two moments.
#[derive(Debug)]
pub(crate) struct Meter {
    process: Option<ProcessId>,
    started: u64,
    before: Usage,
}

/// A stretch of time and what it cost.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// `None` if no process is observed.
    pub(crate) process: Option<ProcessCost>,
}

#[derive(Debug, Clone)]
pub(crate) struct ProcessCost {
    pub(crate) cpu_seconds: f64,
    pub(crate) before: Usage,
    pub(crate) after: Usage,
}

impl Meter {
    pub(crate) fn start(target: &Target) -> Result<Self, BenchError> {
        let before = target.process.map(ProcessId::usage).transpose()?.unwrap_or_default();
        Ok(Self { process: target.process, started: now(), before })
    }

    pub(crate) fn read(&self) -> Result<Cost, BenchError> {
        let process = match self.process {
            Some(process) => {
                let after = process.usage()?;
                let nanos = after.cpu_nanos_since(&self.before);
                Some(ProcessCost { cpu_seconds: nanos as f64 / 1e9, before: self.before.clone(), after })
            }
            None => None,
        };
        Ok(Cost { seconds: seconds_since(self.started), process })
    }
}

impl Report {
    /// CPU in cores and per unit of work, and memory.
    pub(crate) fn push_cost(&mut self, cost: &Cost, per_unit: &'static str, units: u64) {
        let Some(process) = &cost.process else { return };
        if units > 0 {
            self.push(per_unit, process.cpu_seconds * 1e6 / units as f64, "µs");
        }
        self.push("cpu_cores", process.cpu_seconds / cost.seconds, "cores");
        self.push("resident", process.after.resident_bytes as f64 / 1e6, "MB");
        self.push("peak_resident", process.after.peak_bytes as f64 / 1e6, "MB");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.0123"),
            (0.456, "0.46"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(format_number(value), text);
        }
    }
}
