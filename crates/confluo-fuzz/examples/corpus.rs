//! Writes each target's seeds as files, for the fuzzer to begin with: `cargo run -p confluo-fuzz --example corpus`.
//!
//! They go to `fuzz/corpus/<target>`, or into the folder that is named.

use std::{fs, path::PathBuf};

use confluo_fuzz::TARGETS;

#[allow(clippy::print_stdout, reason = "a program for a terminal")]
fn main() -> std::io::Result<()> {
    let usual = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"));
    let corpus = std::env::args_os().nth(1).map_or(usual, PathBuf::from);
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (place, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{place:04}")), seed)?;
        }
        println!("{}: {} seeds in {}", target.name, seeds.len(), folder.display());
    }
    Ok(())
}
