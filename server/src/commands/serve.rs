//! `confluo serve`: the server itself.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use confluo_hub::Hub;
use confluo_store::folder;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::access::Door;
use crate::cli::ConfigArgs;
use crate::config::Config;
use crate::documents::{Documents, LiveDocuments};
use crate::http::Listener;
use crate::signals::{Hangups, Stop, StopSignals};
use crate::tls::Tls;
use crate::{open_files, secret_files, server, store, telemetry};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    /// Serves until a signal. The exit code is 0 after a clean stop.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let loaded = self.config.load()?;
        telemetry::install(&loaded.config.log)?;
        secret_files::warn_of_readable(&loaded);
        let mut config = loaded.config;
        config.http.max_connections = open_files::raise_limit(config.http.max_connections);
        let runtime = build_runtime(&config)?;
        let stop = runtime.block_on(serve(Arc::new(config)));
        // Not `drop`: after a stop that was not clean something may still block a thread.
        runtime.shutdown_background();
        Ok(match stop? {
            Stop::Clean => ExitCode::SUCCESS,
            Stop::Unwritten | Stop::TimedOut | Stop::Forced => ExitCode::FAILURE,
        })
    }
}

fn build_runtime(config: &Config) -> anyhow::Result<Runtime> {
    let mut builder = runtime::Builder::new_multi_thread();
    if config.server.workers > 0 {
        builder.worker_threads(config.server.workers as usize);
    }
    builder.enable_all().thread_name("confluo").build().context("cannot start the runtime")
}

/// Documents are for the server's user alone, whatever its umask. A folder that is there keeps its mode.
fn make_data_folder(folder: &Path) -> anyhow::Result<()> {
    folder::make(folder).with_context(|| {
        let folder = folder.display();
        format!("cannot make the data folder {folder}; choose another with --data-dir or server.data_dir")
    })
}

fn why_not_listen(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there",
        io::ErrorKind::PermissionDenied => "this user may not; ports below 1024 need CAP_NET_BIND_SERVICE, or a proxy",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses",
    }
}

async fn serve(config: Arc<Config>) -> anyhow::Result<Stop> {
    let signals = StopSignals::listen().context("cannot listen for signals")?;
    let hangups = Hangups::listen().context("cannot listen for SIGHUP")?;
    make_data_folder(&config.server.data_dir)?;
    secret_files::warn_of_open_folder(&config.server.data_dir);
    let tls = Tls::open(&config.tls).context("cannot use the certificate of [tls]")?;
    // Before the door, whose revocations and audit log lie in the same folder: a second process must not touch them.
    let store = store::open(&config)?;
    let door = Door::open(&config).context("cannot open the door that [auth] and [audit] describe")?;
    let hub = Hub::start(config.hub(), store).context("cannot start the committer's thread")?;
    let closing = hub.clone();
    let documents = LiveDocuments::new(
        hub,
        Arc::new(door),
        config.socket_limits(),
        config.limits.max_inbound_bytes.as_usize(),
        config.shutdown.window,
    );
    let documents: Arc<dyn Documents> = Arc::new(documents);
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = why_not_listen(&error);
        anyhow::Error::new(error)
            .context(format!("cannot listen on {address}: {hint}; choose another with --listen or server.listen"))
    })?;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(%address, data_dir = %config.server.data_dir.display(), version = env!("CARGO_PKG_VERSION"), "serving on {scheme}://{address}");
    let shutdown = CancellationToken::new();
    let timeout = config.shutdown.timeout;
    let reads_certificates = tls.is_some();
    let serving = server::run(Listener::new(listener, tls), config, documents, shutdown.clone());
    let serving = async {
        let drained = tokio::select! {
            drained = serving => drained,
            never = hangups.ignore(), if !reads_certificates => match never {},
        };
        // Nothing is lost without it, but the next start would find the files as after a crash.
        let _ = tokio::task::spawn_blocking(|| closing.join_committer()).await;
        drained
    };
    Ok(signals.stop_at(serving, &shutdown, timeout).await)
}
