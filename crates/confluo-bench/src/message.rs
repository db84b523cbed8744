//! The few messages that a load client tells apart, without decoding more than their first bytes.

use confluo_protocol::{Message, SyncMessage, UpdateV1};

use crate::target::read_var_uint;

/// Step 2 of nothing: what a client without content answers to step 1.
pub(crate) const EMPTY_STEP_2: &[u8] = &[0, 1, 2, 0, 0];

/// What a message is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Step1,
    /// Step 2 or update, with its content.
    Content(&'a [u8]),
    /// The entries of an awareness message.
    Awareness(&'a [u8]),
    Other,
}

pub(crate) fn kind_of(message: &[u8]) -> Kind<'_> {
    match message {
        [0, 0, ..] => Kind::Step1,
        [0, 1 | 2, rest @ ..] => Kind::Content(after_length(rest)),
        [1, rest @ ..] => Kind::Awareness(after_length(rest)),
        _ => Kind::Other,
    }
}

/// Whether it is the answer to step 1: with it a client is in sync.
pub(crate) fn is_step_2(message: &[u8]) -> bool {
    message.starts_with(&[0, 1])
}

fn after_length(bytes: &[u8]) -> &[u8] {
    read_var_uint(bytes).map_or(&[], |(_, rest)| rest)
}

/// The message that carries an update.
pub(crate) fn update_message(update: Vec<u8>) -> bytes::Bytes {
    Message::Sync(SyncMessage::Update(UpdateV1(update.into()))).encode()
}
