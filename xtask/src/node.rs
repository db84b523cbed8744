//! Node and npm: whether they are here, and packages installed as the lock file says.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::process::{output_of, program, run, say};

/// The oldest major version that the app and the tests in JavaScript run on.
const OLDEST_NODE: u32 = 20;

/// An error that says what to install, if Node or npm is missing or too old.
pub(crate) fn check() -> anyhow::Result<()> {
    let Some(version) = output_of(program("node").arg("--version")) else {
        bail!("Node is missing: install Node {OLDEST_NODE} or newer (https://nodejs.org)");
    };
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        bail!("Node {version} is too old: install Node {OLDEST_NODE} or newer (https://nodejs.org)");
    }
    if output_of(program("npm").arg("--version")).is_none() {
        bail!("npm is missing, although Node {version} is here: install npm");
    }
    Ok(())
}

/// `npm ci` in `folder`, unless what is installed was installed from this very lock file.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    let lock_path = folder.join("package-lock.json");
    let lock = fs::read(&lock_path).with_context(|| format!("cannot read {}", lock_path.display()))?;
    let stamp = folder.join("node_modules/.installed-from-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        say(&format!("packages of {} are installed", folder.display()));
        return Ok(());
    }
    run(program("npm").current_dir(folder).args(["ci", "--no-audit", "--no-fund"]))?;
    fs::create_dir_all(folder.join("node_modules"))?;
    fs::write(stamp, lock).context("cannot note what was installed")
}
