//! The handle: it sends commands to the one task that owns the document.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use confluo_protocol::ClientId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use yrs::{ClientID, Doc, OffsetKind, Options, Transaction, TransactionMut};

use crate::{
    ClientConfig, ClientError, ClientStatus, ConnectionState, StopReason, Token,
    task::{Command, Task},
};

/// A document that is kept in step with a server. Clones share it; it ends with [`Client::close`] or with the last clone.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<ClientStatus>,
    awareness: watch::Receiver<BTreeMap<ClientId, String>>,
    id: ClientId,
    tasks: TaskTracker,
}

impl Client {
    /// Starts connecting, and keeps at it. The document is empty and can be edited at once. Positions in texts count UTF-16
    /// units, as in Yjs.
    pub fn connect(config: ClientConfig) -> Self {
        // Counted in bytes, a text would be shorter than the halves of a character of it that is cut in two, and yrs would panic.
        let mut options = Options { offset_kind: OffsetKind::Utf16, ..Options::default() };
        if let Some(client_id) = config.client_id {
            options.client_id = ClientID::new(client_id);
        }
        Self::connect_with(config, Doc::with_options(options))
    }

    /// As [`Client::connect`], with a document that already holds something: what it has is merged. The document must
    /// not be used elsewhere from then on: its task is its one owner. Subdocuments are kept and passed on, never opened.
    pub fn connect_with(config: ClientConfig, doc: Doc) -> Self {
        let (commands, receiver) = mpsc::channel(config.command_capacity);
        let (status_sender, status) = watch::channel(ClientStatus::default());
        let id = doc.client_id().get();
        let task = Task::new(config, doc, receiver, status_sender);
        let awareness = task.watch_awareness();
        let tasks = TaskTracker::new();
        tasks.spawn(task.run());
        tasks.close();
        Self { commands, status, awareness, id, tasks }
    }

    /// The client id under which this copy edits.
    pub fn client_id(&self) -> ClientId {
        self.id
    }

    /// Changes the document in one transaction, which is sent as one update when the closure returns, or merged by the next
    /// connection. If the closure panics, what it had changed stays changed.
    pub async fn edit<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut TransactionMut<'_>) -> R + Send + 'static,
    ) -> Result<R, ClientError> {
        let (caller, answer) = oneshot::channel();
        self.command(Command::Edit(Box::new(move |txn| {
            if let Ok(output) = catch_unwind(AssertUnwindSafe(|| change(txn))) {
                drop(caller.send(output));
            }
        })))
        .await?;
        answer.await.map_err(|_| self.reason_of_silence())
    }

    /// Reads the document.
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> R + Send + 'static,
    ) -> Result<R, ClientError> {
        let (caller, answer) = oneshot::channel();
        self.command(Command::Read(Box::new(move |txn| {
            if let Ok(output) = catch_unwind(AssertUnwindSafe(|| read(txn))) {
                drop(caller.send(output));
            }
        })))
        .await?;
        answer.await.map_err(|_| self.reason_of_silence())
    }

    /// Waits until the document satisfies a condition: it is looked at now and after each change.
    pub async fn wait_until(
        &self,
        mut holds: impl FnMut(&Transaction<'_>) -> bool + Send + 'static,
    ) -> Result<(), ClientError> {
        let (caller, answer) = oneshot::channel();
        // A predicate that panics counts as true, so that its caller does not wait for ever.
        let guarded = move |txn: &Transaction<'_>| catch_unwind(AssertUnwindSafe(|| holds(txn))).unwrap_or(true);
        self.command(Command::WaitUntil(Box::new(guarded), caller)).await?;
        answer.await.map_err(|_| self.reason_of_silence())
    }

    /// Waits until the server's whole document has arrived on the present connection.
    pub async fn wait_synced(&self) -> Result<(), ClientError> {
        self.wait_status(|status| status.connection == ConnectionState::Synced).await
    }

    /// Waits for a state of the connection; fails when the client has stopped and is not in that state.
    pub async fn wait_status(&self, mut holds: impl FnMut(&ClientStatus) -> bool) -> Result<(), ClientError> {
        let mut status = self.status.clone();
        let seen = status
            .wait_for(|status| holds(status) || matches!(status.connection, ConnectionState::Stopped(_)))
            .await
            .map_err(|_| ClientError::Stopped(StopReason::ClosedByOwner))?;
        match &seen.connection {
            ConnectionState::Stopped(reason) if !holds(&seen) => Err(ClientError::Stopped(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Waits until everything edited before this call is on the server's disk (save status, type 102), through as many
    /// connections as it takes. A server that doesn't know save status never answers.
    pub async fn wait_on_disk(&self) -> Result<(), ClientError> {
        let (caller, answer) = oneshot::channel();
        self.command(Command::WaitOnDisk(caller)).await?;
        answer.await.map_err(|_| self.reason_of_silence())?
    }

    /// Publishes the own awareness state, as JSON; `None` says that this client is gone.
    pub async fn set_awareness(&self, json: Option<String>) -> Result<(), ClientError> {
        self.command(Command::SetAwareness(json)).await
    }

    /// Every awareness state that is known, the own one included, as JSON. The receiver can be waited on.
    pub fn watch_awareness(&self) -> watch::Receiver<BTreeMap<ClientId, String>> {
        self.awareness.clone()
    }

    /// Where the client stands. The receiver can be waited on.
    pub fn watch_status(&self) -> watch::Receiver<ClientStatus> {
        self.status.clone()
    }

    /// Gives the server a fresh token in-band, and uses it for later connections.
    pub async fn set_token(&self, token: Option<Token>) -> Result<(), ClientError> {
        self.command(Command::SetToken(token)).await
    }

    /// Ends the client: what is queued is sent, the connection closed, the task awaited. Edits that the server does not
    /// have are lost with the document; [`Client::wait_on_disk`] first.
    pub async fn close(self) {
        // A task that is already gone needs no command.
        drop(self.commands.send(Command::Close).await);
        drop(self.commands);
        self.tasks.wait().await;
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| self.reason_of_silence())
    }

    /// Why the task did not answer: it has ended, or the closure panicked.
    fn reason_of_silence(&self) -> ClientError {
        if self.commands.is_closed() {
            ClientError::Stopped(StopReason::ClosedByOwner)
        } else {
            ClientError::ClosurePanicked
        }
    }
}
