//! From an upgraded socket to a session of the hub: who it is, whether it may enter, and what it is told if not.

use std::sync::Arc;

use confluo_hub::{Expulsion, Hub, JoinRequest, Limit, LineageClaim, SessionGate};
use confluo_protocol::{Access, CloseCode, DocumentName};
use confluo_ws::Limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Span;

use crate::access::{Attendance, Caller, Client, Door, UserPlace, VisitGuard, slow_down, token_in};
use crate::audit::{AuditEvent, Who, Why};
use crate::websocket::{ClientSocket, Flood};

/// Receives one client.
pub(super) struct Reception {
    pub(super) hub: Hub,
    pub(super) door: Arc<Door>,
    pub(super) limits: Limits,
    pub(super) client: Client,
}

/// Who has come in.
struct Entered {
    access: Access,
    /// On the list, where tokens are needed; and one of its user's places, held as long as the session.
    visit: Option<(VisitGuard, UserPlace)>,
}

impl Reception {
    /// Lets the client in and serves it until its session ends, or tells it why not.
    pub(super) async fn receive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &mut self,
        mut socket: ClientSocket<S>,
        document: DocumentName,
        caller: Result<Caller, Expulsion>,
        lineage: LineageClaim,
    ) {
        let hub = self.hub.clone();
        let entering = Box::pin(async {
            tokio::select! {
                biased;
                entered = self.enter(&mut socket, &document, caller) => entered,
                () = hub.draining() => Err(going_away()),
            }
        });
        let Entered { access, visit } = match entering.await {
            Ok(entered) => entered,
            Err(refusal) => return Box::pin(self.refuse(socket, Some(&document), refusal)).await,
        };
        let client = self.client.clone();
        let (user, address) = (client.user.clone(), Some(client.address));
        Span::current().record("user", user.as_ref().map(|user| &*user.0));
        let door = Arc::clone(&self.door);
        let (visit, _place) = visit.unzip();
        let gate: Arc<dyn SessionGate> = Arc::new(Attendance::new(door, client, document.clone(), access, visit));
        let request = JoinRequest { document, access, user, address, lineage, gate: Some(gate) };
        self.hub.serve(request, socket).await;
    }

    /// What the caller may do with the document. Whoever brought no token is waited for, and tells it first (AU1).
    async fn enter<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &mut self,
        socket: &mut ClientSocket<S>,
        document: &DocumentName,
        caller: Result<Caller, Expulsion>,
    ) -> Result<Entered, Expulsion> {
        let door = &self.door;
        let identity = match caller? {
            Caller::Anyone => return Ok(Entered { access: Access::Write, visit: None }),
            Caller::Bearer(token) => door.identify(&token).await?,
            Caller::Unsaid => {
                let token = socket.first_token(door.max_bytes_before_token(), self.limits.max_message_bytes);
                let token = match tokio::time::timeout(door.token_timeout(), token).await {
                    Ok(Ok(token)) => token,
                    Ok(Err(Flood)) => {
                        self.count(Limit::BytesBeforeToken);
                        return Err(too_much_before_token());
                    }
                    Err(_) => {
                        self.count(Limit::TokenTimeout);
                        None
                    }
                };
                door.identify(&token_in(&token.unwrap_or_default())?).await?
            }
        };
        self.client.user = Some(identity.user.clone());
        let (access, visit) = door.admit(&identity, document)?;
        let place = door.user_place(&identity.user).map_err(|limit| {
            self.count(limit);
            slow_down(limit)
        })?;
        Ok(Entered { access, visit: Some((visit, place)) })
    }

    /// Tells the client why it may not enter, unless too many of its address are being told at this moment.
    pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        socket: ClientSocket<S>,
        document: Option<&DocumentName>,
        refusal: Expulsion,
    ) {
        match self.door.refusal_place(self.client.address) {
            Ok(_place) => self.tell(socket, document, refusal).await,
            Err(limit) => {
                self.count(limit);
                self.door.audit().fold();
            }
        }
    }

    /// The same for who holds a place among the refused already.
    pub(super) async fn tell<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        socket: ClientSocket<S>,
        document: Option<&DocumentName>,
        refusal: Expulsion,
    ) {
        let (who, why) = (Who::new(&self.client, document), Why::from(&refusal));
        self.door.record_refusal(self.client.address, &AuditEvent::Refused { who, why });
        let Expulsion { code, reason } = refusal;
        self.hub.refuse(socket, code, reason).await;
    }

    fn count(&self, limit: Limit) {
        self.hub.metrics().limit_reached(limit).increment();
    }
}

/// Nobody's token is waited for when the server stops, and no issuer's keys are.
fn going_away() -> Expulsion {
    Expulsion { code: CloseCode::GoingAway, reason: "the server is going away; come back".into() }
}

fn too_much_before_token() -> Expulsion {
    let reason = "the token is too long, or too much came before it";
    Expulsion { code: CloseCode::Unauthorised, reason: reason.into() }
}

/// A path that names no document.
pub(super) fn malformed_name(error: &impl std::fmt::Display) -> Expulsion {
    Expulsion { code: CloseCode::Malformed, reason: error.to_string().into() }
}

/// A path that is a route of the server's own (AD9).
pub(super) fn own_route() -> Expulsion {
    let reason = "this path is the server's own; a document of this name opens below /sync/";
    Expulsion { code: CloseCode::Malformed, reason: reason.into() }
}
