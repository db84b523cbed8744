//! What the figures were measured on.

use std::fs;

use serde::{Deserialize, Serialize};

/// A machine, as Linux describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many CPUs there are.
    pub cpus: usize,
    /// Memory, in MB.
    pub memory_megabytes: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    pub(super) fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
            value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
        };
        let processors = read("/proc/cpuinfo");
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            processor: field(&processors, "model name"),
            cpus: processors.lines().filter(|line| line.starts_with("processor")).count(),
            memory_megabytes: memory.trim_end_matches(" kB").parse().unwrap_or(0) / 1000,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}
