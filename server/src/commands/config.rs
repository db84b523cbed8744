//! `confluo config print | check`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::access::Door;
use crate::cli::ConfigArgs;
use crate::config::{DEFAULTS, LoadedConfig};
use crate::tls::Tls;

/// Shows or checks the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in effect and where those that are not defaults came from; secrets stay hidden
    Print(Print),
    /// Say whether the configuration can be used, or name every setting that cannot
    Check(Check),
}

/// Flags of `config print`.
#[derive(Debug, Args)]
pub struct Print {
    /// Print the defaults with their documentation instead: a file to start from
    #[arg(long)]
    defaults: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Flags of `config check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    config: ConfigArgs,
}

impl ConfigCommand {
    /// Prints to standard output; fails if the configuration cannot be used.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let text = match self {
            Self::Print(print) if print.defaults => DEFAULTS.to_owned(),
            Self::Print(print) => effective(&print.config.load()?)?,
            Self::Check(check) => {
                let config = check.config.load()?.config;
                Door::check(&config)?;
                Tls::open(&config.tls)?;
                "the configuration can be used\n".to_owned()
            }
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn effective(loaded: &LoadedConfig) -> anyhow::Result<String> {
    let mut text = String::new();
    for (section, settings) in toml::Table::try_from(&loaded.config)? {
        writeln!(text, "[{section}]")?;
        for (key, value) in settings.as_table().into_iter().flatten() {
            let origin = loaded.origin(&format!("{section}.{key}"));
            let origin = origin.map(|origin| format!("  # from {origin}")).unwrap_or_default();
            writeln!(text, "{key} = {value}{origin}")?;
        }
        text.push('\n');
    }
    Ok(text)
}
