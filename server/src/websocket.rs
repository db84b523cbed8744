//! A WebSocket as the hub's sessions see it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use confluo_hub::{Received, SessionSocket, SocketLost};
use confluo_protocol::{AuthMessage, CloseCode, Frame, Message, Reader};
use confluo_ws::{Incoming, WebSocket, WsError};
use tokio::io::{AsyncRead, AsyncWrite};

/// One client's WebSocket.
pub(crate) struct ClientSocket<S> {
    /// Boxed: each of the futures that pass it on would keep its size for as long as the session lives.
    socket: Box<WebSocket<S>>,
    is_closing: bool,
    /// A frame that was looked at before the session began; it gets it first.
    first: Option<Bytes>,
}

/// More came than may come before a token, or as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flood;

impl<S> ClientSocket<S> {
    /// Takes over a WebSocket whose upgrade is done.
    pub(crate) fn new(socket: WebSocket<S>) -> Self {
        Self { socket: Box::new(socket), is_closing: false, first: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientSocket<S> {
    /// Waits for the first message: the token in it, if it is one (AU1). The session receives it again, and answers.
    /// `max_message_bytes` holds for what follows. Whoever sends more than `max_bytes` before that, as one message, in pings or
    /// in fragments, is a flood.
    pub(crate) async fn first_token(
        &mut self,
        max_bytes: usize,
        max_message_bytes: usize,
    ) -> Result<Option<Bytes>, Flood> {
        self.socket.set_max_message_bytes(max_bytes);
        let frame = loop {
            let received = poll_fn(|cx| {
                let received = self.poll_receive(cx);
                let is_message = matches!(received, Poll::Ready(Received::Message(_)));
                if !is_message && self.socket.received_bytes() as usize > max_bytes {
                    return Poll::Ready(Err(Flood));
                }
                received.map(Ok)
            });
            match received.await? {
                Received::Activity => {}
                Received::Message(frame) => break frame,
                Received::Refused { code: CloseCode::TooLarge, .. } => return Err(Flood),
                Received::Closed | Received::Refused { .. } => return Ok(None),
            }
        };
        let Ok(Message::Auth(AuthMessage::Token(token))) = Message::read(&mut Reader::new(&frame)) else {
            return Ok(None);
        };
        self.socket.set_max_message_bytes(max_message_bytes);
        self.first = Some(frame);
        Ok(Some(token))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> SessionSocket for ClientSocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Received::Message(first));
        }
        let incoming = std::task::ready!(self.socket.poll_receive(cx));
        Poll::Ready(match incoming {
            Ok(Incoming::Message { bytes, is_text: false }) => Received::Message(bytes),
            Ok(Incoming::Message { is_text: true, .. }) => {
                let reason = "a text message; this protocol is binary".to_owned();
                Received::Refused { code: CloseCode::Malformed, reason }
            }
            Ok(Incoming::Ping | Incoming::Pong(_)) => Received::Activity,
            Err(error @ WsError::MessageTooLarge { .. }) => {
                Received::Refused { code: CloseCode::TooLarge, reason: error.to_string() }
            }
            Err(error @ WsError::Protocol(_)) => {
                Received::Refused { code: CloseCode::Malformed, reason: error.to_string() }
            }
            Ok(Incoming::Closed(_)) | Err(_) => Received::Closed,
        })
    }

    fn activity(&self) -> u32 {
        self.socket.activity()
    }

    fn received_bytes(&self) -> u32 {
        self.socket.received_bytes()
    }

    fn sent_bytes(&self) -> u32 {
        self.socket.sent_bytes()
    }

    fn encode(frame: Frame) -> Bytes {
        frame.into_wire()
    }

    fn encode_ping() -> Bytes {
        confluo_ws::frame::ping(&[])
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &mut VecDeque<Bytes>) -> Poll<Result<(), SocketLost>> {
        self.socket.poll_send(cx, frames).map_err(|_| SocketLost)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<()> {
        if !std::mem::replace(&mut self.is_closing, true) {
            self.socket.begin_close(code.code(), reason);
        }
        self.socket.poll_close(cx).map(|_| ())
    }
}
