//! The browser app: built by npm, compressed, embedded by the next build of the server.

use std::path::PathBuf;

use crate::node;
use crate::process::{program, root, run};

/// Where the app's source is.
pub(crate) fn folder() -> PathBuf {
    root().join("client-web")
}

/// Builds the app into `client-web/dist`, each file with its compressed forms beside it.
pub(crate) fn build() -> anyhow::Result<()> {
    node::check()?;
    node::install(&folder())?;
    run(program("npm").current_dir(folder()).args(["run", "build"]))?;
    compress()
}

/// Writes `.br` and `.gz` beside what compresses.
pub(crate) fn compress() -> anyhow::Result<()> {
    run(program("node").arg("xtask/compress-app.mjs").arg("client-web/dist"))
}
