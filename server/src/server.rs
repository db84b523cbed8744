//! One running server: the HTTP side and the documents behind it, from a listener to a clean end.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Config;
use crate::documents::{Documents, Drained};
use crate::http::{self, AppState, Listener};

/// Serves on `listener` until `shutdown`, then drains: no new connections, sessions told and closed, everything on disk.
/// The caller chooses the port and bounds how long the end may take. Returns whether everything is.
pub async fn run(
    listener: impl Into<Listener>,
    config: Arc<Config>,
    documents: Arc<dyn Documents>,
    shutdown: CancellationToken,
) -> Drained {
    let state = AppState { config: Arc::clone(&config), documents: Arc::clone(&documents) };
    let serving = http::serve(listener.into(), http::router(state), &config.http, &documents, shutdown.clone());
    let draining = async {
        shutdown.cancelled().await;
        documents.drain().await
    };
    let ((), drained) = tokio::join!(serving, draining);
    match drained {
        Drained::OnDisk => info!("stopped; everything is on disk"),
        Drained::Unwritten { detail } => error!(
            detail,
            "stopped, and the store was out of service: what was not acknowledged is not on disk; clients that still have it \
             bring it back when the store works again"
        ),
    }
    drained
}
