//! `confluo store copy`: every document of one store into another.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use confluo_store::copy_store;

use crate::config::Config;
use crate::store::StoreAddress;

/// What can be done with a whole store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy every document, with its lineage, seqs, times and authors, into an empty store; no server may run on either
    Copy(Copy),
}

/// Flags of `store copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The store to read: sled:FOLDER or redb:FOLDER
    #[arg(long, value_name = "ENGINE:FOLDER")]
    from: StoreAddress,
    /// The store to fill, created if missing: sled:FOLDER or redb:FOLDER
    #[arg(long, value_name = "ENGINE:FOLDER")]
    to: StoreAddress,
}

impl StoreCommand {
    /// Does it; the exit code is 1 if something could not be copied whole.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Copy(copy) => copy.run(),
        }
    }
}

impl Copy {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::default();
        crate::telemetry::install(&config.log)?;
        let from = self.from.open_existing(config.store.cache_bytes)?;
        let to = self.to.open(config.store.cache_bytes)?;
        ensure!(to.stats().documents == 0, "{} already has documents; copy into an empty folder", self.to);
        let report =
            copy_store(&*from, &*to).with_context(|| format!("{} is incomplete; remove it and copy again", self.to))?;
        let mut errors = io::stderr().lock();
        for name in &report.incomplete {
            writeln!(errors, "{name}: copied without its damaged records; see `confluo doc verify`")?;
        }
        for (name, error) in &report.failed {
            writeln!(errors, "{name}: not copied: {error}")?;
        }
        let whole = report.incomplete.is_empty() && report.failed.is_empty();
        writeln!(io::stdout(), "copied {} documents from {} to {}", report.copied, self.from, self.to)?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
