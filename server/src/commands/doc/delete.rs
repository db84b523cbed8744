//! `confluo doc delete`.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Args;
use confluo_protocol::DocumentName;

use super::{Workplace, no_such_document, parse_name, print};

/// Flags of `doc delete`.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The document's name
    #[arg(value_parser = parse_name)]
    name: DocumentName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Delete {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let is_there = workplace.store.list(self.name.as_str(), None, 1)?;
        if is_there.documents.first().is_none_or(|listed| listed.name != self.name) {
            return Err(no_such_document(&self.name));
        }
        if !self.yes && !self.confirm()? {
            bail!("nothing was deleted");
        }
        ensure!(workplace.store.delete(&self.name)?, no_such_document(&self.name));
        print(&format!("deleted {:?}\n", self.name))?;
        Ok(ExitCode::SUCCESS)
    }

    fn confirm(&self) -> anyhow::Result<bool> {
        ensure!(io::stdin().is_terminal(), "nobody is there to ask; add --yes to delete {:?}", self.name);
        print(&format!("Delete {:?} for good? Type yes: ", self.name))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }
}
