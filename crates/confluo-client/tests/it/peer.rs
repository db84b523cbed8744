//! A server of a few lines that does just what the test says.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use confluo_client::{
    Backoff, ClientConfig,
    yrs::{
        Doc, GetString, ReadTxn, StateVector, Text, Transact, Update, updates::decoder::Decode,
        updates::encoder::Encode,
    },
};
use confluo_protocol::{Message, StateVectorV1, SyncMessage, UpdateV1};
use confluo_ws::{Incoming, Limits, Opcode, Role, WebSocket, handshake::accept_key};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Everything that a test waits for comes sooner than this, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it should have happened by now")
}

pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// A configuration that connects here and comes back without patience.
    pub(crate) fn config(&self) -> ClientConfig {
        let address = self.listener.local_addr().unwrap();
        let mut config = ClientConfig::new(&format!("ws://{address}/sync/notes")).unwrap();
        config.backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5), 1);
        config
    }

    pub(crate) async fn accept(&self) -> Session {
        soon(async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            Session { socket: WebSocket::new(stream, Role::Server, Bytes::new(), Limits::default()), target }
        })
        .await
    }

    /// Accepts and answers with an HTTP status instead.
    pub(crate) async fn refuse(&self, status: &str) {
        let (mut stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    }
}

pub(crate) struct Session {
    socket: WebSocket<TcpStream>,
    /// Path and query of the request.
    pub(crate) target: String,
}

impl Session {
    pub(crate) async fn send(&mut self, message: Message) {
        self.send_frame(&message.encode()).await;
    }

    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        let mut frames = VecDeque::from([self.socket.encode(Opcode::Binary, frame)]);
        self.socket.send_frames(&mut frames).await.unwrap();
    }

    /// The next message; a frame must hold just one.
    pub(crate) async fn receive(&mut self) -> Message {
        soon(async {
            loop {
                match self.socket.receive().await.unwrap() {
                    Incoming::Message { bytes, .. } => {
                        let mut messages = Message::read_all(&bytes).unwrap();
                        assert_eq!(messages.len(), 1, "FR1: one message a frame");
                        return messages.remove(0);
                    }
                    Incoming::Closed(frame) => panic!("the client closed: {frame:?}"),
                    Incoming::Ping | Incoming::Pong(_) => {}
                }
            }
        })
        .await
    }

    /// Receives until a message fits, and returns what was made of it.
    pub(crate) async fn receive_until<T>(&mut self, mut fits: impl FnMut(Message) -> Option<T>) -> T {
        loop {
            if let Some(output) = fits(self.receive().await) {
                return output;
            }
        }
    }

    /// The server's part of the sync handshake: afterwards both have everything.
    pub(crate) async fn sync(&mut self, doc: &Doc) {
        let vector = doc.transact().state_vector().encode_v1();
        self.send(Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into())))).await;
        let (mut asked, mut answered) = (false, false);
        while !(asked && answered) {
            match self.receive().await {
                Message::Sync(SyncMessage::Step1(vector)) => {
                    let vector = StateVector::decode_v1(&vector.0).unwrap();
                    let diff = doc.transact().encode_diff_v1(&vector);
                    self.send(Message::Sync(SyncMessage::Step2(UpdateV1(diff.into())))).await;
                    asked = true;
                }
                Message::Sync(SyncMessage::Step2(update)) => {
                    apply(doc, &update);
                    answered = true;
                }
                _ => {}
            }
        }
    }

    /// The bytes of the next save status.
    pub(crate) async fn receive_save_status(&mut self) -> Bytes {
        self.receive_until(|message| match message {
            Message::SaveStatus(bytes) => Some(bytes),
            _ => None,
        })
        .await
    }

    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        soon(self.socket.close(code, reason)).await.unwrap();
    }
}

pub(crate) fn apply(doc: &Doc, update: &UpdateV1) {
    doc.transact_mut().apply_update(Update::decode_v1(&update.0).unwrap()).unwrap();
}

/// A document whose text `note` holds this.
pub(crate) fn document(text: &str) -> Doc {
    let doc = Doc::new();
    let note = doc.get_or_insert_text("note");
    note.push(&mut doc.transact_mut(), text);
    doc
}

pub(crate) fn note_of(doc: &Doc) -> String {
    let note = doc.get_or_insert_text("note");
    note.get_string(&doc.transact())
}
