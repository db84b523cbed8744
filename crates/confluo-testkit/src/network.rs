//! A virtual network in memory: stock-like clients, one room, a disk that flushes when it is told to.
//!
//! Everything is driven by a seeded generator and a clock of its own, so that a failing run is repeated by its seed.

mod access;
mod client;
mod connection;
mod disk;
mod durable;
mod forgery;
mod server;

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

pub use client::VirtualClient;
use confluo_protocol::{Access, DocumentName, Message, SessionId, UserId};
use confluo_room::{Joining, LineageClaim, RoomConfig};
use confluo_store::DocumentStore;
pub use disk::{LINEAGE, Written};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
pub use server::VirtualServer;

/// Some clients, and the server that they are connected to or cut off from.
pub struct Network {
    /// The clients, online or not.
    pub clients: Vec<VirtualClient>,
    /// The server with its disk.
    pub server: VirtualServer,
    /// What draws everything that happens by chance.
    pub rng: StdRng,
    now: Instant,
    last_session: u64,
    /// What each client's token says; `None` while it is revoked.
    grants: Vec<Option<Access>>,
    /// Whose each client is; nobody's in a network without users.
    users: Vec<Option<UserId>>,
    forger: Option<SessionId>,
    /// How often somebody wrote under another's client id.
    pub forgeries: usize,
    /// Each client's sessions, those included that it has given up and the server has not, or that have left.
    sessions: Vec<Vec<SessionId>>,
    /// What clients had sent in sessions that they gave up: it arrives late, or with a crash never.
    late_mail: Vec<LateMail>,
    /// How many messages have arrived late.
    pub late_arrivals: usize,
}

/// What a client had sent in a session that it has given up. The end of the session follows behind the last of it.
struct LateMail {
    session: SessionId,
    messages: VecDeque<Message>,
}

/// Something that happens, perhaps to one client.
type Thing = fn(&mut Network, usize);

/// What [`Network::step`] does, and how likely: weights, not percents.
#[derive(Debug, Clone, Copy)]
pub struct Odds {
    /// A client edits.
    pub edit: u32,
    /// A message arrives, one way or the other.
    pub deliver: u32,
    /// The disk finishes a flush.
    pub flush: u32,
    /// A client connects, or loses its connection with all that was under way.
    pub reconnect: u32,
    /// The server process dies and comes back with what is on disk.
    pub crash: u32,
    /// The clock moves on by up to ten seconds.
    pub wait: u32,
    /// The disk fails to flush: the room is discarded, its clients come back.
    pub fail_flush: u32,
    /// The disk flushes and reports that it failed: as before, but what was flushed is there.
    pub flush_unheard: u32,
    /// A client sends its last update twice.
    pub repeat: u32,
    /// A client is cut off without anyone noticing, or no longer.
    pub partition: u32,
    /// Some of what was sent in a session that its client has given up arrives, in its order, beside what the client sends
    /// in its new session.
    pub late_mail: u32,
    /// A client asks for a save status.
    pub save_status: u32,
    /// A grant is reduced to reading or widened to writing, perhaps on a live session.
    pub access: u32,
    /// A token expires: the session ends when what waits has gone out, and the client comes back.
    pub expire: u32,
    /// A client is revoked: its session ends at once, and it does not get in. Or it is pardoned.
    pub revoke: u32,
    /// Somebody writes under the id of a client that is there to be protected; nobody is in a network without users.
    pub forge: u32,
}

impl Default for Odds {
    fn default() -> Self {
        Self {
            edit: 30,
            deliver: 60,
            flush: 20,
            reconnect: 4,
            crash: 1,
            wait: 1,
            fail_flush: 1,
            flush_unheard: 2,
            repeat: 2,
            partition: 6,
            late_mail: 6,
            save_status: 5,
            access: 0,
            expire: 0,
            revoke: 0,
            forge: 0,
        }
    }
}

impl Network {
    /// `clients` clients that are all offline.
    pub fn new(seed: u64, clients: u64) -> Self {
        Self::with_client_ids(seed, 1..=clients)
    }

    /// Clients of these ids, all offline.
    pub fn with_client_ids(seed: u64, ids: impl IntoIterator<Item = u64>) -> Self {
        Self::round(VirtualServer::new(RoomConfig::default(), Vec::new()), seed, ids)
    }

    /// As [`Network::with_client_ids`], with the server's disk in a document of `store`, which does not have it yet.
    pub fn on_store(
        store: Arc<dyn DocumentStore>,
        document: DocumentName,
        seed: u64,
        ids: impl IntoIterator<Item = u64>,
    ) -> Self {
        Self::round(VirtualServer::in_store(RoomConfig::default(), store, document), seed, ids)
    }

    fn round(server: VirtualServer, seed: u64, ids: impl IntoIterator<Item = u64>) -> Self {
        let now = start_of_time();
        let clients: Vec<_> = ids.into_iter().map(VirtualClient::new).collect();
        Self {
            grants: vec![Some(Access::Write); clients.len()],
            users: vec![None; clients.len()],
            forger: None,
            forgeries: 0,
            sessions: vec![Vec::new(); clients.len()],
            late_mail: Vec::new(),
            late_arrivals: 0,
            clients,
            server,
            rng: StdRng::seed_from_u64(seed),
            now,
            last_session: 0,
        }
    }

    /// The network's own time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock and lets the server notice.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.server.tick(self.now);
    }

    /// Connects a client in a new session, unless it is revoked.
    pub fn connect(&mut self, client: usize) {
        let Some(access) = self.grants[client] else { return };
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let user = self.users[client].clone();
        self.server.join(self.now, Joining { access, user, ..joining(session) });
        self.sessions[client].push(session);
        self.clients[client].connect(session);
    }

    /// Cuts a client off: what was under way is lost, and the server hears of it.
    pub fn disconnect(&mut self, client: usize) {
        if let Some(session) = self.clients[client].disconnect() {
            self.server.leave(self.now, session);
        }
    }

    /// One thing happens by chance.
    pub fn step(&mut self, odds: Odds) {
        let things: [(u32, Thing); 16] = [
            (odds.edit, |network, client| network.clients[client].edit(&mut network.rng)),
            (odds.deliver, |network, _| network.deliver_some()),
            (odds.flush, |network, _| network.server.flush(network.now)),
            (odds.reconnect, Self::reconnect),
            (odds.crash, |network, _| network.crash()),
            (odds.wait, |network, _| {
                let millis = network.rng.random_range(0..10_000);
                network.wait(Duration::from_millis(millis));
            }),
            (odds.fail_flush, |network, _| network.server.fail_flush(Written::Nothing)),
            (odds.flush_unheard, |network, _| network.server.fail_flush(Written::All)),
            (odds.repeat, |network, client| network.clients[client].repeat()),
            (odds.partition, |network, client| network.clients[client].is_cut_off ^= true),
            (odds.late_mail, |network, _| network.deliver_late()),
            (odds.save_status, |network, client| network.clients[client].ask_for_save_status()),
            (odds.access, Self::change_access),
            (odds.expire, Self::expire),
            (odds.revoke, Self::revoke_or_pardon),
            (odds.forge, |network, _| network.forge()),
        ];
        let client = self.rng.random_range(0..self.clients.len());
        let (_, thing) = *things.choose_weighted(&mut self.rng, |(odds, _)| *odds).expect("some odds");
        thing(self, client);
    }

    fn reconnect(&mut self, client: usize) {
        match self.clients[client].session() {
            None => self.connect(client),
            Some(session) if self.clients[client].is_cut_off => {
                // The client gives up first; the server has not heard of it, and keeps the old session half-open.
                let messages = self.clients[client].take_outgoing(usize::MAX).into();
                self.late_mail.push(LateMail { session, messages });
                self.clients[client].disconnect();
                self.connect(client);
            }
            Some(_) => self.disconnect(client),
        }
    }

    /// The server process dies: every connection breaks, and only what was flushed is left. Of what was being flushed
    /// nobody heard whether it was.
    pub fn crash(&mut self) {
        for client in &mut self.clients {
            client.disconnect();
        }
        self.late_mail.clear();
        let written = if self.rng.random() { Written::All } else { Written::Nothing };
        self.server.crash(written);
    }

    /// Some of one half-open session's mail arrives; behind the last of it, that the session is over.
    fn deliver_late(&mut self) {
        if self.late_mail.is_empty() {
            return;
        }
        let one = self.rng.random_range(0..self.late_mail.len());
        let LateMail { session, messages } = &mut self.late_mail[one];
        let session = *session;
        let count = self.rng.random_range(0..=messages.len());
        let messages_left = messages.len() - count;
        let arriving: Vec<_> = messages.drain(..count).collect();
        self.late_arrivals += count;
        self.server.receive(self.now, session, arriving);
        if messages_left == 0 {
            self.late_mail.swap_remove(one);
            self.server.leave(self.now, session);
        }
    }

    /// Delivers a few messages, one way or both, for a client that has some under way.
    fn deliver_some(&mut self) {
        let busy: Vec<_> = (0..self.clients.len()).filter(|&client| self.has_mail(client)).collect();
        if let Some(&client) = busy.choose(&mut self.rng)
            && !self.clients[client].is_cut_off
        {
            let most = if self.rng.random() { usize::MAX } else { 2 };
            self.deliver_up_to(client, most);
        }
    }

    fn has_mail(&self, client: usize) -> bool {
        let client = &self.clients[client];
        let is_online =
            |session| client.has_outgoing() || !client.incoming.is_empty() || self.server.has_outgoing(session);
        client.session().is_some_and(is_online)
    }

    /// Delivers everything that waits between one client and the server, both ways.
    pub fn deliver(&mut self, client: usize) {
        self.clients[client].is_cut_off = false;
        self.deliver_up_to(client, usize::MAX);
    }

    fn deliver_up_to(&mut self, client: usize, most: usize) {
        let Some(session) = self.clients[client].session() else { return };
        let outgoing = self.clients[client].take_outgoing(most);
        self.server.receive(self.now, session, outgoing);
        let client = &mut self.clients[client];
        let Some(incoming) = self.server.take_frames(self.now, session) else {
            client.disconnect();
            return;
        };
        client.incoming.extend(incoming);
        for _ in 0..most.min(client.incoming.len()) {
            let next = client.incoming.pop_front();
            if let Some(promise) = next.and_then(|(message, refused)| client.receive(message, refused)) {
                self.server.durable.assert_keeps(client.id(), &promise);
            }
        }
    }

    /// Connects everyone and goes on until nothing is under way and everything is on disk.
    pub fn run_until_quiescent(&mut self) {
        for client in 0..self.clients.len() {
            if self.clients[client].session().is_none() {
                self.connect(client);
            }
        }
        for _ in 0..500 {
            let is_busy = (0..self.clients.len()).any(|client| self.has_mail(client))
                || self.server.is_flushing()
                || !self.late_mail.is_empty();
            self.deliver_late();
            for client in 0..self.clients.len() {
                self.deliver(client);
            }
            self.server.flush(self.now);
            self.wait(Duration::from_millis(200));
            let all_connected = (0..self.clients.len())
                .all(|client| self.clients[client].session().is_some() || self.grants[client].is_none());
            // Time has passed, so that the server may have something to say.
            let is_over = !(0..self.clients.len()).any(|client| self.has_mail(client));
            if !is_busy && is_over && all_connected {
                return;
            }
            for client in 0..self.clients.len() {
                if self.clients[client].session().is_none() {
                    self.connect(client);
                }
            }
        }
        let mail: Vec<_> = (0..self.clients.len()).map(|client| self.has_mail(client)).collect();
        panic!("the network does not come to rest: mail {mail:?}, last closed {:?}", self.server.closed.last());
    }

    /// Every replica, the server's and the disk's included, holds the same content, state vector and delete set.
    pub fn assert_converged(&mut self) {
        let expected = self.server.content_on_disk();
        for client in &self.clients {
            assert_eq!(client.content(), expected, "client {} differs from the disk", client.id());
        }
        assert_eq!(self.server.content_in_memory(self.now), expected, "the room differs from the disk");
    }
}

/// A writer from the loopback address who does not care about lineage.
pub fn joining(session: SessionId) -> Joining {
    Joining {
        session,
        access: Access::Write,
        user: None,
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        lineage: LineageClaim::Unaware,
    }
}

/// Where the clock of a test begins.
#[allow(clippy::disallowed_methods, reason = "an arbitrary origin: only differences to it are used")]
pub fn start_of_time() -> Instant {
    Instant::now()
}
