//! Measures any y-websocket server by its address: what it carries, how fast, at what cost, and whether it loses anything.
//!
//! 1. [`target`]: the server under load, its dialect and its process. 2. [`workload`]: the modes, each with its settings.
//! 3. [`fanout`], [`presence`], [`idle`], [`join`], [`replay`], [`churn`], [`slow`], [`leave`], [`open`]: one mode each.
//! 4. [`fill`]: documents to fill a store with, for `open`. 5. [`floor`] and [`flush`]: what sockets and disk take alone.
//! 6. [`compare`]: several servers in turn, as a table. 7. [`report`] and [`plot`]: what was found.
//!
//! Invariants: the tool is leaner than what it measures (one thread; what is only received is searched, never decoded); a figure
//! comes with the word on whether everything arrived; whoever merges messages is counted as fairly as who relays them.

pub mod churn;
pub mod compare;
pub mod error;
pub mod fanout;
pub mod fill;
pub mod floor;
pub mod flush;
pub mod idle;
pub mod join;
pub mod leave;
pub mod metrics;
pub mod open;
pub mod plot;
pub mod presence;
pub mod process;
pub mod progress;
pub mod replay;
pub mod report;
pub mod slow;
pub mod target;
pub mod trace;
pub mod workload;

mod clock;
mod connection;
mod crowd;
mod frames;
mod message;
mod stamp;

pub use error::BenchError;
pub use metrics::MetricsAddress;
pub use process::ProcessId;
pub use progress::Progress;
pub use report::{Figure, Report};
pub use target::{Dialect, Target};
pub use workload::Workload;
