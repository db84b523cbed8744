//! `confluo health`: asks a running server how it is, for containers and scripts that have no HTTP client.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::server_certificate::ServerCertificate;
use super::server_request::{Answer, ServerRequest, split_scheme};
use crate::cli::ConfigArgs;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Flags of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask whether the process answers at all, not whether edits can be made durable now
    #[arg(long)]
    live: bool,
    /// The running server, with https:// before it if it speaks TLS itself [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl HealthArgs {
    /// Prints the server's answer; fails unless it is well.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // With an address given no configuration is needed: a probe may have another environment than the server.
        let (server, is_tls) = if let Some(server) = &self.server {
            let (server, is_tls) = split_scheme(server);
            (server.to_owned(), is_tls)
        } else {
            let config = self.config.load()?.config;
            (config.server.listen.to_string(), config.tls.certificate_file.is_some())
        };
        let path = if self.live { "/health/live" } else { "/health/ready" };
        let certificate = is_tls.then_some(ServerCertificate::Any);
        let request = ServerRequest {
            method: "GET",
            path,
            token: None,
            body: "",
            certificate,
            may_leave_in_clear: true,
            patience: PATIENCE,
        };
        let Answer { status, body } = request.send_to(&server)?;
        writeln!(io::stdout(), "{}", body.trim())?;
        Ok(if status == "200" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
