//! What a server costs: its CPU time and memory, from `/proc` (Linux).

use std::{collections::BTreeMap, fs};

use crate::BenchError;

/// A running process, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(pub u32);

/// What a process has used up to now.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// CPU time of each living thread, in nanoseconds (`schedstat`, which counts more finely than `stat`'s ticks).
    thread_nanos: BTreeMap<u32, u64>,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// CPU time since an earlier look. A thread that has ended in between takes nothing of what the others used with it,
    /// only what it used itself after that look.
    pub fn cpu_nanos_since(&self, earlier: &Self) -> u64 {
        let since = |(thread, nanos): (&u32, &u64)| {
            nanos.saturating_sub(earlier.thread_nanos.get(thread).copied().unwrap_or_default())
        };
        self.thread_nanos.iter().map(since).sum()
    }
}

impl ProcessId {
    /// Reads the process's usage.
    pub fn usage(self) -> Result<Usage, BenchError> {
        let gone = |source| BenchError::Process { pid: self.0, source };
        let mut usage = Usage::default();
        for task in fs::read_dir(format!("/proc/{}/task", self.0)).map_err(gone)? {
            let task = task.map_err(gone)?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let thread = task.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok());
            usage.thread_nanos.extend(thread.zip(nanos));
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
        while process.usage().unwrap().cpu_nanos_since(&before) == 0 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(before.resident_bytes > 0 && before.peak_bytes >= before.resident_bytes);
    }

    #[test]
    fn a_thread_that_ends_takes_no_time_of_others_with_it() {
        let usage =
            |threads: &[(u32, u64)]| Usage { thread_nanos: threads.iter().copied().collect(), ..Usage::default() };
        let later = usage(&[(1, 150), (3, 7)]);
        assert_eq!(later.cpu_nanos_since(&usage(&[(1, 100), (2, 1_000)])), 57);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = ProcessId(u32::MAX).usage().unwrap_err();
        assert!(error.to_string().contains(&u32::MAX.to_string()), "{error}");
    }
}
