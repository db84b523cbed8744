//! `confluo revoke`: asks a running server to refuse a user's or a token's every use from now on.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use confluo_auth::{Grants, MintRequest, UnixTime, mint};
use confluo_hub::Clock;

use super::server_certificate::ServerCertificate;
use super::server_request::{Answer, ServerRequest, split_scheme};
use crate::cli::ConfigArgs;
use crate::config::Config;
use crate::http::RevocationRequest;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Flags of `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Every token of this user, also those issued later; with --issued-now, those issued until now
    #[arg(long, required_unless_present_any = ["token_id", "issued_now"])]
    user: Option<String>,
    /// One token by its id (the claim jti)
    #[arg(long, value_name = "ID", conflicts_with_all = ["user", "issued_now"])]
    token_id: Option<String>,
    /// The end of that token (the claim exp, in seconds since 1970), after which its revocation is forgotten
    #[arg(long, value_name = "SECONDS", requires = "token_id")]
    expires_at: Option<u64>,
    /// Every token issued until now and auth.leeway later (clocks differ), of everybody or of --user
    #[arg(long)]
    issued_now: bool,
    /// Take the revocation back
    #[arg(long)]
    undo: bool,
    /// A file with an admin token; without it one is minted with a secret of the configuration
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The running server, with https:// before it if it or a proxy speaks TLS [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<String>,
    /// Send the admin token over the network in clear: whoever can listen there can use it
    #[arg(long)]
    without_tls: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl RevokeArgs {
    /// Prints the server's answer; fails if it refused.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?.config;
        let token = match &self.token_file {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                text.with_context(|| format!("cannot read {}", file.display()))?.trim().to_owned()
            }
            None => admin_token(&config).context("cannot mint an admin token; give one with --token-file")?,
        };
        let request = RevocationRequest {
            user: self.user,
            token_id: self.token_id,
            expires_at: self.expires_at.map(UnixTime),
            // Whatever the server takes as issued by now: a clock that is ahead may have issued it.
            issued_until: self.issued_now.then(|| UnixTime::from(Clock.wall()).plus(config.auth.leeway)),
        };
        let listen = config.server.listen.to_string();
        let (server, is_https) = split_scheme(self.server.as_deref().unwrap_or(&listen));
        let certificate = match &config.tls.certificate_file {
            Some(file) => Some(ServerCertificate::in_file(file)?),
            None if is_https => Some(ServerCertificate::of_host(server)?),
            None => None,
        };
        let request = ServerRequest {
            method: if self.undo { "DELETE" } else { "POST" },
            path: "/admin/revocations",
            token: Some(&token),
            body: &serde_json::to_string(&request)?,
            certificate,
            // The server's own address is on this machine.
            may_leave_in_clear: self.without_tls || self.server.is_none(),
            patience: PATIENCE,
        };
        let Answer { status, body } = request.send_to(server)?;
        if status != "200" {
            bail!("the server answered {status}: {}{}", body.trim(), advice(&status));
        }
        writeln!(io::stdout(), "{}", body.trim())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn advice(status: &str) -> &'static str {
    match status {
        // Its own token is among those.
        "401" => {
            "; after --issued-now, tokens that are issued within auth.leeway are refused too: try again when it is over"
        }
        _ => "",
    }
}

fn admin_token(config: &Config) -> anyhow::Result<String> {
    let key = config.auth.signing_key(None, |path| std::fs::read(path))?;
    let request = MintRequest {
        user: "confluo revoke".to_owned(),
        display_name: None,
        colour: None,
        grants: Some(Grants::none()),
        is_admin: true,
        lifetime: Duration::from_secs(60),
        token_id: None,
    };
    Ok(mint(&config.auth, &key, &request, UnixTime::from(Clock.wall()))?.reveal().to_owned())
}
