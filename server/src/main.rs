//! Sync server for collaborative documents: Yjs over WebSockets, durable before visible.

use std::process::ExitCode;

use clap::Parser;
use confluo::cli::Cli;
use confluo_store::StoreError;

/// Of a store that no further try would open: `EX_DATAERR` of sysexits.h.
const UNUSABLE_STORE: u8 = 65;

#[expect(clippy::print_stderr, reason = "an error that ends the process is for whoever started it, logger or not")]
fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("confluo: {error:#}");
            exit_code(&error)
        }
    }
}

/// A supervisor should not start it again and again over a store that stays as it is.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_unusable = |error: &StoreError| {
        matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. } | StoreError::Newer { .. })
    };
    let unusable = error.chain().filter_map(|cause| cause.downcast_ref()).any(is_unusable);
    if unusable { ExitCode::from(UNUSABLE_STORE) } else { ExitCode::FAILURE }
}
