//! The server's end of one session's connection.

use std::collections::VecDeque;

use confluo_protocol::{Frame, Message, Reader};

/// What waits for one session.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) outgoing: VecDeque<Frame>,
    pub(super) is_subscribed: bool,
    pub(super) is_behind: bool,
    /// The session has ended; what waits still goes out.
    pub(super) is_ending: bool,
}

impl Connection {
    pub(super) fn push_presence(&mut self, frame: Frame, max_queued_frames: usize) {
        if self.outgoing.len() < max_queued_frames {
            self.outgoing.push_back(frame);
        } else {
            self.is_behind = true;
        }
    }
}

/// The message of a frame, and whether it is a save status with the trailing 1 of SS4.
pub(super) fn read_frame(frame: &Frame) -> (Message, bool) {
    let payload = frame.payload();
    let mut reader = Reader::new(&payload);
    let message = Message::read(&mut reader).expect("the server's frames decode");
    let tells_of_refusals = matches!(message, Message::SaveStatus(_)) && reader.read_var_uint() == Ok(1);
    assert!(reader.is_empty(), "FR1: one message in a frame");
    (message, tells_of_refusals)
}
