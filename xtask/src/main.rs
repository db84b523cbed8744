//! `cargo xtask serve | test | app | crash | cuts | faults | sim | fuzz | hostile | autobahn`: what needs more than one tool.

mod app;
mod chromium;
mod long;
mod node;
mod process;
mod serve;
mod suites;
mod tally;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask serve [-- FLAGS]     build the app and the server, serve on http://localhost:8787 with ./confluo-data
cargo xtask test [SUITE…]        run suites; without names, all of them
    fast                         format, lint, rust, fixtures, app
    all                          format, lint, rust, fixtures, app, interop, hostile, browser
    format lint rust fixtures app interop hostile browser
cargo xtask app                  build the browser app into client-web/dist, compressed, for the next build of the server
cargo xtask crash [N] [ENGINE]   kill a server under load N times (200), on sled or redb, or both
cargo xtask cuts [N] [ENGINE]    cut the power N times (200) under sled or redb, or both (root, Linux)
cargo xtask faults [SECONDS]     let each fault of the network last so long (60)
cargo xtask sim [N]              simulate N seeds (100,000)
cargo xtask fuzz [N]             mutate the bytes of everything that reads some N times (1,000,000)
cargo xtask hostile [N]          send N mutated updates (100,000) and compare Yjs with the server
cargo xtask autobahn             run Autobahn's test suite of WebSocket servers (Python 2.7, named in PYTHON2)";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool on the command line talks to its terminal")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "serve" => serve::serve(&rest),
        "test" => suites::test(&rest),
        "app" => app::build().map(|()| true),
        "crash" => long::crash(&rest),
        "cuts" => long::cuts(&rest),
        "faults" => long::faults(&rest),
        "sim" => long::sim(&rest),
        "fuzz" => long::fuzz(&rest),
        "hostile" => long::hostile(&rest),
        "autobahn" => long::autobahn(),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        unknown => Err(anyhow::anyhow!("there is no command {unknown}\n{USAGE}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
