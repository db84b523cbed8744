//! What a Confluo server tells of itself at `/metrics`: how long a flush takes, and what it holds.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use crate::{BenchError, Report};

const TIMEOUT: Duration = Duration::from_secs(10);
/// The histogram of the time from handing records to the store to their being on disk.
const COMMIT: &str = "confluo_commit_seconds";

/// Where metrics are read.
#[derive(Debug, Clone)]
pub struct MetricsAddress {
    authority: String,
    path: String,
}

/// The metrics of one moment, as text.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(String);

impl MetricsAddress {
    /// An address such as `http://127.0.0.1:8787/metrics`.
    pub fn new(url: &str) -> Result<Self, BenchError> {
        let rest = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        match rest {
            Some((authority, path)) if authority.contains(':') => {
                Ok(Self { authority: authority.to_owned(), path: format!("/{path}") })
            }
            _ => Err(BenchError::Setting { setting: "metrics", rule: "must be as http://127.0.0.1:8787/metrics" }),
        }
    }

    pub(crate) async fn read(&self) -> Result<Metrics, BenchError> {
        let failed = |source| BenchError::Connect { address: self.authority.clone(), source };
        let reading = async {
            let mut stream = TcpStream::connect(&self.authority).await?;
            let request =
                format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.authority);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let answer = time::timeout(TIMEOUT, reading)
            .await
            .map_err(|_| BenchError::Timeout { what: "an answer with metrics", seconds: TIMEOUT.as_secs() })?
            .map_err(failed)?;
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(Metrics(answer));
        }
        let answer = answer.lines().next().unwrap_or_default().to_owned();
        Err(BenchError::Metrics { address: format!("http://{}{}", self.authority, self.path), answer })
    }
}

impl Metrics {
    /// The value of a metric without labels.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        self.0.lines().find_map(of_line)
    }

    /// Of a histogram's buckets, each upper bound with how many values were not above it.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let of_line = |line: &str| {
            let (bound, count) = line.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.trim().parse().ok()?))
        };
        self.0.lines().filter_map(of_line).collect()
    }
}

impl Report {
    /// What a flush took between two moments: on average, and the bound that 99 of 100 did not exceed.
    pub(crate) fn push_flush(&mut self, before: &Metrics, after: &Metrics) {
        let grown = |part: &str| {
            let name = format!("{COMMIT}_{part}");
            Some(after.value(&name)? - before.value(&name)?)
        };
        let (Some(sum), Some(count)) = (grown("sum"), grown("count")) else { return };
        if count < 1.0 {
            return;
        }
        self.push("flush_mean", sum / count * 1e3, "ms");
        let (before, after) = (before.buckets(COMMIT), after.buckets(COMMIT));
        let mut buckets = before.iter().zip(&after).map(|((_, before), (bound, after))| (*bound, after - before));
        if let Some((bound, _)) = buckets.find(|(_, within)| *within >= 0.99 * count)
            && bound.is_finite()
        {
            self.push("flush_p99_within", bound * 1e3, "ms");
        }
        self.push("flushes", count, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, Target};

    fn metrics(sum: f64, counts: [u32; 3]) -> Metrics {
        let [first, second, all] = counts;
        Metrics(format!(
            "HTTP/1.1 200 OK\r\n\r\n# TYPE confluo_commit_seconds histogram\nconfluo_commit_seconds_sum {sum}\n\
             confluo_commit_seconds_count {all}\nconfluo_commit_seconds_bucket{{le=\"0.001\"}} {first}\n\
             confluo_commit_seconds_bucket{{le=\"0.002\"}} {second}\nconfluo_commit_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             confluo_rooms 7\nconfluo_rooms_more 8\n"
        ))
    }

    #[test]
    fn a_flush_is_measured_between_two_looks() {
        let (before, after) = (metrics(1.0, [10, 10, 10]), metrics(1.2, [100, 210, 210]));
        let target = Target::new("ws://h/{room}", Dialect::Relay, None).unwrap();
        let mut report = Report::new("any", &target, &());
        report.push_flush(&before, &after);
        let value = |name| report.figure(name).unwrap().value;
        assert!((value("flush_mean") - 1.0).abs() < 1e-9);
        assert!((value("flush_p99_within") - 2.0).abs() < 1e-9);
        assert_eq!((before.value("confluo_rooms"), before.value("confluo_room")), (Some(7.0), None));
    }

    #[test]
    fn an_address_names_host_port_and_path() {
        let address = MetricsAddress::new("http://localhost:1/metrics?x").unwrap();
        assert_eq!((address.authority.as_str(), address.path.as_str()), ("localhost:1", "/metrics?x"));
        for url in ["https://h:1/metrics", "http://h/metrics", "http://h:1"] {
            assert!(MetricsAddress::new(url).is_err(), "{url}");
        }
    }
}
