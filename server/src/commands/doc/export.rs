//! `confluo doc export`.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use confluo_protocol::DocumentName;

use super::{Format, Opened, Workplace, no_such_document, parse_name, print_bytes};

/// Flags of `doc export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The document's name
    #[arg(value_parser = parse_name)]
    name: DocumentName,
    /// The file to write; `-` is standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The encoding of the update. V2 is refused where a map or list holds a `Uint8Array` by itself, and may turn
    /// whole numbers beyond 2^53 in embeds and formats into `BigInt`
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Of a damaged document, write what is left of it
    #[arg(long)]
    salvage: bool,
}

impl Export {
    pub(super) fn run(self, workplace: &Workplace) -> anyhow::Result<ExitCode> {
        let store = &workplace.store;
        let stored = if self.salvage { store.salvage(&self.name) } else { store.load(&self.name) };
        let Opened { mut inspection, problems } = Opened::new(stored?.ok_or_else(|| no_such_document(&self.name))?)?;
        if self.salvage {
            for problem in problems {
                tracing::warn!(document = self.name.as_str(), problem, "left out");
            }
        } else if !problems.is_empty() {
            bail!(
                "document {:?} is damaged: {}; restore a backup, or export what is left with --salvage",
                self.name,
                problems.join("; ")
            );
        }
        let update = match self.format {
            Format::V1 => inspection.encode_v1()?.0,
            Format::V2 => inspection.encode_v2()?,
        };
        if self.file == Path::new("-") {
            ensure!(
                !io::stdout().is_terminal(),
                "an update is not for a terminal; name a file, or redirect the output"
            );
            print_bytes(&update)?;
        } else {
            fs::write(&self.file, &update).with_context(|| format!("cannot write {}", self.file.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
