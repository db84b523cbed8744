//! What a server costs: its CPU time and memory, from `/proc` (Linux).

use std::fs;

use serde::Serialize;

use crate::BenchError;

/// A running process, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(pub u32);

/// What a process has used up to now.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// CPU time of all its living threads, in nanoseconds (`schedstat`, which counts more finely than `stat`'s ticks).
    pub cpu_nanos: u64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessId {
    /// Reads the process's usage.
    pub fn usage(self) -> Result<Usage, BenchError> {
        let gone = |source| BenchError::Process { pid: self.0, source };
        let mut usage = Usage::default();
        for task in fs::read_dir(format!("/proc/{}/task", self.0)).map_err(gone)? {
            let schedstat = task.map_err(gone)?.path().join("schedstat");
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(schedstat) else { continue };
            usage.cpu_nanos += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
            usage.threads += 1;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).map_err(gone)?;
        usage.resident_bytes = kilobytes(&status, "VmRSS:") * 1024;
        usage.peak_bytes = kilobytes(&status, "VmHWM:") * 1024;
        Ok(usage)
    }
}

fn kilobytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_to_work() {
        let process = ProcessId(std::process::id());
        let before = process.usage().unwrap();
        let mut sum = 0_u64;
        while process.usage().unwrap().cpu_nanos == before.cpu_nanos {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(before.resident_bytes > 0 && before.peak_bytes >= before.resident_bytes && before.threads > 0);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = ProcessId(u32::MAX).usage().unwrap_err();
        assert!(error.to_string().contains(&u32::MAX.to_string()), "{error}");
    }
}
