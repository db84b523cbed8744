//! Accepts sockets and serves HTTP/1 on each, within the bounds of `[http]`.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use confluo_hub::Limit;
use confluo_protocol::ConnectionId;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::{Instrument, debug, debug_span, warn};

use crate::access::{Door, Standing};
use crate::config::HttpConfig;
use crate::documents::Documents;

/// Pause after a failed accept: out of file descriptors it fails at once, again and again.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The answer to a socket beyond the bound, written without reading what it asks.
const OVER_CAPACITY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The answer to a socket of an address that has too many, likewise.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// One accepted socket, an extension of each of its requests. As long as a clone of it lives, the socket counts as one
/// of `http.max_connections`.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Unique in this process.
    pub id: ConnectionId,
    /// The other end of the socket; behind a proxy that is the proxy.
    pub peer: SocketAddr,
    /// What it holds of its address's places. Without a door nothing counts.
    pub standing: Option<Arc<Standing>>,
    _place: Arc<OwnedSemaphorePermit>,
}

/// Serves `router` on `listener` until `shutdown`, then lets running requests end. Upgraded sockets are no longer its
/// concern.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    documents: &Arc<dyn Documents>,
    shutdown: CancellationToken,
) {
    let door = documents.door();
    let limit_reached = |limit| documents.metrics().limit_reached(limit).increment();
    let places = Arc::new(Semaphore::new(config.max_connections as usize));
    let http = connection_builder(config);
    let connections = TaskTracker::new();
    let last_id = AtomicU64::new(0);
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                handle_accept_error(&error).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            debug!(%peer, "refused a connection: http.max_connections is reached");
            limit_reached(Limit::Connections);
            let _ = stream.try_write(OVER_CAPACITY);
            continue;
        };
        let standing = match arrive(door.as_deref(), peer) {
            Ok(standing) => standing,
            Err(limit) => {
                limit_reached(limit);
                let _ = stream.try_write(TOO_MANY);
                continue;
            }
        };
        let id = ConnectionId(last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let connection = Connection { id, peer, standing, _place: Arc::new(place) };
        let span = debug_span!("connection", connection = id.0, %peer);
        connections.spawn(
            serve_connection(http.clone(), stream, connection, router.clone(), shutdown.clone()).instrument(span),
        );
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn arrive(door: Option<&Door>, peer: SocketAddr) -> Result<Option<Arc<Standing>>, Limit> {
    door.map(|door| door.arrive(peer.ip()).map(Arc::new)).transpose()
}

fn connection_builder(config: &HttpConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_read_timeout)
        .max_header_size(config.max_header_bytes.as_usize())
        .max_buf_size(config.max_header_bytes.as_usize())
        .max_headers(config.max_headers as usize);
    http
}

async fn serve_connection(
    http: http1::Builder,
    stream: TcpStream,
    connection: Connection,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the socket was gone before it was served");
        return;
    }
    let service = hyper::service::service_fn(|request| respond(router.clone(), connection.clone(), request));
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!(error = &error as &dyn std::error::Error, "the connection ended early");
    }
}

fn respond(
    mut router: Router,
    connection: Connection,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    request.extensions_mut().insert(connection);
    router.call(request)
}

async fn handle_accept_error(error: &io::Error) {
    let peers_fault =
        [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused];
    if !peers_fault.contains(&error.kind()) {
        warn!(%error, "cannot accept connections; is the limit of open files too low?");
        tokio::time::sleep(ACCEPT_RETRY).await;
    }
}
