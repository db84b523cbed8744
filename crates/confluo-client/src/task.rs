//! The one task that owns the document: it connects, listens, obeys the handles, and comes back when a connection ends.

use std::{future::Future, pin::pin, time::Duration};

use bytes::Bytes;
use confluo_protocol::{AuthMessage, Message};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time,
};
use yrs::{Doc, Transact, Transaction, TransactionMut};

use crate::{
    ClientConfig, ClientError, ClientStatus, ConnectionState, Lineage, StopReason, Token,
    connection::Connection,
    error::ConnectionError,
    presence::TICK,
    replica::{Heard, Replica},
};

pub(crate) type Edit = Box<dyn FnOnce(&mut TransactionMut<'_>) + Send>;
pub(crate) type Read = Box<dyn FnOnce(&Transaction<'_>) + Send>;
pub(crate) type Predicate = Box<dyn FnMut(&Transaction<'_>) -> bool + Send>;

/// What a handle asks of the task.
pub(crate) enum Command {
    Edit(Edit),
    Read(Read),
    WaitUntil(Predicate, oneshot::Sender<()>),
    WaitOnDisk(oneshot::Sender<Result<(), ClientError>>),
    SetAwareness(Option<String>),
    SetToken(Option<Token>),
    Close,
}

pub(crate) struct Task {
    config: ClientConfig,
    replica: Replica,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<ClientStatus>,
    predicates: Vec<(Predicate, oneshot::Sender<()>)>,
}

/// The owner wants the task to end.
struct Closed;

impl Task {
    pub(crate) fn new(
        config: ClientConfig,
        doc: Doc,
        commands: mpsc::Receiver<Command>,
        status: watch::Sender<ClientStatus>,
    ) -> Self {
        Self { config, replica: Replica::new(doc), commands, status, predicates: Vec::new() }
    }

    pub(crate) fn watch_awareness(&self) -> watch::Receiver<crate::presence::States> {
        self.replica.presence.watch()
    }

    pub(crate) async fn run(mut self) {
        // Only the owner ends this; everything else ends in another attempt or in waiting for the owner.
        let Err(Closed) = self.run_until_closed().await;
        self.stop(StopReason::ClosedByOwner);
    }

    async fn run_until_closed(&mut self) -> Result<std::convert::Infallible, Closed> {
        loop {
            self.status.send_modify(|status| status.connection = ConnectionState::Connecting);
            let attempt = self.open();
            let error = match self.obey_until(attempt).await? {
                Ok(connection) => self.stay_connected(connection).await?,
                Err(error) => error,
            };
            self.replica.disconnected();
            if let Some(reason) = error.stop_reason() {
                self.stop(reason);
                self.obey_until(std::future::pending::<std::convert::Infallible>()).await?;
            }
            let wait = self.config.backoff.next_wait();
            let because = with_sources(&error);
            self.status.send_modify(|status| status.connection = ConnectionState::Waiting { because, wait });
            self.obey_until(time::sleep(wait)).await?;
        }
    }

    fn stop(&mut self, reason: StopReason) {
        self.replica.stopped(&ClientError::Stopped(reason.clone()));
        self.status.send_modify(|status| status.connection = ConnectionState::Stopped(reason));
    }

    fn open(&self) -> impl Future<Output = Result<Connection, ConnectionError>> + Send + use<> {
        let lineage = match (self.status.borrow().lineage, self.config.lineage) {
            (Some(known), _) | (None, Lineage::Known(known)) => Some(known.to_string()),
            (None, Lineage::Ask) => Some(String::new()),
            (None, Lineage::Unsaid) => None,
        };
        let token = self.config.token.clone().map(|token| ("token", token.0));
        let target = self.config.address.target(token.into_iter().chain(lineage.map(|id| ("lineage", id))));
        let (address, authorities) = (self.config.address.clone(), self.config.authorities.clone());
        let (limit, timeout) = (self.config.max_message_bytes, self.config.connect_timeout);
        async move {
            time::timeout(timeout, Connection::open(&address, &authorities, &target, limit))
                .await
                .unwrap_or(Err(ConnectionError::ConnectTimeout))
        }
    }

    /// Obeys the handles while something else is awaited, without a connection.
    async fn obey_until<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Closed> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                command = self.commands.recv() => {
                    // Without a connection nothing can be sent; the next connection's step 2 carries it.
                    self.obey(command.ok_or(Closed)?)?;
                }
            }
        }
    }

    /// Keeps one connection until it ends; the error says why it did.
    async fn stay_connected(&mut self, mut connection: Connection) -> Result<ConnectionError, Closed> {
        let error = self.exchange_until_it_ends(&mut connection).await;
        match &error {
            Ok(ConnectionError::Closed { .. } | ConnectionError::Malformed(_)) => connection.give_up().await,
            Ok(_) => {}
            Err(Closed) => connection.close(self.config.connect_timeout).await,
        }
        error
    }

    async fn exchange_until_it_ends(&mut self, connection: &mut Connection) -> Result<ConnectionError, Closed> {
        self.status.send_modify(|status| status.connection = ConnectionState::Syncing);
        for frame in self.replica.connected() {
            connection.queue(&frame);
        }
        let mut renewal = interval(self.config.awareness_renewal);
        let mut tick = interval(TICK);
        let mut silence = pin!(time::sleep(self.config.silence_timeout));
        let mut activity = connection.activity();
        loop {
            let room_for_more = connection.queued() < self.config.outbound_capacity;
            tokio::select! {
                biased;
                frame = connection.exchange() => {
                    let heard = match frame.and_then(|frame| match frame {
                        Some(frame) => self.replica.receive(&frame),
                        None => Ok(Heard::default()),
                    }) {
                        Ok(heard) => heard,
                        Err(error) => return Ok(error),
                    };
                    self.take_note(heard, connection);
                }
                command = self.commands.recv(), if room_for_more => {
                    let closing = match command {
                        Some(command) => self.obey(command),
                        None => Err(Closed),
                    };
                    match closing {
                        Ok(Some(frame)) => connection.queue(&frame),
                        Ok(None) => {}
                        Err(Closed) => return Err(Closed),
                    }
                }
                _ = tick.tick() => self.replica.presence.tick(),
                _ = renewal.tick() => {
                    if let Some(frame) = self.replica.presence.renew() {
                        connection.queue(&frame);
                    }
                }
                () = &mut silence => {
                    // One timer looks back over the whole interval, so that a busy connection does not reset it per frame.
                    let before = std::mem::replace(&mut activity, connection.activity());
                    if before == activity {
                        return Ok(ConnectionError::Silence);
                    }
                    silence.set(time::sleep(self.config.silence_timeout));
                }
            }
        }
    }

    fn take_note(&mut self, heard: Heard, connection: &mut Connection) {
        for frame in heard.replies {
            connection.queue(&frame);
        }
        if heard.document_changed {
            self.check_predicates();
        }
        let (synced, lineage, access, denied) = (heard.synced, heard.lineage, heard.access, heard.denied);
        if synced {
            self.config.backoff.reset();
        }
        self.status.send_if_modified(|status| {
            let newly_synced = synced && status.connection != ConnectionState::Synced;
            if newly_synced {
                status.connection = ConnectionState::Synced;
                status.times_synced += 1;
            }
            let news = newly_synced || lineage.is_some() || access.is_some() || denied.is_some();
            status.lineage = lineage.or(status.lineage);
            status.access = access.or(status.access);
            if denied.is_some() {
                status.denied = denied;
            }
            news
        });
    }

    /// Does what a handle asks; the frame is for the server.
    fn obey(&mut self, command: Command) -> Result<Option<Bytes>, Closed> {
        Ok(match command {
            Command::Edit(change) => {
                let frame = self.replica.edit(change);
                self.check_predicates();
                frame
            }
            Command::Read(read) => {
                read(&self.replica.doc.transact());
                None
            }
            Command::WaitUntil(predicate, caller) => {
                self.predicates.push((predicate, caller));
                self.check_predicates();
                None
            }
            Command::WaitOnDisk(caller) => {
                let stopped = match &self.status.borrow().connection {
                    ConnectionState::Stopped(reason) => Some(reason.clone()),
                    _ => None,
                };
                match stopped {
                    Some(reason) => {
                        drop(caller.send(Err(ClientError::Stopped(reason))));
                        None
                    }
                    None => self.replica.wait_on_disk(caller),
                }
            }
            Command::SetAwareness(json) => self.replica.set_awareness(json),
            Command::SetToken(token) => {
                self.config.token.clone_from(&token);
                token.map(|token| Message::Auth(AuthMessage::Token(token.0.into())).encode())
            }
            Command::Close => return Err(Closed),
        })
    }

    fn check_predicates(&mut self) {
        if self.predicates.is_empty() {
            return;
        }
        let txn = self.replica.doc.transact();
        for (_, caller) in self.predicates.extract_if(.., |(holds, caller)| caller.is_closed() || holds(&txn)) {
            // Nobody may be waiting any more.
            let _ = caller.send(());
        }
    }
}

fn interval(period: Duration) -> time::Interval {
    let mut interval = time::interval(period);
    interval.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    // The first tick of an interval is immediate; these are about what happens later.
    interval.reset();
    interval
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
