//! Dependencies point down only, and some crates are known to one package alone.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::{check_none, root};

/// Every package with the packages of this workspace that it may stand on. `confluo-testkit` and `confluo-fuzz`
/// are for tests alone.
const ARROWS: &[(&str, &[&str])] = &[
    ("confluo-protocol", &[]),
    ("confluo-ws", &[]),
    ("confluo-auth", &["confluo-protocol"]),
    ("confluo-room", &["confluo-protocol"]),
    ("confluo-store", &["confluo-protocol"]),
    ("confluo-store-sled", &["confluo-protocol", "confluo-store"]),
    ("confluo-store-redb", &["confluo-protocol", "confluo-store"]),
    (
        "confluo-fuzz",
        &[
            "confluo-auth",
            "confluo-protocol",
            "confluo-store",
            "confluo-store-redb",
            "confluo-store-sled",
            "confluo-ws",
        ],
    ),
    ("confluo-hub", &["confluo-protocol", "confluo-room", "confluo-store"]),
    ("confluo-client", &["confluo-protocol", "confluo-ws"]),
    ("confluo-bench", &["confluo-client", "confluo-protocol", "confluo-ws"]),
    (
        "confluo-testkit",
        &["confluo-client", "confluo-hub", "confluo-protocol", "confluo-room", "confluo-store", "confluo-ws"],
    ),
    (
        "confluo",
        &[
            "confluo-auth",
            "confluo-bench",
            "confluo-client",
            "confluo-hub",
            "confluo-protocol",
            "confluo-room",
            "confluo-store",
            "confluo-store-redb",
            "confluo-store-sled",
            "confluo-ws",
        ],
    ),
    ("confluo-tests", &[]),
    ("xtask", &[]),
];

/// An external crate, the only packages whose code may use it, and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("axum", &["confluo"], "HTTP is the server's"),
    ("clap", &["confluo"], "the command line is the server's"),
    ("config", &["confluo"], "the configuration is the server's"),
    ("prometheus-client", &["confluo"], "the hub counts in plain atomics"),
    ("tracing-subscriber", &["confluo"], "only the process installs a logger"),
    ("anyhow", &["confluo", "xtask"], "libraries have typed errors"),
    ("sled", &["confluo-store-sled"], "an engine is known to its store alone"),
    ("redb", &["confluo-store-redb"], "an engine is known to its store alone"),
    ("jsonwebtoken", &["confluo-auth"], "tokens are auth's"),
    (
        "yrs",
        &["confluo-room", "confluo-client", "confluo-testkit", "confluo-fuzz"],
        "a document lives in a room, or in a client",
    ),
];

/// Packages in which a runtime has no business.
const WITHOUT_RUNTIME: &[&str] = &["confluo-protocol", "confluo-room", "confluo-store"];

struct Package {
    name: String,
    manifest: String,
    /// What its code uses, build scripts included and tests not.
    dependencies: Vec<String>,
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"])).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| Package {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]),
            dependencies: dependencies(package),
        })
        .collect()
}

#[test]
fn dependencies_point_down_only() {
    let mut problems = Vec::new();
    for package in packages() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            problems.push(format!("{} has no place in the table of arrows", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_ours = ARROWS.iter().any(|(name, _)| name == dependency);
            if is_ours && !allowed.contains(&dependency.as_str()) {
                problems.push(format!("{} may not stand on {dependency}", package.name));
            }
        }
    }
    check_none("dependencies that point up", &problems);
}

#[test]
fn some_crates_are_known_to_one_package_alone() {
    let mut problems = Vec::new();
    for package in packages() {
        for (name, allowed, reason) in ONLY_IN {
            let used = package.dependencies.iter().any(|dependency| dependency == name);
            if used && !allowed.contains(&package.name.as_str()) {
                problems.push(format!("{} uses {name}, but {reason}", package.name));
            }
        }
        let is_pure = WITHOUT_RUNTIME.contains(&package.name.as_str());
        if is_pure && package.dependencies.iter().any(|dependency| dependency.starts_with("tokio")) {
            problems.push(format!("{} uses tokio, but it has no IO and no clock", package.name));
        }
    }
    check_none("crates used outside their package", &problems);
}

#[test]
fn every_package_takes_the_lints_and_versions_of_the_workspace() {
    let mut problems = Vec::new();
    for package in packages() {
        let manifest = fs::read_to_string(&package.manifest).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!("{}: [lints] workspace = true is missing", package.manifest));
        }
        for key in ["version", "edition", "rust-version", "license"] {
            if !manifest.contains(&format!("\n{key}.workspace = true")) {
                problems.push(format!("{}: {key}.workspace = true is missing", package.manifest));
            }
        }
    }
    check_none("packages with rules of their own", &problems);
}
