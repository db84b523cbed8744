//! `confluo bench compare`.

use std::path::PathBuf;

use clap::Args;
use confluo_bench::compare::{self, CompareOptions};

use super::{print, progress};

/// Flags of `bench compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The list
    #[arg(default_value = "bench/compare.toml")]
    list: PathBuf,
    /// Write everything that was measured into this JSON file, after each measurement
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Go on with what that file holds: measure only what is missing there, and print the table of all
    #[arg(long, requires = "json")]
    resume: bool,
    /// How often each is measured; the medians count. Overrides the list's own; with 0 only the table is printed
    #[arg(long)]
    runs: Option<usize>,
    /// Only the rows whose name holds this; may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Only these servers, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    servers: Vec<String>,
    /// The recording for the rows that need one, of the collection josephg/editing-traces
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl CompareArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { list, json, resume, runs, only, servers, trace } = self;
        let options = CompareOptions { runs, only, servers, trace, file: json, resume };
        print(&compare::run(&list, &options, &progress())?.to_markdown())
    }
}
