//! What the binary can be asked to do: one file a command, one line here.

mod bench;
mod config;
mod doc;
mod health;
mod revoke;
mod serve;
mod server_certificate;
mod server_request;
mod store;
mod token;

use std::process::ExitCode;

use clap::Subcommand;

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve documents until SIGINT or SIGTERM
    Serve(serve::Serve),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List, show, export, import, delete or verify documents in the data folder of a stopped server
    Doc(doc::Doc),
    /// Copy a whole store to another engine or folder, salvage one that does not open, or acknowledge what it has lost
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Ask a running server whether it is ready; the exit status is 1 if it is not
    Health(health::HealthArgs),
    /// Revoke a user, a token, or all issued until now, on a running server; live sessions end at once
    Revoke(revoke::RevokeArgs),
    /// Mint a token with a key of [auth], for development and scripts; prints only the token
    Token(token::TokenArgs),
    /// Measure a y-websocket server: what it carries, how fast, at what cost, and whether it loses anything
    Bench(bench::BenchArgs),
}

impl Command {
    /// Does what was asked. An error is for the reader; an exit code other than success was explained already.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Config(config) => config.run(),
            Self::Doc(doc) => doc.run(),
            Self::Store(store) => store.run(),
            Self::Health(health) => health.run(),
            Self::Revoke(revoke) => revoke.run(),
            Self::Token(token) => token.run(),
            Self::Bench(bench) => bench.run(),
        }
    }
}
