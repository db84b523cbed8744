//! `confluo doc verify`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use confluo_protocol::DocumentName;
use confluo_protocol::update::{UpdateLimits, check_update};
use confluo_store::StoreError;

use super::{Opened, Workplace, parse_name, place_name, print};

/// Documents that are listed at once.
const PAGE: usize = 500;

/// Flags of `doc verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The documents' names; none are all of them
    #[arg(value_parser = parse_name)]
    names: Vec<DocumentName>,
    /// Every document, as without names
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// What was read so far.
#[derive(Default)]
struct Tally {
    documents: u64,
    records: u64,
    problems: u64,
}

impl Verify {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let mut tally = Tally::default();
        for finding in workplace.store.stats().findings {
            tally.report(&format!("the store: {finding}"))?;
        }
        if self.names.is_empty() {
            let mut after = None;
            loop {
                let page = workplace.store.list("", after.as_ref(), PAGE)?;
                for listed in &page.documents {
                    tally.verify(&listed.name, workplace)?;
                }
                if !page.more {
                    break;
                }
                after = page.documents.into_iter().next_back().map(|listed| listed.name);
            }
        }
        for name in &self.names {
            tally.verify(name, workplace)?;
        }
        let Tally { documents, records, problems } = tally;
        print(&format!("read {documents} documents with {records} records and snapshots: {problems} problems\n"))?;
        if problems > 0 {
            print(
                "`confluo doc export --salvage` writes what is left of a damaged document; clients bring back what they hold\n",
            )?;
        }
        Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// An error without its advice, which names this command.
fn cause(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { what, seq: Some(seq), .. } => format!("{what} is damaged or missing (record {})", seq.0),
        StoreError::Corrupt { what, .. } => format!("{what} is damaged or missing"),
        StoreError::Unreadable { detail, .. } => format!("the engine cannot read all of it: {detail}"),
        other => other.to_string(),
    }
}

impl Tally {
    fn verify(&mut self, name: &DocumentName, workplace: &Workplace) -> anyhow::Result<()> {
        self.documents += 1;
        // What an error hides, salvage may tell.
        let stored = match workplace.store.load(name) {
            Err(StoreError::MayBeLost { .. }) => {
                return self
                    .report(&format!("document {name:?}: there is none, and it may be among what the store has lost"));
            }
            Err(error) if !error.ends_reading() => {
                self.report(&format!("document {name:?}: {}", cause(&error)))?;
                let Ok(salvaged) = workplace.store.salvage(name) else { return Ok(()) };
                salvaged
            }
            stored => stored?,
        };
        let Some(stored) = stored else { return self.report(&format!("document {name:?}: there is none")) };
        let updates = stored.snapshot.iter().map(|snapshot| (None, &snapshot.state));
        let updates = updates.chain(stored.records.iter().map(|record| (Some(record.seq), &record.update)));
        let mut problems = String::new();
        for (seq, update) in updates {
            self.records += 1;
            if let Err(error) = check_update(update.clone(), &UpdateLimits::default()) {
                writeln!(problems, "{}: {error}", place_name(seq))?;
            }
        }
        let opening = Opened::new(stored).map_or_else(|error| vec![error.to_string()], |opened| opened.problems);
        for problem in problems.lines().map(str::to_owned).chain(opening) {
            self.report(&format!("document {name:?}: {problem}"))?;
        }
        Ok(())
    }

    fn report(&mut self, problem: &str) -> anyhow::Result<()> {
        self.problems += 1;
        print(&format!("{problem}\n"))
    }
}
