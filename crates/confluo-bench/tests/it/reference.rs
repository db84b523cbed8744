//! A y-websocket server of a few lines, on a thread of its own: it keeps documents in memory and re-encodes every update.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bytes::Bytes;
use confluo_client::yrs::{
    Doc, ReadTxn, StateVector, Transact, Update,
    updates::{decoder::Decode, encoder::Encode},
};
use confluo_protocol::{Message, StateVectorV1, SyncMessage, UpdateV1};
use confluo_ws::{Incoming, Limits, Opcode, Role, WebSocket, handshake::accept_key};
use tokio::sync::mpsc;

#[derive(Default)]
struct Room {
    doc: Doc,
    updates: u64,
    members: Vec<mpsc::Sender<Bytes>>,
}

type Rooms = Arc<Mutex<HashMap<String, Room>>>;

/// Starts it; it ends with the test's process. It forgets to send every update whose number `forgets` divides.
pub(crate) fn serve(forgets: Option<u64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/{{room}}", listener.local_addr().unwrap());
    let rooms = Rooms::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, rooms) = (stream.unwrap(), Arc::clone(&rooms));
            thread::spawn(move || serve_one(stream, &rooms, forgets));
        }
    });
    url
}

fn serve_one(mut stream: TcpStream, rooms: &Rooms, forgets: Option<u64>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = accept_key(key.as_bytes());
    let answer =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
    stream.write_all(format!("{answer}{accept}\r\n\r\n").as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut socket = WebSocket::new(stream, Role::Server, Bytes::new(), Limits::default());
        let (sender, mut outbound) = mpsc::channel(10_000);
        let vector = {
            let mut rooms = rooms.lock().unwrap();
            let room = rooms.entry(path.clone()).or_default();
            room.members.push(sender.clone());
            room.doc.transact().state_vector().encode_v1()
        };
        let step_1 = Message::Sync(SyncMessage::Step1(StateVectorV1(vector.into()))).encode();
        socket.send(Opcode::Binary, &step_1).await.unwrap();
        loop {
            tokio::select! {
                incoming = socket.receive() => match incoming {
                    Ok(Incoming::Message { bytes, .. }) => {
                        for message in Message::read_all(&bytes).unwrap() {
                            answer_message(message, &path, rooms, &sender, forgets);
                        }
                    }
                    Ok(Incoming::Closed(_)) | Err(_) => return,
                    Ok(_) => {}
                },
                Some(frame) = outbound.recv() => if socket.send(Opcode::Binary, &frame).await.is_err() { return },
            }
        }
    });
}

fn answer_message(message: Message, path: &str, rooms: &Rooms, sender: &mpsc::Sender<Bytes>, forgets: Option<u64>) {
    let mut rooms = rooms.lock().unwrap();
    let room = rooms.get_mut(path).unwrap();
    match message {
        Message::Sync(SyncMessage::Step1(vector)) => {
            let vector = StateVector::decode_v1(&vector.0).unwrap();
            let diff = room.doc.transact().encode_diff_v1(&vector);
            sender.try_send(Message::Sync(SyncMessage::Step2(UpdateV1(diff.into()))).encode()).unwrap();
        }
        Message::Sync(SyncMessage::Update(update)) => {
            room.updates += 1;
            let mut txn = room.doc.transact_mut();
            txn.apply_update(Update::decode_v1(&update.0).unwrap()).unwrap();
            txn.commit();
            let update = txn.encode_update_v1();
            drop(txn);
            if forgets.is_none_or(|number| !room.updates.is_multiple_of(number)) {
                room.broadcast(&Message::Sync(SyncMessage::Update(UpdateV1(update.into()))));
            }
        }
        message @ Message::Awareness(_) => room.broadcast(&message),
        _ => {}
    }
}

impl Room {
    fn broadcast(&mut self, message: &Message) {
        let frame = message.encode();
        self.members.retain(|member| member.try_send(frame.clone()).is_ok());
    }
}
