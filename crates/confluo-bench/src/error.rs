//! What can go wrong while measuring.

use std::{io, path::PathBuf};

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The address template cannot be used.
    #[error("{url:?} is not an address such as ws://127.0.0.1:8787/{{room}}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A setting is out of its range.
    #[error("{setting} {rule}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// The server did not take a connection.
    #[error("could not connect to {address}")]
    Connect {
        /// The server.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server answered, but not with an upgrade.
    #[error("{address} did not accept the WebSocket upgrade: {answer}")]
    Upgrade {
        /// The server.
        address: String,
        /// The first line of its answer.
        answer: String,
    },
    /// A connection ended during the measurement.
    #[error("the server closed a connection during the measurement: {0}")]
    Closed(String),
    /// A connection broke during the measurement.
    #[error("a connection broke during the measurement")]
    Broken(#[source] io::Error),
    /// The server sent what a server must not.
    #[error("the server sent {0}")]
    Malformed(&'static str),
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s")]
    Timeout {
        /// What was awaited.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The server's process cannot be observed.
    #[error("cannot read what process {pid} uses; is it still running, on this machine?")]
    Process {
        /// Its id.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A server does not tell its metrics.
    #[error("{address} did not answer with metrics: {answer}")]
    Metrics {
        /// Where they were asked for.
        address: String,
        /// The first line of the answer.
        answer: String,
    },
    /// A file could not be read or written.
    #[error("cannot use the file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A trace is not in a format that is understood.
    #[error("{} is not an editing trace: {reason}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of servers is not understood.
    #[error("{} is not a list of servers to compare: {reason}", path.display())]
    Comparison {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of measurements cannot be gone on with.
    #[error("cannot keep measurements in {}: {reason}", path.display())]
    Measured {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A load that had to succeed before the measurement lost something.
    #[error("not everything arrived everywhere in the load before the restart")]
    Incomplete,
    /// A server that is compared did not start.
    #[error("{server} did not start: {reason}")]
    Server {
        /// Its name.
        server: String,
        /// What is known of it.
        reason: String,
    },
    /// The relay could not listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
