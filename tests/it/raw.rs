//! A bare WebSocket, for what an honest client would not do: being silent, not reading, sending nonsense.

use std::net::SocketAddr;

use bytes::Bytes;
use confluo_client::{
    Client,
    yrs::{Doc, ReadTxn, StateVector, Transact, Update, updates::decoder::Decode, updates::encoder::Encode},
};
use confluo_protocol::{
    AwarenessEntry, AwarenessReader, AwarenessWriter, ClientId, Message, StateVectorV1, SyncMessage, UpdateV1,
};
use confluo_ws::{
    Incoming, Limits, Opcode, WebSocket,
    client::{ClientRequest, connect},
};
use http::HeaderMap;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::soon;

pub(crate) struct Raw {
    pub(crate) socket: WebSocket<TcpStream>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Self {
        Self::connect_with(address, target, HeaderMap::new(), &[]).await.0
    }

    /// With further headers and offered subprotocols; also says which of those the server selected.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        target: &str,
        headers: HeaderMap,
        subprotocols: &[String],
    ) -> (Self, Option<String>) {
        let socket = TcpSocket::new_v4().unwrap();
        // Small, so that a reader that stops is noticed soon.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let stream = soon(socket.connect(address)).await.unwrap();
        let (host, path_and_query, subprotocols) = (address.to_string(), target.to_owned(), subprotocols.to_vec());
        let request = ClientRequest { host, path_and_query, headers, subprotocols };
        let limits = Limits { max_message_bytes: 256 << 20, ..Limits::default() };
        let connected = soon(connect(stream, &request, limits)).await.unwrap();
        (Self { socket: connected.socket }, connected.subprotocol)
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        self.send_bytes(Opcode::Binary, &message.encode()).await;
    }

    pub(crate) async fn send_bytes(&mut self, opcode: Opcode, bytes: &[u8]) {
        soon(self.socket.send(opcode, bytes)).await.unwrap();
    }

    /// Bytes as they are, whatever frame they belong to. Waits for as long as the server does not read.
    pub(crate) async fn send_raw(&mut self, mut bytes: &[u8]) {
        let stream = self.socket.stream();
        while !bytes.is_empty() {
            stream.writable().await.unwrap();
            match stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
        }
    }

    /// The next message, or the close code.
    pub(crate) async fn receive(&mut self) -> Result<Message, u16> {
        soon(async {
            loop {
                match self.socket.receive().await.unwrap() {
                    Incoming::Message { bytes, .. } => {
                        let mut messages = Message::read_all(&bytes).unwrap();
                        assert_eq!(messages.len(), 1, "FR1: one message a frame");
                        return Ok(messages.remove(0));
                    }
                    Incoming::Closed(frame) => return Err(frame.map_or(1005, |frame| frame.code)),
                    Incoming::Ping | Incoming::Pong(_) => {}
                }
            }
        })
        .await
    }

    /// Reads on until a message fits.
    pub(crate) async fn receive_until(&mut self, mut fits: impl FnMut(&Message) -> bool) -> Message {
        // As a whole: a server that says something else for ever must not keep the test waiting.
        soon(async {
            loop {
                let message = self.receive().await.expect("the server should not close");
                if fits(&message) {
                    return message;
                }
            }
        })
        .await
    }

    /// Reads on until the server closes; the code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        soon(async {
            loop {
                if let Err(code) = self.receive().await {
                    return code;
                }
            }
        })
        .await
    }

    pub(crate) async fn send_presence(&mut self, id: ClientId, clock: u64, json: &str) {
        let mut entries = AwarenessWriter::default();
        entries.push(AwarenessEntry { client_id: id, clock, json: json.as_bytes() });
        self.send(&Message::Awareness(entries.finish())).await;
    }

    /// Publishes presence, waits until `other` sees it and its echo is here, and returns what came before that echo.
    pub(crate) async fn send_and_see_presence(&mut self, other: &Client, id: ClientId) -> Vec<Message> {
        self.send_presence(id, 1, "{}").await;
        soon(other.watch_awareness().wait_for(|states| states.contains_key(&id))).await.unwrap();
        let mut before = Vec::new();
        self.receive_until(|message| {
            let is_echo = matches!(message, Message::Awareness(payload) if names(payload, id));
            if !is_echo {
                before.push(message.clone());
            }
            is_echo
        })
        .await;
        before
    }

    /// Asks for all that `doc` lacks.
    pub(crate) async fn ask(&mut self, doc: &Doc) {
        let vector = doc.transact().state_vector().encode_v1();
        self.send(&Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into())))).await;
    }

    /// Applies what arrives until the document satisfies a condition.
    pub(crate) async fn read_into(&mut self, doc: &Doc, holds: impl Fn(&Doc) -> bool) {
        while !holds(doc) {
            let message = self.receive().await.expect("the server should not close");
            if let Message::Sync(SyncMessage::Step2(update) | SyncMessage::Update(update)) = message {
                apply(doc, &update);
            }
        }
    }
}

fn names(payload: &Bytes, id: ClientId) -> bool {
    AwarenessReader::new(payload).unwrap().any(|entry| entry.unwrap().client_id == id)
}

pub(crate) fn apply(doc: &Doc, update: &UpdateV1) {
    doc.transact_mut().apply_update(Update::decode_v1(&update.0).unwrap()).unwrap();
}

/// Everything in `doc`, as an edit to send.
pub(crate) fn update_of(doc: &Doc) -> Message {
    let update = doc.transact().encode_diff_v1(&StateVector::default());
    Message::Sync(SyncMessage::Update(UpdateV1(update.into())))
}
