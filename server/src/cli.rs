//! The command line: flags that every command shares, and which command is which.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::commands::Command;
use crate::config::{ConfigLoadError, Layers, LoadedConfig};

const EXAMPLES: &str = "\
Examples:
  confluo serve                                    on 127.0.0.1:8787, with ./confluo-data
  confluo serve --listen 127.0.0.1:9000 --data-dir /var/lib/confluo
  confluo serve --config confluo.toml
  confluo config print --defaults > confluo.toml   every setting with its meaning
  CONFLUO__LOG__FORMAT=json confluo serve          any setting but a list by the environment";

/// Sync server for collaborative documents: Yjs over WebSockets, durable before visible.
#[derive(Debug, Parser)]
#[command(name = "confluo", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.command.run()
    }
}

/// The flags of every command that needs the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML); see `confluo config print --defaults`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Folder of the store, created if missing [default: ./confluo-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
}

impl ConfigArgs {
    /// Defaults ← file ← environment ← flags.
    pub fn load(self) -> Result<LoadedConfig, ConfigLoadError> {
        self.layers().load()
    }

    fn layers(self) -> Layers {
        let mut flags = Vec::new();
        if let Some(listen) = self.listen {
            flags.push(("--listen", "server.listen", listen));
        }
        if let Some(data_dir) = self.data_dir {
            flags.push(("--data-dir", "server.data_dir", data_dir));
        }
        Layers { file: self.config, environment: Layers::process_environment(), flags }
    }
}

/// The flags of a command that works on a data folder, before or after the command's own.
#[derive(Debug, Clone, Default, Args)]
pub struct DataArgs {
    /// Configuration file (TOML) of the server that the data folder belongs to
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Folder of the store [default: ./confluo-data]
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<String>,
}

impl DataArgs {
    /// As [`ConfigArgs::load`], without complaints about settings that only a server has.
    pub fn load(self) -> Result<LoadedConfig, ConfigLoadError> {
        ConfigArgs { config: self.config, listen: None, data_dir: self.data_dir }.layers().load_for_store()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_has_words() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} explains itself", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
