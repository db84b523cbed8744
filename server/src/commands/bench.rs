//! `confluo bench`: measures this server or any other that speaks y-websocket, by its address.

mod compare;
mod fill;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use confluo_bench::{
    BenchError, Dialect, MetricsAddress, ProcessId, Progress, Report, Target, Workload, churn::ChurnConfig,
    fanout::FanoutConfig, floor::Floor, flush, flush::FlushConfig, idle::IdleConfig, join::JoinConfig,
    leave::LeaveConfig, open::OpenConfig, plot, presence::PresenceConfig, replay::ReplayConfig, slow::SlowConfig,
};

/// Measure a y-websocket server: what it carries, how fast, at what cost, and whether it loses anything.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Writers write, everybody receives.
    Fanout {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        load: FanoutArgs,
        /// Repeat at each of these rates (a second and writer) and draw latency over load into this SVG file.
        #[arg(long, value_name = "FILE", requires = "rates")]
        plot: Option<PathBuf>,
        /// The rates for --plot, with commas between.
        #[arg(long, value_delimiter = ',')]
        rates: Vec<f64>,
    },
    /// Everybody moves a cursor.
    Presence {
        #[command(flatten)]
        target: TargetArgs,
        /// Clients in the one room.
        #[arg(long, default_value_t = 200)]
        clients: usize,
        /// States a second of each.
        #[arg(long, default_value_t = 5.0)]
        rate: f64,
        /// Don't send back what was received, as stock clients do.
        #[arg(long)]
        no_relay: bool,
        /// Seconds of measurement.
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
    },
    /// Connections that say nothing: memory and CPU of each.
    Idle {
        #[command(flatten)]
        target: TargetArgs,
        /// Connections in all; mind `ulimit -n` here and at the server.
        #[arg(long, default_value_t = 2_000)]
        connections: usize,
        /// Documents over which they are spread.
        #[arg(long, default_value_t = 500)]
        rooms: usize,
        /// Seconds for which they idle.
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
    },
    /// Many clients open one big document at the same moment.
    Join {
        #[command(flatten)]
        target: TargetArgs,
        /// Clients that join at once.
        #[arg(long, default_value_t = 200)]
        clients: usize,
        /// The size of the document's text, in bytes.
        #[arg(long, default_value_t = 20 << 20)]
        document_bytes: usize,
        /// Seconds within which all must have it.
        #[arg(long, default_value_t = 120)]
        timeout_seconds: u64,
    },
    /// A recorded editing session, keystroke by keystroke.
    Replay {
        #[command(flatten)]
        target: TargetArgs,
        /// A recording of the collection josephg/editing-traces, gzip-compressed or not.
        #[arg(long)]
        trace: PathBuf,
        /// How many updates may be on the way.
        #[arg(long, default_value_t = 1024)]
        window: usize,
    },
    /// Clients that come, edit once, and leave.
    Churn {
        #[command(flatten)]
        target: TargetArgs,
        /// Clients that are on a visit at any time.
        #[arg(long, default_value_t = 50)]
        visitors: usize,
        /// Documents that they visit in turn.
        #[arg(long, default_value_t = 200)]
        rooms: usize,
        /// Seconds of measurement.
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
        /// Seconds that the server gets afterwards to let go.
        #[arg(long, default_value_t = 10.0)]
        settle_seconds: f64,
    },
    /// One reader stops reading while the others go on.
    Slow {
        #[command(flatten)]
        target: TargetArgs,
        /// Clients in the one room.
        #[arg(long, default_value_t = 100)]
        clients: usize,
        /// How many of them write.
        #[arg(long, default_value_t = 5)]
        writers: usize,
        /// Updates a second of each writer; without it, as fast as it goes.
        #[arg(long)]
        rate: Option<f64>,
        /// As fast as it goes: how many updates of its own a writer may have on the way.
        #[arg(long, default_value_t = 64)]
        window: u32,
        /// Seconds before the reader stops, and after it reads again.
        #[arg(long, default_value_t = 10.0)]
        around_seconds: f64,
        /// Seconds for which it does not read.
        #[arg(long, default_value_t = 60.0)]
        stop_seconds: f64,
    },
    /// Everybody comes, edits and leaves: what the server still holds afterwards.
    Leave {
        #[command(flatten)]
        target: TargetArgs,
        /// Documents.
        #[arg(long, default_value_t = 500)]
        rooms: usize,
        /// Clients in each; all write.
        #[arg(long, default_value_t = 4)]
        clients: usize,
        /// Updates a second of each.
        #[arg(long, default_value_t = 2.0)]
        rate: f64,
        /// Seconds for which they write.
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// How often they come and leave, the first times included.
        #[arg(long, default_value_t = 3)]
        times: usize,
        /// What is held after this many of them is what later times are compared with.
        #[arg(long, default_value_t = 1)]
        first_times: usize,
        /// The most seconds that the server gets to let go of what it held.
        #[arg(long, default_value_t = 60.0)]
        settle_seconds: f64,
    },
    /// Stored documents are opened, one after another: how long until a client has one.
    Open {
        #[command(flatten)]
        target: TargetArgs,
        /// How many documents there are.
        #[arg(long, default_value_t = 100_000)]
        documents: usize,
        /// How many of them are opened.
        #[arg(long, default_value_t = 100)]
        openings: usize,
        /// What their names begin with; a hyphen and a number follow.
        #[arg(long, default_value = "filled")]
        rooms: String,
    },
    /// Put many documents of one size into an empty store, for `open`.
    Fill(fill::FillArgs),
    /// Be the relay that does nothing, to compare with. Ends with the process.
    Floor {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8788")]
        listen: String,
    },
    /// Write and flush at a pace, with no server: what the disk alone takes of a durable latency.
    Flush {
        /// Where to write.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        to: PathBuf,
        /// Records a second.
        #[arg(long, default_value_t = 100.0)]
        rate: f64,
        /// The size of each.
        #[arg(long, default_value_t = 200)]
        bytes: usize,
        /// Seconds of measurement.
        #[arg(long, default_value_t = 15.0)]
        seconds: f64,
        /// Print JSON instead of Markdown.
        #[arg(long)]
        json: bool,
    },
    /// Measure a list of servers in turn, one CPU for the server and another for this tool.
    Compare(compare::CompareArgs),
}

/// What is measured.
#[derive(Debug, Args)]
struct TargetArgs {
    /// The server's address, with {room} where the document's name goes.
    #[arg(long, default_value = "ws://127.0.0.1:8787/sync/{room}")]
    url: String,
    /// What it speaks: y-websocket, hocuspocus, or relay (it keeps nothing).
    #[arg(long, default_value = "y-websocket")]
    dialect: Dialect,
    /// Its process id, to measure CPU time and memory (Linux, same machine).
    #[arg(long)]
    pid: Option<u32>,
    /// Where a Confluo server tells its metrics, for the time of a flush and what is held.
    #[arg(long, value_name = "http://HOST:PORT/metrics")]
    metrics: Option<String>,
    /// Print JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FanoutArgs {
    /// Documents.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Clients in each.
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// How many of them write.
    #[arg(long, default_value_t = 5)]
    writers: usize,
    /// Updates a second of each writer; without it, as fast as it goes.
    #[arg(long)]
    rate: Option<f64>,
    /// As fast as it goes: how many updates of its own a writer may have on the way.
    #[arg(long, default_value_t = 64)]
    window: u32,
    /// Seconds before the measurement.
    #[arg(long, default_value_t = 1.0)]
    warmup_seconds: f64,
    /// Seconds of measurement.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

impl BenchArgs {
    /// Runs the mode to its end; a measurement that is not complete is an error, after it was printed.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.mode.run().map(|()| ExitCode::SUCCESS)
    }
}

impl Mode {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Mode::Fanout { target, load, plot: Some(file), rates } => plot_fanout(&target, &load, &file, &rates),
            Mode::Fanout { target, load, .. } => measure(&target, &Workload::Fanout(load.config(load.rate))),
            Mode::Presence { target, clients, rate, no_relay, seconds } => {
                measure(&target, &Workload::Presence(PresenceConfig { clients, rate, relay: !no_relay, seconds }))
            }
            Mode::Idle { target, connections, rooms, seconds } => {
                measure(&target, &Workload::Idle(IdleConfig { connections, rooms, seconds }))
            }
            Mode::Join { target, clients, document_bytes, timeout_seconds } => {
                measure(&target, &Workload::Join(JoinConfig { clients, document_bytes, timeout_seconds }))
            }
            Mode::Replay { target, trace, window } => {
                measure(&target, &Workload::Replay(ReplayConfig { trace, window }))
            }
            Mode::Churn { target, visitors, rooms, seconds, settle_seconds } => {
                measure(&target, &Workload::Churn(ChurnConfig { visitors, rooms, seconds, settle_seconds }))
            }
            Mode::Slow { target, clients, writers, rate, window, around_seconds, stop_seconds } => {
                let config = SlowConfig { clients, writers, rate, window, around_seconds, stop_seconds };
                measure(&target, &Workload::Slow(config))
            }
            Mode::Leave { target, rooms, clients, rate, seconds, times, first_times, settle_seconds } => {
                let visit = LeaveConfig { rooms, clients, rate, seconds, ..LeaveConfig::default() };
                let config = LeaveConfig { times, first_times, settle_seconds, ..visit };
                measure(&target, &Workload::Leave(config))
            }
            Mode::Open { target, documents, openings, rooms } => {
                let workload = Workload::Open(OpenConfig { documents, openings });
                let report = workload.run_blocking(&target.target()?.in_rooms(Some(rooms)), &progress())?;
                finish(&target, &report)
            }
            Mode::Fill(fill) => fill.run(),
            Mode::Floor { listen } => serve_floor(&listen),
            Mode::Flush { to, rate, bytes, seconds, json } => {
                let report = flush::run(&FlushConfig { rate, bytes, seconds }, &to, &progress())?;
                print_report(&report, json)
            }
            Mode::Compare(compare) => compare.run(),
        }
    }
}

impl TargetArgs {
    fn target(&self) -> Result<Target, BenchError> {
        let metrics = self.metrics.as_deref().map(MetricsAddress::new).transpose()?;
        Ok(Target::new(&self.url, self.dialect, self.pid.map(ProcessId))?.with_metrics(metrics))
    }
}

impl FanoutArgs {
    fn config(&self, rate: Option<f64>) -> FanoutConfig {
        FanoutConfig {
            rooms: self.rooms,
            clients: self.clients,
            writers: self.writers,
            rate,
            window: self.window,
            warmup_seconds: self.warmup_seconds,
            seconds: self.seconds,
        }
    }
}

fn measure(target: &TargetArgs, workload: &Workload) -> anyhow::Result<()> {
    let report = workload.run_blocking(&target.target()?, &progress())?;
    finish(target, &report)
}

fn finish(target: &TargetArgs, report: &Report) -> anyhow::Result<()> {
    print_report(report, target.json)?;
    anyhow::ensure!(report.complete, "not everything arrived everywhere; the figures say nothing about speed");
    Ok(())
}

fn print_report(report: &Report, json: bool) -> anyhow::Result<()> {
    print(&if json { report.to_json() + "\n" } else { report.to_markdown() })
}

fn plot_fanout(target: &TargetArgs, load: &FanoutArgs, file: &std::path::Path, rates: &[f64]) -> anyhow::Result<()> {
    let mut reports = Vec::with_capacity(rates.len());
    for rate in rates {
        let workload = Workload::Fanout(load.config(Some(*rate)));
        let report = workload.run_blocking(&target.target()?, &progress())?;
        finish(target, &report)?;
        reports.push(report);
    }
    let svg = plot::latency_over_load("Latency over load", &[(target.url.as_str(), reports.as_slice())]);
    std::fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))
}

fn serve_floor(listen: &str) -> anyhow::Result<()> {
    // As the server itself: one worker for each CPU that the process may use.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let floor = Floor::bind(listen).await?;
        print(&format!("the floor listens on ws://{}/{{room}}\n", floor.address()?))?;
        floor.run().await.map_err(anyhow::Error::from)
    })
}

/// Progress goes to the terminal's other stream, so that the table can be redirected.
fn progress() -> Progress {
    Progress::new(|line| {
        // A closed terminal is no reason to stop measuring.
        let _ = writeln!(std::io::stderr(), "{line}");
    })
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
