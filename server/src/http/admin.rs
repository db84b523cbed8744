//! `/admin/revocations`: what is revoked, one more, or one taken back; for a bearer of the admin role.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use confluo_auth::{Revocation, RevokeError, UnixTime};
use confluo_protocol::{CloseCode, UserId};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{error, info};

use super::{AppState, Connection};
use crate::access::{ChangeError, Door};
use crate::audit::AuditEvent;

/// How much of a path is written down: more than any that there is.
const MAX_PATH_WRITTEN: usize = 100;

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

/// Whoever is allowed to be here.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    door: Arc<Door>,
    user: UserId,
}

/// Every request below `/admin/` is written down, whatever its method and its answer: each use, and each try. But not what
/// turned out to be a document's, or was only counted, as there were too many requests.
pub(super) async fn write_down(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_admins = path.strip_prefix("/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let Some(door) = state.documents.door().filter(|_| is_admins) else { return next.run(request).await };
    let peer = request.extensions().get::<Connection>().map(|connection| connection.peer.ip());
    let address = peer.map(|peer| door.client_address(peer, request.headers()));
    let path: String = path.chars().take(MAX_PATH_WRITTEN).collect();
    let method = request.method().clone();
    let response = next.run(request).await;
    let by = response.extensions().get::<Admin>().map(|admin| &*admin.user.0);
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::TOO_MANY_REQUESTS => return response,
        StatusCode::SERVICE_UNAVAILABLE if by.is_none() => return response,
        _ => {}
    }
    let (method, status) = (method.as_str(), response.status().as_u16());
    let event = AuditEvent::Admin { address, by, method, path: &path, status };
    match address.filter(|_| by.is_none()) {
        Some(stranger) => door.record_refusal(stranger, &event),
        None => door.audit().record(&event),
    }
    response
}

/// Before anything else of a request is read: whether an admin sent it.
pub(super) async fn admit(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(door) = state.documents.door() else { return StatusCode::NOT_FOUND.into_response() };
    match door.admin(request.headers()).await {
        Ok(user) => {
            let admin = Admin { door, user };
            request.extensions_mut().insert(admin.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(admin);
            response
        }
        Err(refusal) => {
            let status = match refusal.code {
                CloseCode::Forbidden => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            };
            (status, format!("{}\n", refusal.reason)).into_response()
        }
    }
}

/// GET: all of them, as they are stored.
pub(super) async fn list(Extension(admin): Extension<Admin>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], admin.door.revocations_json()).into_response()
}

/// POST: one more. It is on disk, and its sessions are on their way out, when this answers.
pub(super) async fn revoke(Extension(admin): Extension<Admin>, Json(request): Json<RevocationRequest>) -> Response {
    change(admin, request, |Admin { door, user: by }, revocation| {
        let (sessions_ended, changed) = door.revoke(revocation.clone());
        let is_in_doubt = matches!(changed, Err(ChangeError::InDoubt(_)));
        if changed.is_ok() || is_in_doubt {
            let what = (&revocation).into();
            door.audit().record(&AuditEvent::Revoked { by: &by.0, what, sessions_ended, is_in_doubt });
        }
        changed?;
        Ok(json!({"sessions_ended": sessions_ended}))
    })
    .await
}

/// DELETE: one taken back.
pub(super) async fn reinstate(Extension(admin): Extension<Admin>, Json(request): Json<RevocationRequest>) -> Response {
    change(admin, request, |Admin { door, user: by }, revocation| {
        let was_revoked = door.reinstate(&revocation)?;
        door.audit().record(&AuditEvent::Reinstated { by: &by.0, what: (&revocation).into(), was_revoked });
        Ok(json!({"was_revoked": was_revoked}))
    })
    .await
}

async fn change(
    admin: Admin,
    request: RevocationRequest,
    change: fn(&Admin, Revocation) -> Result<serde_json::Value, ChangeError>,
) -> Response {
    let Some(revocation) = request.revocation() else {
        let allowed = "say one of: user; token_id, with expires_at or without; issued_until, with user or without\n";
        return (StatusCode::UNPROCESSABLE_ENTITY, allowed).into_response();
    };
    info!(?revocation, "revocations are changed");
    let changed = tokio::task::spawn_blocking(move || change(&admin, revocation)).await;
    match changed {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(ChangeError::Refused(error))) => {
            let status = match error {
                RevokeError::Full(_) => StatusCode::CONFLICT,
                RevokeError::IdLength | RevokeError::NotYet => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, format!("{error}\n")).into_response()
        }
        Ok(Err(error)) => {
            error!(error = &error as &dyn std::error::Error, "a revocation was not taken");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
