//! The way into a room: bounded in messages and in bytes.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use confluo_protocol::{AuthMessage, CloseCode, Message, StateVectorV1, SyncMessage, UpdateV1};
use confluo_room::{Joining, RoomInput};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    gate::{ExpulsionFlag, GateHold},
    outbox::Outbox,
};

/// Messages up to this size are bounded by their count alone.
const SMALL_MESSAGE_BYTES: usize = 4 << 10;

/// So much of a frame may stay in memory with any message of it.
const SMALL_FRAME_BYTES: usize = 1 << 10;

/// What reaches a room's task.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A session opens; the room pushes into its queue, and asks its gate.
    Join(Joining, Entrance, Option<Arc<GateHold>>),
    /// Something happened in a session.
    Input(RoomInput, Option<OwnedSemaphorePermit>),
}

/// The queue of a session that waits to be let in. If the room's task ends before, and be it by a panic, so does the session,
/// which would wait for ever otherwise.
#[derive(Debug)]
pub(crate) struct Entrance(Option<Arc<Outbox>>);

impl Entrance {
    /// The room takes the session.
    pub(crate) fn open(mut self) -> Option<Arc<Outbox>> {
        self.0.take()
    }

    /// The room does not.
    pub(crate) fn refuse(self, code: CloseCode, reason: &str) {
        if let Some(outbox) = self.open() {
            outbox.end(code, reason.to_owned().into());
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        if let Some(outbox) = self.0.take() {
            outbox.end(CloseCode::InternalError, "the room was closed by a fault; try again".into());
        }
    }
}

/// The room's task is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomGone;

/// A delivery that waits for space. Boxed: only a session whose room is busy has one.
pub(crate) type Posting = Pin<Box<dyn Future<Output = Result<(), RoomGone>> + Send>>;

/// The sending end of a room's mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Mail>,
    large_bytes: Arc<Semaphore>,
    max_large_bytes: u32,
    /// Past the mailbox, for what waits in it is not to be taken.
    pub(crate) expulsions: ExpulsionFlag,
}

impl Mailbox {
    pub(crate) fn new(messages: usize, bytes: usize) -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel(messages);
        let max_large_bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        let large_bytes = Arc::new(Semaphore::new(max_large_bytes as usize));
        (Self { sender, large_bytes, max_large_bytes, expulsions: ExpulsionFlag::default() }, receiver)
    }

    /// Whether both lead to the same room.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.sender.same_channel(&other.sender)
    }

    /// Posts at once if there is space; else returns the delivery to be awaited before the session reads on.
    pub(crate) fn post(&self, input: RoomInput) -> Result<Option<Posting>, RoomGone> {
        let bytes = weight(&input);
        if bytes <= SMALL_MESSAGE_BYTES {
            match self.sender.try_send(Mail::Input(input, None)) {
                Ok(()) => return Ok(None),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(RoomGone),
                Err(mpsc::error::TrySendError::Full(mail)) => {
                    let sender = self.sender.clone();
                    return Ok(Some(Box::pin(async move { sender.send(mail).await.map_err(|_| RoomGone) })));
                }
            }
        }
        let Self { sender, large_bytes, max_large_bytes, .. } = self.clone();
        Ok(Some(Box::pin(async move {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(max_large_bytes);
            let permit = large_bytes.acquire_many_owned(bytes).await.map_err(|_| RoomGone)?;
            sender.send(Mail::Input(input, Some(permit))).await.map_err(|_| RoomGone)
        })))
    }

    pub(crate) async fn join(
        &self,
        joining: Joining,
        outbox: Arc<Outbox>,
        gate: Option<Arc<GateHold>>,
    ) -> Result<(), RoomGone> {
        self.sender.send(Mail::Join(joining, Entrance(Some(outbox)), gate)).await.map_err(|_| RoomGone)
    }

    /// Tells the room that a session has ended; waits for space.
    pub(crate) async fn leave(&self, input: RoomInput) {
        // A room that is gone has no sessions.
        let _ = self.sender.send(Mail::Input(input, None)).await;
    }
}

fn weight(input: &RoomInput) -> usize {
    match input {
        RoomInput::Received(_, Message::Sync(SyncMessage::Step1(vector))) => vector.0.len(),
        RoomInput::Received(_, Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update))) => {
            update.0.len()
        }
        RoomInput::Received(_, Message::Awareness(bytes) | Message::SaveStatus(bytes)) => bytes.len(),
        _ => 0,
    }
}

/// Lets go of the frame that a message came in, if it is much longer: while the message waits, only its own bytes are counted.
pub(crate) fn detach(message: &mut Message, frame_bytes: usize) {
    let (Message::Sync(
        SyncMessage::Step1(StateVectorV1(payload))
        | SyncMessage::Step2(UpdateV1(payload))
        | SyncMessage::Update(UpdateV1(payload)),
    )
    | Message::Awareness(payload)
    | Message::SaveStatus(payload)
    | Message::Lineage(payload)
    | Message::Auth(AuthMessage::Token(payload) | AuthMessage::PermissionDenied(payload))) = message
    else {
        return;
    };
    if frame_bytes > 2 * payload.len() + SMALL_FRAME_BYTES {
        *payload = Bytes::copy_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr7_what_waits_keeps_no_frame_in_memory_that_is_much_longer() {
        let frame = Bytes::from(vec![0; 64 << 10]);
        let kinds: [fn(Bytes) -> Message; 8] = [
            |payload| Message::Sync(SyncMessage::Step1(StateVectorV1(payload))),
            |payload| Message::Sync(SyncMessage::Step2(UpdateV1(payload))),
            |payload| Message::Sync(SyncMessage::Update(UpdateV1(payload))),
            Message::Awareness,
            Message::SaveStatus,
            Message::Lineage,
            |payload| Message::Auth(AuthMessage::Token(payload)),
            |payload| Message::Auth(AuthMessage::PermissionDenied(payload)),
        ];
        for kind in kinds {
            let mut message = kind(frame.slice(..3));
            detach(&mut message, frame.len());
            assert!(frame.is_unique(), "the rest of it is not kept: {message:?}");
        }
        let mut message = Message::Awareness(frame.slice(100..));
        detach(&mut message, frame.len());
        assert!(!frame.is_unique(), "and nothing is copied that is most of it");
    }
}
