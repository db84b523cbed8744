//! The browser of the browser suite.

use std::path::Path;

use anyhow::bail;

use crate::process::{output_of, program, run, say};

const CHROMIUM: &str = "/usr/bin/chromium";

/// Makes sure that Chromium is here: installs Debian's as root, and says how to otherwise.
pub(crate) fn ensure() -> anyhow::Result<()> {
    if Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    let install = ["install", "--yes", "--no-install-recommends", "chromium"];
    if output_of(program("id").arg("-u")).as_deref() != Some("0") {
        bail!("{CHROMIUM} is missing; install it: sudo apt-get {}", install.join(" "));
    }
    say("installing Chromium");
    run(program("apt-get").arg("update"))?;
    run(program("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(install))
}
