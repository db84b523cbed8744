//! `cargo xtask crash | cuts | faults | sim | fuzz | hostile`: the random suites, for as long as one likes. `cargo xtask autobahn`.

use anyhow::{Context, bail};

use crate::node;
use crate::process::{cargo, output_of, program, root, run};

/// Kills the real server `rounds` times (200), on both engines or the one that is named.
pub(crate) fn crash(arguments: &[String]) -> anyhow::Result<bool> {
    let rounds = count(arguments, 200)?;
    let engine = match arguments.get(1).map(String::as_str) {
        None => "a_kill_at_any_moment",
        Some("sled") => "with_sled",
        Some("redb") => "with_redb",
        Some(other) => bail!("there is no engine {other}; there are: sled, redb"),
    };
    long_test("confluo", "crash", &["--nocapture", engine], "CONFLUO_CRASH_ROUNDS", &rounds.to_string())
}

/// Cuts the power `cuts` times (200) under each engine, or the one that is named.
pub(crate) fn cuts(arguments: &[String]) -> anyhow::Result<bool> {
    let cuts = count(arguments, 200)?;
    let engines = match arguments.get(1).map(String::as_str) {
        None => &["sled", "redb"][..],
        Some("sled") => &["sled"],
        Some("redb") => &["redb"],
        Some(other) => bail!("there is no engine {other}; there are: sled, redb"),
    };
    for engine in engines {
        let package = format!("confluo-store-{engine}");
        let mut command = cargo();
        command.args(["test", "--package", &package, "--test", "power_cut", "--", "--cuts", &cuts.to_string()]);
        run(&mut command)?;
    }
    Ok(true)
}

/// Lets each fault of the network last `seconds` seconds (60), between real clients and the real server.
pub(crate) fn faults(arguments: &[String]) -> anyhow::Result<bool> {
    let seconds = count(arguments, 60)?;
    long_test("confluo-tests", "it", &["--nocapture", "faults::"], "CONFLUO_FAULT_SECONDS", &seconds.to_string())
}

/// Simulates `seeds` seeds (100,000).
pub(crate) fn sim(arguments: &[String]) -> anyhow::Result<bool> {
    let seeds = format!("0..{}", count(arguments, 100_000)?);
    long_test("confluo-tests", "sim", &["--nocapture"], "CONFLUO_SIM_SEEDS", &seeds)
}

/// Mutates bytes for `rounds` rounds (1,000,000), fewer for what is slow.
pub(crate) fn fuzz(arguments: &[String]) -> anyhow::Result<bool> {
    let rounds = count(arguments, 1_000_000)?;
    long_test("confluo-fuzz", "hostile_bytes", &[], "CONFLUO_FUZZ_ROUNDS", &rounds.to_string())
}

/// Sends `mutants` mutated updates (100,000) through the engine, and compares what Yjs and the server then hold.
pub(crate) fn hostile(arguments: &[String]) -> anyhow::Result<bool> {
    let mutants = count(arguments, 100_000)?;
    let folder = root().join("tests/hostile");
    node::check()?;
    node::install(&folder)?;
    run(program("npm").current_dir(folder).args(["test", "--", &mutants.to_string()]))?;
    Ok(true)
}

/// Runs Autobahn's fuzzing client against the echo server of `confluo-ws`.
pub(crate) fn autobahn() -> anyhow::Result<bool> {
    let python = std::env::var_os("PYTHON2").unwrap_or_else(|| "python2.7".into());
    let is_usable = "import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))";
    if output_of(program(&python).args(["-c", is_usable])).is_none() {
        bail!(
            "{} is no Python 2.7 with pip: install one (CPython or PyPy) and a C compiler, and name it in PYTHON2; \
             crates/confluo-ws/autobahn/README.md says why",
            python.display()
        );
    }
    run(&mut program(root().join("crates/confluo-ws/autobahn/run.sh")))?;
    Ok(true)
}

fn count(arguments: &[String], default: u64) -> anyhow::Result<u64> {
    let Some(text) = arguments.first() else { return Ok(default) };
    text.parse().with_context(|| format!("how many: {text} is no number"))
}

fn long_test(package: &str, test: &str, flags: &[&str], setting: &str, value: &str) -> anyhow::Result<bool> {
    let mut command = cargo();
    command.args(["test", "--package", package, "--test", test, "--"]).args(flags);
    run(command.env(setting, value))?;
    Ok(true)
}
