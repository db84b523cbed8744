//! `/admin/revocations`: what is revoked, one more, or one taken back; for a bearer of the admin role.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use confluo_auth::{Revocation, UnixTime};
use confluo_protocol::{CloseCode, UserId};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{error, info};

use super::AppState;
use crate::access::{ChangeError, Door};

/// What is revoked: a user, a token, or what was issued until a second, of one user or of all.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRequest {
    /// A user; with `issued_until`, whose tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The `jti` of one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The `exp` of that token, if known: afterwards its revocation is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// The last second of issue that is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_until: Option<UnixTime>,
}

impl RevocationRequest {
    fn revocation(self) -> Option<Revocation> {
        let user = self.user.map(|user| UserId(user.into()));
        match (user, self.token_id, self.issued_until, self.expires_at) {
            (Some(user), None, None, None) => Some(Revocation::User(user)),
            (None, Some(token_id), None, expires_at) => Some(Revocation::Token { token_id, expires_at }),
            (user, None, Some(issued_until), None) => Some(Revocation::IssuedUntil { user, issued_until }),
            _ => None,
        }
    }
}

/// GET: all of them, as they are stored.
pub(super) async fn list(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match admin(&state, &headers) {
        Ok(door) => ([(header::CONTENT_TYPE, "application/json")], door.revocations_json()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// POST: one more. It is on disk, and its sessions are on their way out, when this answers.
pub(super) async fn revoke(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<RevocationRequest>,
) -> Response {
    change(&state, &headers, request, |door, revocation| {
        door.revoke(revocation).map(|sessions| json!({"sessions_ended": sessions}))
    })
    .await
}

/// DELETE: one taken back.
pub(super) async fn reinstate(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<RevocationRequest>,
) -> Response {
    change(&state, &headers, request, |door, revocation| {
        door.reinstate(&revocation).map(|was_there| json!({"was_revoked": was_there}))
    })
    .await
}

async fn change(
    state: &AppState,
    headers: &HeaderMap,
    request: RevocationRequest,
    change: fn(&Door, Revocation) -> Result<serde_json::Value, ChangeError>,
) -> Response {
    let door = match admin(state, headers) {
        Ok(door) => door,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(revocation) = request.revocation() else {
        let allowed = "say one of: user; token_id, with expires_at or without; issued_until, with user or without\n";
        return (StatusCode::UNPROCESSABLE_ENTITY, allowed).into_response();
    };
    info!(?revocation, "revocations are changed");
    let changed = tokio::task::spawn_blocking(move || change(&door, revocation)).await;
    match changed {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(ChangeError::Refused(error))) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
        Ok(Err(error)) => {
            error!(error = &error as &dyn std::error::Error, "a revocation was not taken");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn admin(state: &AppState, headers: &HeaderMap) -> Result<Arc<Door>, (StatusCode, String)> {
    let door = state.documents.door().ok_or_else(|| (StatusCode::NOT_FOUND, String::new()))?;
    door.check_admin(headers).map_err(|refusal| {
        let status = match refusal.code {
            CloseCode::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        (status, format!("{}\n", refusal.reason))
    })?;
    Ok(door)
}
