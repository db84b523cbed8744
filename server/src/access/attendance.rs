//! One session from the door to its end, as the hub asks about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use confluo_hub::{Clock, Expulsion, SessionControl, SessionGate};
use confluo_protocol::{Access, CloseCode, ConnectionId, DocumentName, UserId};
use tracing::info;

use super::{Door, VisitGuard};
use crate::audit::{AuditEvent, Who, Why, name_of};

/// Whose session it is.
#[derive(Debug, Clone)]
pub struct Client {
    /// The socket.
    pub connection: ConnectionId,
    /// Where the client is, behind proxies that are trusted.
    pub address: IpAddr,
    /// Who it is, where there are users.
    pub user: Option<UserId>,
}

/// A session, with or without a token.
#[derive(Debug)]
pub struct Attendance {
    door: Arc<Door>,
    client: Client,
    document: DocumentName,
    access: Access,
    /// On the list for as long as anybody holds this: its room may take what waits of it when it has gone.
    visit: Option<VisitGuard>,
    has_joined: AtomicBool,
}

impl Attendance {
    /// A session that is about to join. Without a visit it needs no token, and any is accepted.
    pub fn new(
        door: Arc<Door>,
        client: Client,
        document: DocumentName,
        access: Access,
        visit: Option<VisitGuard>,
    ) -> Self {
        Self { door, client, document, access, visit, has_joined: AtomicBool::new(false) }
    }

    fn who(&self) -> Who<'_> {
        Who::new(&self.client, Some(&self.document))
    }
}

impl SessionGate for Attendance {
    fn entering(&self, control: SessionControl) {
        if let Some(visit) = &self.visit {
            visit.entering(control);
        }
    }

    fn joined(&self) {
        self.has_joined.store(true, Ordering::Relaxed);
        let name = self.visit.as_ref().and_then(|visit| visit.display_name());
        let (name, access) = (name.as_deref(), name_of(self.access));
        self.door.audit().record(&AuditEvent::Connected { who: self.who(), name, access });
    }

    fn renew(&self, token: &Bytes) -> Result<Access, Expulsion> {
        self.visit.as_ref().map_or(Ok(self.access), |visit| visit.renew(token))
    }

    fn may_create(&self) -> bool {
        let Client { user, address, .. } = &self.client;
        self.door.quotas.create(user.as_ref(), *address, Clock.now())
    }

    fn wrote(&self) {
        self.door.audit().record(&AuditEvent::Wrote { who: self.who() });
    }

    fn ended(&self, by_server: Option<&Expulsion>) {
        if let Some(Expulsion { code: code @ CloseCode::Malformed, reason }) = by_server {
            let Client { connection, address, user } = &self.client;
            info!(
                code = code.code(),
                reason = &**reason,
                document = self.document.as_str(),
                user = user.as_ref().map(|user| &*user.0),
                client = %address,
                connection = connection.0,
                "a session sent what is not this protocol, and was closed"
            );
        }
        let (who, why) = (self.who(), by_server.map(Why::from));
        match why {
            Some(why) if !self.has_joined.load(Ordering::Relaxed) => {
                self.door.record_refusal(self.client.address, &AuditEvent::Refused { who, why });
            }
            why => self.door.audit().record(&AuditEvent::Left { who, why }),
        }
    }
}
