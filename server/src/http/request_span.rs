//! One span for each request, without its query: that may hold a token.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, debug, debug_span};

/// Runs the rest of the request inside `http_request{method, path, request_id}`.
pub(super) async fn trace_request(request: Request, next: Next) -> Response {
    static LAST_ID: AtomicU64 = AtomicU64::new(0);
    let request_id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    let span = debug_span!("http_request", method = %request.method(), path = request.uri().path(), request_id);
    async {
        let response = next.run(request).await;
        debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}
