//! Micro-benchmarks of what every update passes: `cargo bench -p confluo-bench`, or with `-- codec` and the like a part.
//!
//! With divan: it is one small crate to build, and says items a second, where criterion brings a plotting library along.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod batch;
mod codec;
mod committer;
mod typist;

fn main() {
    divan::main();
}
