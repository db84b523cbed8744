//! Documents served by a hub: from an upgrade request to a session.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::{AppendHeaders, IntoResponse, Response};
use confluo_auth::token_source::select_subprotocol;
use confluo_hub::{Health, Hub, HubMetrics, Limit, LineageClaim};
use confluo_protocol::{DocumentName, LineageId};
use confluo_ws::handshake::{UpgradeError, accept_upgrade};
use confluo_ws::{Limits, ReceiveBudget, Role, WebSocket};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument, debug, debug_span, warn};

use super::reception::{Reception, malformed_name, own_route};
use super::{DocumentUpgrade, Documents, Drained, Readiness};
use crate::access::{Client, Door, Standing, TurnedAway, slow_down};
use crate::http::too_many_requests;
use crate::websocket::ClientSocket;

/// How long a stop waits for the reader of the audit log, be it a pipe that nobody empties.
const AUDIT_PATIENCE: Duration = Duration::from_secs(2);

/// The documents of one hub.
pub struct LiveDocuments {
    hub: Hub,
    door: Arc<Door>,
    limits: Limits,
    budget: Arc<ReceiveBudget>,
    drain_window: Duration,
    sessions: TaskTracker,
    /// What the door does on its own. It ends with `drain`.
    stop_background: CancellationToken,
}

impl LiveDocuments {
    /// Serves the documents of `hub` to whom `door` lets in, over sockets with these bounds, of one and of all; sessions
    /// are closed over `drain_window` when the server stops. On the current tokio runtime.
    pub fn new(hub: Hub, door: Arc<Door>, limits: Limits, max_inbound_bytes: usize, drain_window: Duration) -> Self {
        let counting = hub.clone();
        let budget = ReceiveBudget::new(max_inbound_bytes, move || {
            counting.metrics().limit_reached(Limit::InboundBytes).increment();
        });
        let (sessions, stop) = (TaskTracker::new(), CancellationToken::new());
        let (watching, refreshing) = (Arc::clone(&door), Arc::clone(&door));
        let until = stop.clone();
        sessions.spawn(async move { until.run_until_cancelled(watching.watch_expiries()).await });
        let end = stop.clone();
        sessions.spawn(async move { refreshing.refresh_keys(&end).await });
        Self { hub, door, limits, budget, drain_window, sessions, stop_background: stop }
    }
}

impl Documents for LiveDocuments {
    fn readiness(&self) -> Readiness {
        match self.hub.health() {
            Health::Ready if self.hub.metrics().store_findings.get() > 0 => Readiness::Degraded {
                reason: "store-damaged",
                detail: "the store's files were damaged: what they lost is refused, not made anew; the server's log has the details",
            },
            Health::Ready => Readiness::Ready,
            Health::StorageUnavailable(trouble) => {
                Readiness::NotReady { reason: trouble.name(), detail: trouble.description() }
            }
            // Only who asked before the stop hears it: nobody is let in any more.
            Health::Draining => Readiness::NotReady { reason: "shutting-down", detail: "the server is shutting down" },
        }
    }

    fn metrics(&self) -> &HubMetrics {
        self.hub.metrics()
    }

    fn inbound_bytes(&self) -> usize {
        self.budget.taken_bytes()
    }

    fn door(&self) -> Option<Arc<Door>> {
        Some(Arc::clone(&self.door))
    }

    fn upgrade(&self, upgrade: DocumentUpgrade) -> Response {
        let request = &upgrade.request;
        let accept = match accept_upgrade(&request.method, request.version, &request.headers) {
            Ok(accept) => accept,
            Err(error) => {
                self.hub.metrics().handshakes_failed.increment();
                debug!(%error, "a malformed handshake");
                return refuse_handshake(error);
            }
        };
        // A name that is no name is told by a close code: a browser cannot see a rejected upgrade and would retry for ever.
        let document = if upgrade.request.extensions.get::<MatchedPath>().is_some() {
            Err(own_route())
        } else {
            DocumentName::from_request_path(request.uri.path()).map_err(|error| malformed_name(&error))
        };
        let lineage = lineage_claim(request.uri.query().unwrap_or_default());
        let address = self.door.client_address(upgrade.connection.peer.ip(), &request.headers);
        let standing = upgrade.connection.standing.as_deref().unwrap_or(&Standing::Proxy);
        let (passage, limit) = match self.door.pass(standing, address) {
            Ok(passage) => (passage, None),
            Err(TurnedAway::Told(limit, passage)) => (passage, Some(limit)),
            Err(TurnedAway::CutOff(limit)) => {
                self.hub.metrics().limit_reached(limit).increment();
                self.door.audit().fold();
                return too_many_requests();
            }
        };
        let caller = self.door.caller(&request.headers, request.uri.query());
        let subprotocol = select_subprotocol(&request.headers);
        let document_field = document.as_ref().map_or("", DocumentName::as_str);
        let span = debug_span!("session", session = Empty, document = document_field, user = Empty);
        let client = Client { connection: upgrade.connection.id, address, user: None };
        let mut reception =
            Reception { hub: self.hub.clone(), door: Arc::clone(&self.door), limits: self.limits, client };
        let (stop, budget) = (self.stop_background.clone(), Arc::clone(&self.budget));
        // Boxed, as whatever is not the session itself: thousands of idle ones keep the size of the largest step.
        let upgraded = Box::pin(upgrade.socket());
        let session = async move {
            let upgraded = match upgraded.await {
                Ok(upgraded) => upgraded,
                Err(error) => {
                    reception.hub.metrics().handshakes_failed.increment();
                    return debug!(%error, "the upgrade did not come about");
                }
            };
            // The connection's places are held until its session has ended.
            let (_connection, wait) = (upgraded.connection, passage.wait);
            let _passage = passage;
            let socket = WebSocket::new(upgraded.stream, Role::Server, upgraded.leftover, reception.limits);
            let socket = ClientSocket::new(socket.with_budget(budget));
            let metrics = reception.hub.metrics();
            metrics.connections_accepted.add(1);
            metrics.connections.increment();
            match (limit, document) {
                (Some(limit), document) => {
                    metrics.limit_reached(limit).increment();
                    Box::pin(reception.tell(socket, document.as_ref().ok(), slow_down(limit))).await;
                }
                (None, Err(refusal)) => Box::pin(reception.refuse(socket, None, refusal)).await,
                (None, Ok(document)) => {
                    if !wait.is_zero() {
                        Box::pin(stop.run_until_cancelled(tokio::time::sleep(wait))).await;
                    }
                    reception.receive(socket, document, caller, lineage).await;
                }
            }
            reception.hub.metrics().connections.decrement();
        };
        self.sessions.spawn(session.instrument(span));
        let mut response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        if let Some(subprotocol) = subprotocol {
            response = response.header(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        let response = response
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept)
            .body(Body::empty());
        response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }

    fn drain(&self) -> BoxFuture<'_, Drained> {
        async {
            self.hub.drain(self.drain_window).await;
            self.stop_background.cancel();
            self.sessions.close();
            self.sessions.wait().await;
            // Whatever was recorded is on its way out of the process; the thread does not need this one.
            let audit = self.door.audit().clone();
            let finishing = tokio::task::spawn_blocking(move || audit.finish());
            if tokio::time::timeout(AUDIT_PATIENCE, finishing).await.is_err() {
                warn!("whoever reads the audit log does not go on: what waited to be written is lost");
            }
            let trouble = self.hub.storage_trouble();
            trouble.map_or(Drained::OnDisk, |trouble| Drained::Unwritten { detail: trouble.description() })
        }
        .boxed()
    }
}

/// Says what a handshake lacks, with the headers that go with the status (RFC 9110, section 15.5; RFC 6455, section 4.4).
fn refuse_handshake(error: UpgradeError) -> Response {
    let status = error.status();
    let headers: &[_] = match status {
        StatusCode::UPGRADE_REQUIRED => &[(header::UPGRADE, "websocket"), (header::SEC_WEBSOCKET_VERSION, "13")],
        StatusCode::METHOD_NOT_ALLOWED => &[(header::ALLOW, "GET")],
        _ => &[],
    };
    (status, AppendHeaders(headers.iter().cloned()), format!("{error}\n")).into_response()
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
