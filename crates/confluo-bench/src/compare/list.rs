//! The list: which servers, which loads.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{BenchError, Dialect, Workload, flush::FlushConfig};

/// A list of servers and of loads, in TOML.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// How often each row is measured.
    pub runs: usize,
    /// The CPU that the servers get; any if it is not given.
    pub server_cpu: Option<usize>,
    /// The CPU that this tool gets; any if it is not given.
    pub tool_cpu: Option<usize>,
    /// The port on which each server in turn listens, `{port}` in commands and addresses.
    pub port: u16,
    /// The name of the server to which ratios are given.
    pub floor: String,
    /// The servers.
    pub server: Vec<Comparand>,
    /// The loads.
    pub row: Vec<Row>,
}

/// A server to compare. In its texts `{port}` is the port, `{confluo}` this program, `{data}` a new empty folder, and
/// `{here}` the folder of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparand {
    /// Its name in the table.
    pub name: String,
    /// Program and arguments that start it; it must not put itself into the background.
    pub command: Vec<String>,
    /// Its environment, beside that of this program.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// Program and arguments that put `{documents}` documents of `{document_bytes}` bytes, named `{rooms}-0` and so on, into
    /// its store while it does not run; it is not measured by a row that needs this if there is none.
    #[serde(default)]
    pub fill: Vec<String>,
    /// Program and arguments whose first line is its version.
    #[serde(default)]
    pub version: Vec<String>,
    /// Its address, with `{room}`.
    pub url: String,
    /// Where it tells its metrics, as Confluo does.
    pub metrics: Option<String>,
    /// What it speaks.
    #[serde(default)]
    pub dialect: Dialect,
}

/// A load to compare under.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the table says.
    pub name: String,
    /// Which figures go into the table, one row each.
    pub figures: Vec<String>,
    /// Names of servers that cannot do this.
    #[serde(default)]
    pub skip: Vec<String>,
    /// Documents that are in the store when the server starts; `load` finds them as its rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// A load that comes before; then the server is stopped and started again, and `load` works in the same rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_restart: Option<Workload>,
    /// What the disk alone takes is measured first, at servers that have a store: the figures `disk_p50`, `disk_p99` and
    /// `disk_max`. A disk that stands still now and then is so told from a server that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<FlushConfig>,
    /// The mode and its settings.
    pub load: Workload,
}

/// What a store is filled with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// How many documents.
    pub documents: usize,
    /// The size of each.
    pub document_bytes: usize,
}

impl Row {
    /// The row with a recording where it needs one; `None` if there is none.
    pub(super) fn with_trace(&self, trace: Option<&Path>) -> Option<Self> {
        let before_restart = match &self.before_restart {
            Some(load) => Some(load.with_trace(trace)?),
            None => None,
        };
        Some(Self { before_restart, load: self.load.with_trace(trace)?, ..self.clone() })
    }

    /// Whether its rooms must be found again.
    pub(super) fn has_named_rooms(&self) -> bool {
        self.fill.is_some() || self.before_restart.is_some()
    }

    /// What a measurement of this row depends on: all but which of its figures are shown, and at whom.
    pub(super) fn as_measured(&self) -> serde_json::Value {
        let shown = Self { figures: Vec::new(), skip: Vec::new(), ..self.clone() };
        serde_json::to_value(shown).unwrap_or_default()
    }
}

impl Comparison {
    /// Reads a list.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let text = fs::read_to_string(path).map_err(|source| BenchError::File { path: path.to_owned(), source })?;
        let refuse = |reason| BenchError::Comparison { path: path.to_owned(), reason };
        let list: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if let Some(server) = list.server.iter().find(|server| server.command.is_empty()) {
            return Err(refuse(format!("the server {:?} has no command", server.name)));
        }
        if list.server_cpu.is_some() && list.server_cpu == list.tool_cpu {
            return Err(refuse("server_cpu and tool_cpu must differ".to_owned()));
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_shipped_is_understood() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/compare.toml"));
        let list = Comparison::read(path).unwrap();
        assert!(list.server.iter().any(|server| server.name == list.floor));
        for row in &list.row {
            assert!(!row.figures.is_empty(), "{}", row.name);
            for skipped in &row.skip {
                assert!(list.server.iter().any(|server| server.name == *skipped), "{}: {skipped}", row.name);
            }
        }
    }
}
