//! `cargo xtask serve`: from a fresh clone to a running server.

use std::os::unix::process::CommandExt;
use std::path::Path;

use anyhow::Context;

use crate::process::{cargo, program, root, run, say};
use crate::{app, node};

/// Builds what can be built and becomes the server. `flags` go to `confluo serve`.
pub(crate) fn serve(flags: &[String]) -> anyhow::Result<bool> {
    if let Err(error) = node::check() {
        say(&format!("{error}; serving documents without the app"));
    } else {
        app::build()?;
    }
    run(cargo().args(["build", "--release", "--package", "confluo"]))?;
    let flags = flags.iter().filter(|flag| *flag != "--");
    let mut server = program(target_folder().join("release/confluo"));
    server.arg("serve").args(flags);
    say("http://localhost:8787 unless the configuration says otherwise; Ctrl-C stops it");
    // Becoming the server, not starting it: signals then reach it without a go-between.
    let error = server.exec();
    Err(error).context("cannot run the server that was just built")
}

/// Where Cargo puts what it builds.
pub(crate) fn target_folder() -> std::path::PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR");
    root().join(chosen.as_deref().map_or(Path::new("target"), Path::new))
}
