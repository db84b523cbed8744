//! What the HTTP side needs of whatever serves documents: the one seam between the two.

mod live;
mod reception;

use std::io;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use confluo_hub::HubMetrics;
use futures_util::future::BoxFuture;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

pub use live::LiveDocuments;

use crate::access::Door;
use crate::http::{ClientStream, Connection, PatientStream};

/// Serves documents to upgraded connections.
pub trait Documents: Send + Sync + 'static {
    /// Whether documents can be opened and edits made durable now. Asked by `/health/ready`; it must not wait.
    fn readiness(&self) -> Readiness;

    /// What it has counted so far.
    fn metrics(&self) -> &HubMetrics;

    /// How many bytes of messages over 64 KiB arrive, wait for their room or are merged now.
    fn inbound_bytes(&self) -> usize {
        0
    }

    /// Who decides about access, if anyone does.
    fn door(&self) -> Option<Arc<Door>> {
        None
    }

    /// Answers a WebSocket handshake, also one on a path that a route owns, which no document can have (AD9). With an answer of 101
    /// the socket is there as soon as that answer is out ([`DocumentUpgrade::socket`]); serving it is a task of the implementor's
    /// own.
    fn upgrade(&self, upgrade: DocumentUpgrade) -> Response;

    /// Closes every session and makes everything durable, or says that it cannot; done when nothing is left to do. Called once,
    /// when the server stops, while the last connections may still be on their way in.
    fn drain(&self) -> BoxFuture<'_, Drained>;
}

/// What the end of all sessions left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every edit that was taken is on disk.
    OnDisk,
    /// The store was out of service to the end, so that edits which were never acknowledged may be with their clients only.
    Unwritten {
        /// Why, in fixed words.
        detail: &'static str,
    },
}

/// Whether the server can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can, and somebody should look. In fixed words, too.
    Degraded {
        /// One word for machines.
        reason: &'static str,
        /// The same for people.
        detail: &'static str,
    },
    /// It cannot. Anyone may ask, so what is told is fixed words: nothing of this machine and nothing of documents.
    NotReady {
        /// One word for machines.
        reason: &'static str,
        /// The same for people.
        detail: &'static str,
    },
}

/// A request to open a document over a WebSocket.
#[derive(Debug)]
pub struct DocumentUpgrade {
    /// Method, address with query, version and headers. The query may hold a token: never log it.
    pub request: Parts,
    /// Whose connection this is. Keep it as long as the socket: its place among the counted connections goes with it.
    pub connection: Connection,
    /// Absent of a request that is no handshake, whatever it says: one of HTTP/1.0.
    on_upgrade: Option<OnUpgrade>,
}

/// The bare socket after the answer 101.
#[derive(Debug)]
pub struct UpgradedSocket {
    /// The stream, with `TCP_NODELAY` set.
    pub stream: ClientStream,
    /// What the client sent right behind its request, already read from the stream.
    pub leftover: Bytes,
    /// Keep it as long as the stream.
    pub connection: Connection,
}

impl DocumentUpgrade {
    pub(crate) fn new(mut request: Parts, connection: Connection) -> Self {
        let on_upgrade = request.extensions.remove::<OnUpgrade>();
        Self { request, connection, on_upgrade }
    }

    /// Waits until the answer 101 is out, and takes the socket from the HTTP layer.
    pub async fn socket(self) -> io::Result<UpgradedSocket> {
        let on_upgrade = self.on_upgrade.ok_or_else(|| io::Error::other("the request cannot be upgraded"))?;
        let upgraded = on_upgrade.await.map_err(io::Error::other)?;
        let parts = upgraded
            .downcast::<TokioIo<PatientStream<ClientStream>>>()
            .map_err(|_| io::Error::other("the connection does not stand on a stream of ours"))?;
        Ok(UpgradedSocket {
            stream: parts.io.into_inner().into_inner(),
            leftover: parts.read_buf,
            connection: self.connection,
        })
    }
}
