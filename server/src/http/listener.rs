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
use confluo_hub::{HubMetrics, Limit};
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

use super::patient_stream::AnswerNotRead;
use super::{ClientStream, PatientStream};
use crate::access::{Door, Standing};
use crate::config::HttpConfig;
use crate::documents::Documents;
use crate::tls::{HandshakeError, Tls};

/// Pause after a failed accept: out of file descriptors it fails at once, again and again.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Time for what is still being asked or answered when the server stops. Whoever sends half a request must not hold up its end.
const LAST_ANSWER: Duration = Duration::from_secs(2);

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

/// Where clients arrive.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Listener {
    /// Clients speak TLS if there is any, and plain HTTP if not.
    pub fn new(tcp: TcpListener, tls: Option<Tls>) -> Self {
        Self { tcp, tls: tls.map(Arc::new) }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, None)
    }
}

/// Serves `router` on `listener` until `shutdown`, then lets running requests end, for a moment. Upgraded sockets are no longer its
/// concern.
pub async fn serve(
    listener: Listener,
    router: Router,
    config: &HttpConfig,
    documents: &Arc<dyn Documents>,
    shutdown: CancellationToken,
) {
    let door = documents.door();
    let cut_off = |limit| {
        documents.metrics().limit_reached(limit).increment();
        if let Some(door) = &door {
            door.audit().fold();
        }
    };
    let places = Arc::new(Semaphore::new(config.max_connections as usize));
    let http = connection_builder(config);
    let write_timeout = config.write_timeout;
    let connections = TaskTracker::new();
    let last_id = AtomicU64::new(0);
    let Listener { tcp: listener, tls } = listener;
    // Inside TLS nothing can be said before a handshake, which is what there is no room for.
    let tell = |stream: &TcpStream, answer| {
        if tls.is_none() {
            let _ = stream.try_write(answer);
        }
    };
    if let Some(tls) = &tls {
        let (tls, until) = (Arc::clone(tls), shutdown.clone());
        connections.spawn(async move {
            until.run_until_cancelled(tls.watch()).await;
        });
    }
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
            cut_off(Limit::Connections);
            tell(&stream, OVER_CAPACITY);
            continue;
        };
        let standing = match arrive(door.as_deref(), peer) {
            Ok(standing) => standing,
            Err(limit) => {
                cut_off(limit);
                tell(&stream, TOO_MANY);
                continue;
            }
        };
        let id = ConnectionId(last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let connection = Connection { id, peer, standing, _place: Arc::new(place) };
        let span = debug_span!("connection", connection = id.0, %peer);
        let (http, tls, router, until) = (http.clone(), tls.clone(), router.clone(), shutdown.clone());
        let documents = Arc::clone(documents);
        connections.spawn(
            async move {
                let stream = handshake(stream, tls.as_deref(), documents.metrics(), &until).await?;
                let stream = PatientStream::new(stream, write_timeout);
                serve_connection(http, stream, connection, router, documents.metrics(), until).await;
                Some(())
            }
            .instrument(span),
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

/// The stream to speak HTTP over; none if the client did not get that far.
async fn handshake(
    stream: TcpStream,
    tls: Option<&Tls>,
    metrics: &HubMetrics,
    until: &CancellationToken,
) -> Option<ClientStream> {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the socket was gone before it was served");
        return None;
    }
    let Some(tls) = tls else { return Some(ClientStream::Plain(stream)) };
    let accepted = until.run_until_cancelled(tls.accept(stream)).await?;
    if matches!(accepted, Err(HandshakeError::TimedOut)) {
        metrics.limit_reached(Limit::HandshakeTime).increment();
    }
    accepted.inspect_err(|error| debug!(%error, "a TLS handshake failed")).ok()
}

async fn serve_connection(
    http: http1::Builder,
    stream: PatientStream<ClientStream>,
    connection: Connection,
    router: Router,
    metrics: &HubMetrics,
    shutdown: CancellationToken,
) {
    let service = hyper::service::service_fn(|request| respond(router.clone(), connection.clone(), request));
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let Ok(ended) = tokio::time::timeout(LAST_ANSWER, serving).await else {
                return debug!("the connection was cut off, as the server stops");
            };
            ended
        }
    };
    if let Err(error) = ended {
        if let Some(limit) = limit_behind(&error) {
            metrics.limit_reached(limit).increment();
        }
        debug!(error = &error as &dyn std::error::Error, "the connection ended early");
    }
}

/// The bound that ended a connection, as far as hyper tells. Of a head that is too large it does not say whether that was
/// in bytes or in headers.
fn limit_behind(error: &hyper::Error) -> Option<Limit> {
    if error.is_parse_too_large() {
        return Some(Limit::RequestHead);
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(inner) = source.and_then(io::Error::get_ref)
        && inner.is::<AnswerNotRead>()
    {
        return Some(Limit::AnswerTime);
    }
    error.is_timeout().then_some(Limit::RequestHeadTime)
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
