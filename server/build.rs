//! Makes Cargo notice when the browser app was built anew; it runs no other tool.

use std::fs;

/// As Cargo runs build scripts in the folder of their package.
const APP: &str = "../client-web/dist";

fn main() {
    // A watched path that is missing counts as changed in every build. Where the folder cannot be made, that is all.
    let _ = fs::create_dir_all(APP);
    println!("cargo:rerun-if-changed={APP}");
}
