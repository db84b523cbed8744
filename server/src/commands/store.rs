//! `confluo store …`: a whole store.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use confluo_store::{CopyReport, DocumentStore, copy_store, salvage_store};

use crate::cli::DataArgs;
use crate::config::Config;
use crate::store::StoreAddress;
use crate::telemetry;

/// What can be done with a whole store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy every document, with its lineage, seqs, times and authors, into an empty store; no server may run on either
    Copy(Copy),
    /// Get what is left out of a store that does not open, into a new one; the damaged folder is only read
    Salvage(Salvage),
    /// Say that you know what the store has lost; until then documents that it does not have are refused, not made anew
    Acknowledge(Acknowledge),
}

/// Flags of `store acknowledge`.
#[derive(Debug, Args)]
pub struct Acknowledge {
    #[command(flatten)]
    data: DataArgs,
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

/// Flags of `store salvage`.
#[derive(Debug, Args)]
pub struct Salvage {
    /// The damaged store, which is only read: sled:FOLDER or redb:FOLDER
    #[arg(long, value_name = "ENGINE:FOLDER")]
    from: StoreAddress,
    /// Where there is no store yet: sled:FOLDER or redb:FOLDER
    #[arg(long, value_name = "ENGINE:FOLDER")]
    to: StoreAddress,
}

impl StoreCommand {
    /// Does it; the exit code is 1 if something could not be copied whole.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Copy(copy) => copy.run(),
            Self::Salvage(salvage) => salvage.run(),
            Self::Acknowledge(acknowledge) => acknowledge.run(),
        }
    }
}

impl Acknowledge {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.data.load()?.config;
        telemetry::install(&config.log)?;
        let store = StoreAddress::of(&config).open_existing(config.store.cache_bytes)?;
        let findings = store.acknowledge()?;
        let mut output = io::stdout().lock();
        for finding in &findings {
            writeln!(output, "acknowledged: {finding}")?;
        }
        let standing = store.stats().findings;
        for finding in &standing {
            writeln!(output, "stands until its file is removed: {finding}")?;
        }
        if findings.is_empty() && standing.is_empty() {
            writeln!(output, "there is nothing to acknowledge")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Copy {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::default();
        telemetry::install(&config.log)?;
        let from = self.from.open_existing(config.store.cache_bytes)?;
        let to = self.to.open(config.store.cache_bytes)?;
        ensure!(to.stats().documents == 0, "{} already has documents; copy into an empty folder", self.to);
        let report =
            copy_store(&*from, &*to).with_context(|| format!("{} is incomplete; remove it and copy again", self.to))?;
        let mut errors = io::stderr().lock();
        let findings = from.stats().findings;
        for finding in &findings {
            writeln!(
                errors,
                "{}: {finding}; the copy lacks the same, and refuses documents that it does not have until `confluo store \
                 acknowledge`",
                self.from
            )?;
        }
        tell(&mut errors, &report, "copied")?;
        let whole = findings.is_empty() && report.incomplete.is_empty() && report.failed.is_empty();
        writeln!(io::stdout(), "copied {} from {} to {}", count(&report), self.from, self.to)?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Salvage {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::default();
        telemetry::install(&config.log)?;
        let from = self.from.open_wreck()?;
        ensure!(!self.to.is_there(), "{} is a store already; salvage into a new folder", self.to);
        let to = self.to.open(config.store.cache_bytes)?;
        let report = salvage_store(&from, &*to)
            .with_context(|| format!("{} is incomplete; remove it and salvage again", self.to))?;
        let mut errors = io::stderr().lock();
        let (findings, doubts) = (from.stats().findings, from.engine().doubts());
        for finding in &findings {
            writeln!(errors, "{}: {finding}", self.from)?;
        }
        let lacks_some = from.engine().lacks_some();
        if lacks_some {
            writeln!(
                errors,
                "{}: some of its files cannot be made out; any document may be older than it was",
                self.from
            )?;
        }
        for (name, doubt) in doubts {
            writeln!(errors, "{name}: {doubt}")?;
        }
        tell(&mut errors, &report, "salvaged")?;
        let is_all = findings.is_empty() && !lacks_some;
        let whole = is_all && doubts.is_empty() && report.incomplete.is_empty() && report.failed.is_empty();
        writeln!(
            io::stdout(),
            "salvaged {} from {} to {}; documents that are not there are refused until `confluo store acknowledge`",
            count(&report),
            self.from,
            self.to
        )?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Names the documents that were not copied, or not whole.
fn tell(errors: &mut impl Write, report: &CopyReport, done: &str) -> io::Result<()> {
    for name in &report.incomplete {
        writeln!(errors, "{name}: {done} without its damaged records; see `confluo doc verify`")?;
    }
    for (name, error) in &report.failed {
        writeln!(errors, "{name}: not {done}: {error}")?;
    }
    Ok(())
}

/// How many documents there are now, and how many there are not.
fn count(report: &CopyReport) -> String {
    let copied = format!("{} documents", report.copied);
    match (report.incomplete.len(), report.failed.len()) {
        (0, 0) => copied,
        (incomplete, failed) => format!("{copied} ({incomplete} of them not whole, and {failed} more not at all)"),
    }
}

#[cfg(test)]
mod tests {
    use confluo_protocol::DocumentName;
    use confluo_store::StoreError;

    use super::*;

    #[test]
    fn the_last_line_counts_what_was_left_behind() {
        let name = || DocumentName::new("notes").unwrap();
        let mut report = CopyReport { copied: 3, ..CopyReport::default() };
        assert_eq!(count(&report), "3 documents");
        report.failed.push((name(), StoreError::DocumentExists { document: name() }));
        assert_eq!(count(&report), "3 documents (0 of them not whole, and 1 more not at all)");
        report.incomplete.push(name());
        let mut told = Vec::new();
        tell(&mut told, &report, "salvaged").unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("notes: salvaged without its damaged records"), "{told}");
        assert!(told.contains("notes: not salvaged: there is already a document"), "{told}");
    }
}
