//! `cargo xtask test`: every suite, what it needs, and what came out.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::process::{cargo, program, root, run, run_watched, say};
use crate::tally::Tally;
use crate::{app, chromium, node, serve};

/// One thing that can pass or fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    Format,
    Lint,
    Rust,
    Fixtures,
    App,
    Interop,
    Hostile,
    Browser,
}

impl Suite {
    const ALL: [Self; 8] =
        [Self::Format, Self::Lint, Self::Rust, Self::Fixtures, Self::App, Self::Interop, Self::Hostile, Self::Browser];
    const FAST: [Self; 5] = [Self::Format, Self::Lint, Self::Rust, Self::Fixtures, Self::App];

    fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Lint => "lint",
            Self::Rust => "rust",
            Self::Fixtures => "fixtures",
            Self::App => "app",
            Self::Interop => "interop",
            Self::Hostile => "hostile",
            Self::Browser => "browser",
        }
    }

    /// Where it runs.
    fn folder(self) -> PathBuf {
        match self {
            Self::Format | Self::Lint | Self::Rust => root(),
            Self::Fixtures => root().join("fixtures/make"),
            Self::App => app::folder(),
            Self::Interop => root().join("tests/interop"),
            Self::Hostile => root().join("tests/hostile"),
            Self::Browser => root().join("tests/browser"),
        }
    }

    fn run(self) -> anyhow::Result<Tally> {
        match self {
            Self::Format => step(cargo().args(["fmt", "--all", "--check"])),
            Self::Lint => {
                let clippy =
                    step(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
                Ok(sum([clippy, fuzzer()?, deny()?]))
            }
            Self::Rust => tests(cargo().args(["test", "--workspace", "--no-fail-fast"])),
            // That the JavaScript reference still writes what Rust is held to.
            Self::Fixtures => {
                node::check()?;
                node::install(&self.folder())?;
                step(npm(self).args(["run", "check"]))
            }
            Self::App => {
                node::check()?;
                node::install(&self.folder())?;
                let check = step(npm(self).args(["run", "check"]))?;
                let test = tests(npm(self).arg("test"))?;
                let build = step(npm(self).args(["run", "build"]))?;
                if build.failed == 0 {
                    app::compress()?;
                }
                Ok(sum([check, test, build]))
            }
            Self::Interop => {
                node::check()?;
                node::install(&self.folder())?;
                tests(npm(self).arg("test").env("CONFLUO_BINARY", build_server()?))
            }
            Self::Hostile => {
                node::check()?;
                node::install(&self.folder())?;
                tests(npm(self).arg("test"))
            }
            Self::Browser => {
                node::check()?;
                chromium::ensure()?;
                app::build()?;
                node::install(&self.folder())?;
                tests(npm(self).arg("test").env("CONFLUO_BINARY", build_server()?))
            }
        }
    }
}

/// Runs the suites that `names` choose; true if nothing failed.
pub(crate) fn test(names: &[String]) -> anyhow::Result<bool> {
    let mut lines = Vec::new();
    let mut total = Tally::default();
    for suite in chosen(names)? {
        say(&format!("\n── {}", suite.name()));
        let tally = suite.run().unwrap_or_else(|error| {
            say(&format!("{} could not be run: {error:#}", suite.name()));
            Tally { failed: 1, ..Tally::default() }
        });
        lines.push(format!("{:8} {tally}", suite.name()));
        total = sum([total, tally]);
    }
    say("\n── summary");
    for line in lines {
        say(&line);
    }
    say(&format!("total    {total}"));
    Ok(total.failed == 0)
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => suites.extend(Suite::ALL),
            "fast" => suites.extend(Suite::FAST),
            name => match Suite::ALL.into_iter().find(|suite| suite.name() == name) {
                Some(suite) => suites.push(suite),
                None => {
                    bail!("there is no suite {name}; there are: fast, all, {}", Suite::ALL.map(Suite::name).join(", "))
                }
            },
        }
    }
    if suites.is_empty() {
        suites.extend(Suite::ALL);
    }
    Ok(suites)
}

fn npm(suite: Suite) -> Command {
    let mut npm = program("npm");
    npm.current_dir(suite.folder()).env("CI", "true");
    npm
}

/// The fuzzer's binaries, which are no part of the workspace. Nothing is linked, so no C++ compiler is needed.
fn fuzzer() -> anyhow::Result<Tally> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--manifest-path", "fuzz/Cargo.toml", "--locked", "--no-default-features"]);
    step(clippy.arg("--target-dir").arg(serve::target_folder()).args(["--", "--deny", "warnings"]))
}

/// Bans, licences, sources and advisories, where somebody installed the tool for it. `tests/tidy` holds licences and sources
/// without it. Where advisories cannot be looked up, the summary says so, and nothing fails.
fn deny() -> anyhow::Result<Tally> {
    if !cargo().args(["deny", "--version"]).output()?.status.success() {
        let not_checked = Some("advisories: NOT CHECKED (`cargo install --locked cargo-deny` brings what that needs)");
        return Ok(Tally { not_checked, ..Tally::default() });
    }
    let held = step(cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]))?;
    if !cargo().args(["deny", "fetch", "db"]).status()?.success() {
        return Ok(Tally { not_checked: Some("advisories: NOT CHECKED (no network)"), ..held });
    }
    Ok(sum([held, step(cargo().args(["deny", "check", "--disable-fetch", "advisories"]))?]))
}

/// The release binary, as users run it.
fn build_server() -> anyhow::Result<PathBuf> {
    run(cargo().args(["build", "--release", "--package", "confluo"]))?;
    Ok(serve::target_folder().join("release/confluo"))
}

/// A command that is one check: it passes or fails as a whole.
fn step(command: &mut Command) -> anyhow::Result<Tally> {
    let succeeded = run_watched(command, |_| {})?;
    Ok(Tally { passed: u64::from(succeeded), failed: u64::from(!succeeded), not_checked: None })
}

/// A test runner: its own count, and a failure of its own where it failed without counting one.
fn tests(command: &mut Command) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let succeeded = run_watched(command, |line| tally.read(line))?;
    if !succeeded && tally.failed == 0 {
        tally.failed = 1;
    }
    if succeeded && tally.passed == 0 {
        bail!("the runner succeeded without a test that passed; nothing was tested");
    }
    Ok(tally)
}

fn sum<const N: usize>(tallies: [Tally; N]) -> Tally {
    tallies.into_iter().fold(Tally::default(), |sum, tally| Tally {
        passed: sum.passed + tally.passed,
        failed: sum.failed + tally.failed,
        not_checked: sum.not_checked.or(tally.not_checked),
    })
}
