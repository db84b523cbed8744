//! The socket: frames that wait to be sent, and the next one that arrives.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use confluo_ws::{
    Incoming, Limits, Opcode, WebSocket, WsError,
    client::{ClientRequest, ConnectError, connect},
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::{Authorities, address::Address, error::ConnectionError};

/// How long the server is given to take a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

/// An open WebSocket with its outbound queue.
#[derive(Debug)]
pub(crate) struct Connection {
    /// TLS is boxed, as it is many times as large as a bare socket.
    socket: WebSocket<Either<TcpStream, Box<TlsStream<TcpStream>>>>,
    outbound: VecDeque<Bytes>,
}

impl Connection {
    /// Resolves, connects, begins TLS if the address wants it, and upgrades.
    pub(crate) async fn open(
        address: &Address,
        authorities: &Authorities,
        target: &str,
        max_message_bytes: usize,
    ) -> Result<Self, ConnectionError> {
        let stream = TcpStream::connect(address.socket()).await.map_err(ConnectionError::Connect)?;
        // An edit is small and somebody waits for it.
        stream.set_nodelay(true).map_err(ConnectionError::Connect)?;
        let stream = match address.server_name.clone() {
            None => Either::Left(stream),
            Some(name) => {
                let stream = authorities.connect(name, stream).await.map_err(ConnectionError::Tls)?;
                Either::Right(Box::new(stream))
            }
        };
        let limits = Limits { max_message_bytes, ..Limits::default() };
        let request = ClientRequest {
            host: address.authority.clone(),
            path_and_query: target.to_owned(),
            ..ClientRequest::default()
        };
        let connected = connect(stream, &request, limits).await.map_err(|error| match error {
            ConnectError::Io(error) => ConnectionError::Connect(error),
            ConnectError::Refused(status) => ConnectionError::Refused(status.as_u16()),
            error => ConnectionError::Upgrade(error.to_string()),
        })?;
        Ok(Self { socket: connected.socket, outbound: VecDeque::new() })
    }

    /// Puts a message behind those that wait. The bound is the task's: it takes no command while too much waits.
    pub(crate) fn queue(&mut self, message: &Bytes) {
        self.outbound.push_back(self.socket.encode(Opcode::Binary, message));
    }

    /// How many messages wait to be sent.
    pub(crate) fn queued(&self) -> usize {
        self.outbound.len()
    }

    /// A number that changes whenever the server is heard, if it is with a ping or a part of a message.
    pub(crate) fn activity(&self) -> u32 {
        self.socket.activity()
    }

    /// Sends what waits while listening. Yields the next message, or `None` when all that waited has been sent.
    /// Dropping the future loses nothing.
    pub(crate) async fn exchange(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        poll_fn(|cx| self.poll_exchange(cx)).await
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ConnectionError>> {
        loop {
            match self.socket.poll_receive(cx) {
                Poll::Ready(Ok(Incoming::Message { bytes, is_text: false })) => return Poll::Ready(Ok(Some(bytes))),
                // The protocol is binary; text is from somebody else's future.
                Poll::Ready(Ok(Incoming::Message { .. } | Incoming::Ping | Incoming::Pong(_))) => {}
                Poll::Ready(Ok(Incoming::Closed(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| (frame.code, frame.reason));
                    return Poll::Ready(Err(ConnectionError::Closed { code, reason }));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(error))),
                Poll::Pending => break,
            }
        }
        if self.outbound.is_empty() && !self.socket.has_unsent() {
            return Poll::Pending;
        }
        match self.socket.poll_send(cx, &mut self.outbound) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(None)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(broken(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Answers the server's close, or says that this end gives up.
    pub(crate) async fn give_up(mut self) {
        drop(tokio::time::timeout(GOODBYE, self.socket.close(1000, "")).await);
    }

    /// Sends what waits, for which it gets this long, then closes.
    pub(crate) async fn close(mut self, within: Duration) {
        // A server that is already gone need not be told.
        drop(tokio::time::timeout(within, self.socket.send_frames(&mut self.outbound)).await);
        self.give_up().await;
    }
}

fn broken(error: WsError) -> ConnectionError {
    ConnectionError::Broken(match error {
        WsError::Io(error) => error,
        error => std::io::Error::other(error),
    })
}
