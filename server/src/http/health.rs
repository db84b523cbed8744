//! `/health/live`: the process answers. `/health/ready`: it can do its work, or why not.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::AppState;
use crate::documents::Readiness;

/// 200 as long as the process can answer at all.
pub(super) async fn live() -> Response {
    Json(json!({"status": "live"})).into_response()
}

/// 200, with a reason if somebody should look, or 503 with what kind of trouble it is. Details are in the log.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    match state.documents.readiness() {
        Readiness::Ready => Json(json!({"status": "ready"})).into_response(),
        // What is there is served: no reason to take a server out that may be the only one.
        Readiness::Degraded { reason, detail } => {
            Json(json!({"status": "ready", "degraded": reason, "detail": detail})).into_response()
        }
        Readiness::NotReady { reason, detail } => {
            let body = json!({"status": "not ready", "reason": reason, "detail": detail});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
