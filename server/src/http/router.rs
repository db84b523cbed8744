//! Which path belongs to whom.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use confluo_hub::Limit;
use confluo_ws::handshake::accept_upgrade;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::Semaphore;

use super::{Connection, admin, app, health, metrics, request_span};
use crate::access::Standing;
use crate::config::Config;
use crate::documents::{DocumentUpgrade, Documents};

/// What every handler may look at.
#[derive(Clone)]
pub struct AppState {
    /// The settings of this server.
    pub config: Arc<Config>,
    /// Whatever serves documents.
    pub documents: Arc<dyn Documents>,
}

/// All routes. What no route owns is a document if it asks for a WebSocket, and the browser app if not.
pub fn router(state: AppState) -> Router {
    let body_limit = DefaultBodyLimit::max(state.config.http.max_body_bytes.as_usize());
    let places = Arc::new(Semaphore::new(state.config.http.max_requests as usize));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route(
            "/admin/revocations",
            get(admin::list)
                .post(admin::revoke)
                .delete(admin::reinstate)
                // For every method, so that only an admin is told which there are.
                .layer(middleware::from_fn_with_state(state.clone(), admin::admit)),
        )
        .fallback(document_or_app)
        .layer(body_limit)
        .layer(middleware::from_fn_with_state((state.clone(), places), limit_number))
        .layer(middleware::from_fn_with_state(state.clone(), turn_away))
        .layer(middleware::from_fn_with_state(state.clone(), limit_time))
        .layer(middleware::from_fn_with_state(state.clone(), admin::write_down))
        .layer(middleware::from_fn(request_span::trace_request))
        .with_state(state)
}

async fn document_or_app(State(state): State<AppState>, request: Request) -> Response {
    if !asks_for_websocket(request.headers()) {
        return app::serve(&request, &state.config.app);
    }
    upgrade(&state, request)
}

fn upgrade(state: &AppState, request: Request) -> Response {
    let (mut parts, _body) = request.into_parts();
    let Some(connection) = parts.extensions.remove::<Connection>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    state.documents.upgrade(DocumentUpgrade::new(parts, connection))
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::UPGRADE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// A socket too many of its address is told so whatever it asks; an upgrade goes on, to be told by a close code. One that
/// cannot succeed is a plain request: no close code reaches it, and nothing else bounds it.
async fn turn_away(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let standing = request.extensions().get::<Connection>().and_then(|connection| connection.standing.as_deref());
    let limit_reached = |limit| {
        state.documents.metrics().limit_reached(limit).increment();
        if let Some(door) = state.documents.door() {
            door.audit().fold();
        }
        too_many_requests()
    };
    if accept_upgrade(request.method(), request.version(), request.headers()).is_ok() {
        // Not by the route, whatever it is (AD9).
        return upgrade(&state, request);
    }
    if matches!(standing, Some(Standing::Refused(_))) {
        return limit_reached(Limit::ConnectionsPerAddress);
    }
    match turn(&state, &request) {
        Ok(wait) if wait.is_zero() => {}
        Ok(wait) => tokio::time::sleep(wait).await,
        Err(limit) => return limit_reached(limit),
    }
    next.run(request).await
}

/// How long a plain request must wait for its turn. An upgrade counts by itself.
fn turn(state: &AppState, request: &Request) -> Result<Duration, Limit> {
    let peer = request.extensions().get::<Connection>().map(|connection| connection.peer.ip());
    let (Some(door), Some(peer)) = (state.documents.door(), peer) else { return Ok(Duration::ZERO) };
    door.pass_request(door.client_address(peer, request.headers()))
}

/// The answer to an address that has too many sockets.
pub(crate) fn too_many_requests() -> Response {
    let headers = [(header::RETRY_AFTER, "5"), (header::CONNECTION, "close")];
    (StatusCode::TOO_MANY_REQUESTS, headers, "too many connections or requests from this address\n").into_response()
}

/// Probes are never turned away: they cost nothing, and what is busy must not look dead.
async fn limit_number(
    State((state, places)): State<(AppState, Arc<Semaphore>)>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with("/health/") {
        return next.run(request).await;
    }
    let Ok(_place) = places.try_acquire() else {
        state.documents.metrics().limit_reached(Limit::Requests).increment();
        if let Some(door) = state.documents.door() {
            door.audit().fold();
        }
        let headers = [(header::RETRY_AFTER, "5")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, "too many requests at once; try again\n").into_response();
    };
    next.run(request).await
}

async fn limit_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limit_reached = |limit| state.documents.metrics().limit_reached(limit).increment();
    let Ok(answer) = tokio::time::timeout(state.config.http.request_timeout, next.run(request)).await else {
        limit_reached(Limit::RequestTime);
        return (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response();
    };
    // The one that reads bodies answers so, and no other.
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        limit_reached(Limit::RequestBody);
    }
    answer
}
