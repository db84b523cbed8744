//! Node and npm: whether they are here, and packages installed as the lock file says.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::process::{output_of, program, run, say};

/// The versions that the app's build runs on, in words: as the `engines` of vite.
const VERSIONS: &str = "Node 20.19, or 22.12 or newer";

/// An error that says what to install, if Node or npm is missing or too old.
pub(crate) fn check() -> anyhow::Result<()> {
    let Some(version) = output_of(program("node").arg("--version")) else {
        bail!("Node is missing: install {VERSIONS} (https://nodejs.org)");
    };
    if !is_supported(&version) {
        bail!("Node {version} does not build the app: install {VERSIONS} (https://nodejs.org)");
    }
    if output_of(program("npm").arg("--version")).is_none() {
        bail!("npm is missing, although Node {version} is here: install npm");
    }
    Ok(())
}

/// `version` as Node tells it: `v20.19.4`.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(20), Some(minor)) => minor >= 19,
        (Some(22), Some(minor)) => minor >= 12,
        (Some(major), Some(_)) => major > 22,
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::is_supported;

    #[test]
    fn versions_that_build_the_app() {
        for version in ["v20.19.0", "v20.20.1", "v22.12.0", "v23.0.0", "v24.1.0"] {
            assert!(is_supported(version), "{version}");
        }
        for version in ["v18.20.4", "v20.18.3", "v21.7.0", "v22.11.0", "v22", "", "nightly"] {
            assert!(!is_supported(version), "{version}");
        }
    }
}
