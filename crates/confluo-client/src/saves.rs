//! Who waits for the server's disk: save status (type 102), which the server returns once everything that this client
//! sent before it is on disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use confluo_protocol::{Message, Reader, Writer};
use tokio::sync::oneshot;

use crate::ClientError;

/// Counters sent and not yet returned, each with the caller that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Saves {
    last_counter: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), ClientError>>>,
}

impl Saves {
    /// Notes a caller; its frame is sent by [`Saves::request_last`].
    pub(crate) fn wait(&mut self, caller: oneshot::Sender<Result<(), ClientError>>) {
        self.last_counter += 1;
        self.waiting.insert(self.last_counter, caller);
    }

    /// The frame that asks for the newest waiting caller, and so for all of them. Also sent again by each new connection:
    /// the old one may have broken before its answer came.
    pub(crate) fn request_last(&self) -> Option<Bytes> {
        let (&counter, _) = self.waiting.last_key_value()?;
        let mut writer = Writer::default();
        writer.write_var_uint(counter);
        Some(Message::SaveStatus(writer.finish()).encode())
    }

    /// Takes the server's answer. Bytes that are no counter of ours are ignored.
    pub(crate) fn answered(&mut self, bytes: &Bytes, refused_writes: bool) {
        let Ok(counter) = Reader::new(bytes).read_var_uint() else { return };
        let later = self.waiting.split_off(&(counter + 1));
        for (_, caller) in std::mem::replace(&mut self.waiting, later) {
            let answer = if refused_writes { Err(ClientError::WritesRefused) } else { Ok(()) };
            // A caller that no longer waits has dropped its end.
            drop(caller.send(answer));
        }
    }

    /// Tells every caller that no answer will come.
    pub(crate) fn fail(&mut self, error: &ClientError) {
        for (_, caller) in std::mem::take(&mut self.waiting) {
            drop(caller.send(Err(error.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter_of(frame: &Bytes) -> Bytes {
        let Message::SaveStatus(bytes) = Message::read(&mut Reader::new(frame)).unwrap() else { panic!("{frame:?}") };
        bytes
    }

    #[test]
    fn an_answer_wakes_every_caller_up_to_its_counter() {
        let mut saves = Saves::default();
        assert_eq!(saves.request_last(), None);
        let (first, mut first_answer) = oneshot::channel();
        let (second, mut second_answer) = oneshot::channel();
        let (third, mut third_answer) = oneshot::channel();
        saves.wait(first);
        saves.wait(second);
        let request = saves.request_last().unwrap();
        saves.wait(third);
        saves.answered(&counter_of(&request), false);
        assert_eq!(first_answer.try_recv(), Ok(Ok(())));
        assert_eq!(second_answer.try_recv(), Ok(Ok(())));
        assert!(third_answer.try_recv().is_err());
        saves.answered(&counter_of(&saves.request_last().unwrap()), true);
        assert_eq!(third_answer.try_recv(), Ok(Err(ClientError::WritesRefused)));
    }
}
