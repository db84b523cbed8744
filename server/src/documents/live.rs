//! Documents served by a hub: from an upgrade request to a session.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use confluo_auth::{Credentials, OriginPolicy};
use confluo_hub::{Health, Hub, HubMetrics, JoinRequest, LineageClaim};
use confluo_protocol::{Access, CloseCode, DocumentName, LineageId};
use confluo_ws::handshake::accept_upgrade;
use confluo_ws::{Limits, Role, WebSocket};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, debug_span};

use super::{DocumentUpgrade, Documents, Readiness};
use crate::websocket::ClientSocket;

/// The documents of one hub.
pub struct LiveDocuments {
    hub: Hub,
    limits: Limits,
    drain_window: Duration,
    origins: Option<OriginPolicy>,
    sessions: TaskTracker,
}

impl LiveDocuments {
    /// Serves the documents of `hub`; sessions are closed over `drain_window` when the server stops.
    pub fn new(hub: Hub, limits: Limits, drain_window: Duration) -> Self {
        Self { hub, limits, drain_window, origins: None, sessions: TaskTracker::new() }
    }

    /// Lets pages connect only where `origins` allows it; a page that may not is closed with 4403.
    #[must_use]
    pub fn with_origins(self, origins: OriginPolicy) -> Self {
        Self { origins: Some(origins), ..self }
    }
}

impl Documents for LiveDocuments {
    fn readiness(&self) -> Readiness {
        match self.hub.health() {
            Health::Ready => Readiness::Ready,
            Health::StorageUnavailable { reason } => Readiness::NotReady(reason),
            Health::Draining => Readiness::NotReady("the server is shutting down".to_owned()),
        }
    }

    fn metrics(&self) -> &HubMetrics {
        self.hub.metrics()
    }

    fn upgrade(&self, upgrade: DocumentUpgrade) -> Response {
        let request = &upgrade.request;
        let accept = match accept_upgrade(&request.method, request.version, &request.headers) {
            Ok(accept) => accept,
            Err(error) => return (error.status(), format!("{error}\n")).into_response(),
        };
        // A name that is no name is told by a close code: a browser cannot see a rejected upgrade and would retry for ever.
        let document = DocumentName::from_request_path(request.uri.path());
        let lineage = lineage_claim(request.uri.query().unwrap_or_default());
        let address = upgrade.connection.peer.ip();
        let origin = match &self.origins {
            Some(origins) => origins.check(&request.headers, Credentials::Absent, None),
            None => Ok(()),
        };
        let span = debug_span!("session", document = document.as_ref().map_or("", DocumentName::as_str));
        let hub = self.hub.clone();
        let limits = self.limits;
        let session = async move {
            let upgraded = match upgrade.socket().await {
                Ok(upgraded) => upgraded,
                Err(error) => return debug!(%error, "the upgrade did not come about"),
            };
            // The connection's place is held until its session has ended.
            let _connection = upgraded.connection;
            let metrics = hub.metrics();
            metrics.connections_accepted.add(1);
            metrics.connections.increment();
            let socket = WebSocket::new(upgraded.stream, Role::Server, upgraded.leftover, limits);
            let socket = ClientSocket::new(socket);
            if let Err(refused) = origin {
                return hub.refuse(socket, CloseCode::Forbidden, refused.to_string()).await;
            }
            match document {
                Ok(document) => {
                    let access = Access::Write;
                    let request = JoinRequest { document, access, user: None, address: Some(address), lineage };
                    hub.serve(request, socket).await;
                }
                Err(error) => hub.refuse(socket, CloseCode::Malformed, error.to_string()).await,
            }
            metrics.connections.decrement();
        };
        self.sessions.spawn(session.instrument(span));
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept)
            .body(Body::empty());
        response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        async {
            self.hub.drain(self.drain_window).await;
            self.sessions.close();
            self.sessions.wait().await;
        }
        .boxed()
    }
}

/// `?lineage=`: absent, empty ("tell me"), or the id of the client's copy. An id that is none can match no document.
fn lineage_claim(query: &str) -> LineageClaim {
    let value = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("lineage", value)) => Some(value),
        None if pair == "lineage" => Some(""),
        _ => None,
    });
    match value {
        None => LineageClaim::Unaware,
        Some("") => LineageClaim::Asks,
        Some(id) => LineageClaim::Has(LineageId::parse(id).unwrap_or(LineageId([0; 16]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn li1_the_lineage_is_claimed_in_the_query() {
        assert_eq!(lineage_claim(""), LineageClaim::Unaware);
        assert_eq!(lineage_claim("a=b&lineage="), LineageClaim::Asks);
        assert_eq!(lineage_claim("lineage"), LineageClaim::Asks);
        let id = LineageId([7; 16]);
        assert_eq!(lineage_claim(&format!("x=1&lineage={id}&y=2")), LineageClaim::Has(id));
        assert_eq!(lineage_claim("lineage=nonsense"), LineageClaim::Has(LineageId([0; 16])));
    }
}
