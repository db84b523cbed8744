//! `confluo health`: asks a running server how it is, for containers and scripts that have no HTTP client.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::server_request::{Answer, ServerRequest};
use crate::cli::ConfigArgs;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Flags of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask whether the process answers at all, not whether edits can be made durable now
    #[arg(long)]
    live: bool,
    /// The running server [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl HealthArgs {
    /// Prints the server's answer; fails unless it is well.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // With an address given no configuration is needed: a probe may have another environment than the server.
        let server = match self.server {
            Some(server) => server,
            None => self.config.load()?.config.server.listen.to_string(),
        };
        let path = if self.live { "/health/live" } else { "/health/ready" };
        let request = ServerRequest { method: "GET", path, token: None, body: "", patience: PATIENCE };
        let Answer { status, body } = request.send_to(&server)?;
        writeln!(io::stdout(), "{}", body.trim())?;
        Ok(if status == "200" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
