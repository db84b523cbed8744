//! From a socket to a session, as far as quotas let it.

use std::net::IpAddr;
use std::time::Duration;

use confluo_hub::{Clock, Expulsion, Limit};
use confluo_protocol::{CloseCode, UserId};

use super::Door;
use super::quotas::{AddressPlace, UserPlace};

/// What a socket holds of the places of its address, from the moment it was accepted.
#[derive(Debug)]
pub enum Standing {
    /// A trusted proxy's, which speaks for many: each of its upgrades counts by the address of its client.
    Proxy,
    /// One of its address's sockets.
    Counted(AddressPlace),
    /// Its address has as many sockets as it may. It is told so, and ends.
    Refused(AddressPlace),
}

/// Leave to upgrade.
#[derive(Debug)]
pub struct Passage {
    /// How long the session must wait for its turn.
    pub wait: Duration,
    /// Held as long as the socket.
    _place: Option<AddressPlace>,
}

/// No leave to upgrade.
#[derive(Debug)]
pub enum TurnedAway {
    /// To be told by a close code, after a moment.
    Told(Limit, Passage),
    /// Too many of its address are being told at this moment.
    CutOff(Limit),
}

impl Door {
    /// What a socket may do that was just accepted, before its handshake if it is to have one. None: it must be cut off, for as
    /// many of its address as may be are being refused at this moment, or came within a second.
    pub fn arrive(&self, peer: IpAddr) -> Result<Standing, Limit> {
        if self.is_proxy(peer) {
            return Ok(Standing::Proxy);
        }
        let now = Clock.now();
        if self.speaks_tls() {
            self.quotas.shake_hands(peer, now)?;
        }
        match self.quotas.connect(peer, now) {
            Ok(place) => Ok(Standing::Counted(place)),
            Err(_) => self.quotas.refuse(peer).map(Standing::Refused),
        }
    }

    /// Whether `client` may upgrade a socket of this standing, and when.
    pub fn pass(&self, standing: &Standing, client: IpAddr) -> Result<Passage, TurnedAway> {
        let now = Clock.now();
        let place = match standing {
            Standing::Counted(_) => Ok(None),
            Standing::Proxy => self.quotas.connect(client, now).map(Some),
            Standing::Refused(_) => {
                let held = Passage { wait: Duration::ZERO, _place: None };
                return Err(TurnedAway::Told(Limit::ConnectionsPerAddress, held));
            }
        };
        let admitted = place.and_then(|place| Ok(Passage { wait: self.quotas.upgrade(client, now)?, _place: place }));
        admitted.map_err(|limit| match self.quotas.refuse(client) {
            Ok(place) => TurnedAway::Told(limit, Passage { wait: Duration::ZERO, _place: Some(place) }),
            Err(limit) => TurnedAway::CutOff(limit),
        })
    }

    /// How long a plain request must wait for its turn.
    pub fn pass_request(&self, client: IpAddr) -> Result<Duration, Limit> {
        self.quotas.request(client, Clock.now())
    }

    /// A place among those who are told why they may not enter. There is none where too many of an address are being told.
    pub fn refusal_place(&self, client: IpAddr) -> Result<AddressPlace, Limit> {
        self.quotas.refuse(client)
    }

    /// One of the user's sessions, if there may be one more.
    pub fn user_place(&self, user: &UserId) -> Result<UserPlace, Limit> {
        self.quotas.enter(user)
    }
}

/// What a client is told that has reached a limit at the door.
pub(crate) fn slow_down(limit: Limit) -> Expulsion {
    let reason = match limit {
        Limit::ConnectionsPerAddress => "too many connections from this address; close some, or come back later",
        Limit::ConnectionsPerUser => "too many connections of this user; close some, or come back later",
        _ => "too many connections a second from this address; come back more slowly",
    };
    Expulsion { code: CloseCode::SlowDown, reason: reason.into() }
}
