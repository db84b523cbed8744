//! Sync server for collaborative documents: Yjs over WebSockets, durable before visible.

use std::process::ExitCode;

use clap::Parser;
use confluo::cli::Cli;

#[expect(clippy::print_stderr, reason = "an error that ends the process is for whoever started it, logger or not")]
fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("confluo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
