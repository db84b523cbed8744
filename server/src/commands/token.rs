//! `confluo token`: a token for development and scripts.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use confluo_auth::{Algorithm, Grants, MintRequest, SigningKey, UnixTime, mint};
use confluo_hub::Clock;
use confluo_protocol::Access;

use crate::cli::ConfigArgs;

/// Flags of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The user
    #[arg(long, default_value = "developer")]
    user: String,
    /// A name to show
    #[arg(long)]
    name: Option<String>,
    /// A colour to show
    #[arg(long)]
    colour: Option<String>,
    /// A document, a prefix such as "team/*", or "*", that it may read; may be repeated
    #[arg(long, value_name = "PATTERN")]
    read: Vec<String>,
    /// A document, a prefix such as "team/*", or "*", that it may read and write; may be repeated
    #[arg(long, value_name = "PATTERN")]
    write: Vec<String>,
    /// Give it the admin role
    #[arg(long)]
    admin: bool,
    /// How long it is good for
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    lifetime: Duration,
    /// The key of auth.keys to sign with; by default the first that has a secret
    #[arg(long)]
    kid: Option<String>,
    /// Sign with this private key in PEM instead
    #[arg(long, value_name = "FILE", requires = "algorithm")]
    private_key_file: Option<PathBuf>,
    /// The algorithm of --private-key-file, such as ES256
    #[arg(long, requires = "private_key_file")]
    algorithm: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl TokenArgs {
    /// Prints the token and nothing else.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?.config.auth;
        let kid = self.kid.as_deref();
        let key = match (&self.private_key_file, &self.algorithm) {
            (Some(file), Some(name)) => {
                let pem = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                let algorithm = Algorithm::from_name(name).with_context(|| format!("there is no algorithm {name}"))?;
                SigningKey::from_private_pem(kid, algorithm, &pem)?
            }
            _ => config.signing_key(kid, |path| std::fs::read(path))?,
        };
        let pairs = |patterns: &'_ [String], access: Access| {
            patterns.iter().map(|pattern| (pattern.clone(), access)).collect::<Vec<_>>()
        };
        let grants = [pairs(&self.read, Access::Read), pairs(&self.write, Access::Write)].concat();
        let grants = Grants::from_pairs(grants.iter().map(|(pattern, access)| (pattern.as_str(), *access)))?;
        let request = MintRequest {
            user: self.user,
            display_name: self.name,
            colour: self.colour,
            grants: Some(grants).filter(|grants| !grants.is_empty()),
            is_admin: self.admin,
            lifetime: self.lifetime,
            token_id: Some(format!("{:032x}", rand::random::<u128>())),
        };
        let token = mint(&config, &key, &request, UnixTime::from(Clock.wall()))?;
        writeln!(io::stdout(), "{}", token.reveal())?;
        Ok(ExitCode::SUCCESS)
    }
}
