//! Which documents are open: at most one room each, opened once however many join at the same moment.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use confluo_protocol::DocumentName;
use tokio::sync::mpsc;

use crate::mailbox::{Mail, Mailbox};

/// The open rooms. The lock is taken when a session joins or leaves and when a room opens or closes, never for a message.
#[derive(Default)]
pub(crate) struct Rooms {
    open: Mutex<HashMap<DocumentName, OpenRoom>>,
}

struct OpenRoom {
    mailbox: Mailbox,
    /// Sessions that hold the mailbox, those included whose join has not reached the room yet.
    sessions: usize,
}

/// Why a session cannot enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnterError {
    TooManySessions,
    TooManyDocuments,
}

/// A place in a room.
pub(crate) struct Entered {
    pub(crate) mailbox: Mailbox,
    /// The receiving end, if the room has to be opened: by whoever got it, and nobody else.
    pub(crate) to_open: Option<mpsc::Receiver<Mail>>,
}

/// Bounds at the door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DoorLimits {
    pub(crate) max_sessions_per_document: usize,
    pub(crate) max_open_documents: usize,
    pub(crate) mailbox_messages: usize,
    pub(crate) mailbox_bytes: usize,
}

impl Rooms {
    /// Takes a place, which must be given back by [`Rooms::leave`].
    pub(crate) fn enter(&self, document: &DocumentName, limits: DoorLimits) -> Result<Entered, EnterError> {
        let mut open = self.lock();
        if let Some(room) = open.get_mut(document) {
            if room.sessions >= limits.max_sessions_per_document {
                return Err(EnterError::TooManySessions);
            }
            room.sessions += 1;
            return Ok(Entered { mailbox: room.mailbox.clone(), to_open: None });
        }
        if open.len() >= limits.max_open_documents {
            return Err(EnterError::TooManyDocuments);
        }
        let (mailbox, receiver) = Mailbox::new(limits.mailbox_messages, limits.mailbox_bytes);
        open.insert(document.clone(), OpenRoom { mailbox: mailbox.clone(), sessions: 1 });
        Ok(Entered { mailbox, to_open: Some(receiver) })
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, document: &DocumentName, mailbox: &Mailbox) {
        if let Some(room) = self.lock().get_mut(document)
            && room.mailbox.is_same(mailbox)
        {
            room.sessions -= 1;
        }
    }

    /// Called by a room's task, with nothing left to write: takes the room off the list unless somebody is on the way
    /// in. After true the document may be opened again.
    pub(crate) fn close_if_empty(&self, document: &DocumentName, mailbox: &mpsc::Receiver<Mail>) -> bool {
        let mut open = self.lock();
        let is_empty = open.get(document).is_none_or(|room| room.sessions == 0) && mailbox.is_empty();
        if is_empty {
            open.remove(document);
        }
        is_empty
    }

    /// Called when a room's task has ended by a fault: whoever joins next opens the document from disk.
    pub(crate) fn remove(&self, document: &DocumentName) {
        self.lock().remove(document);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DocumentName, OpenRoom>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
