//! The relay that does nothing: it copies each message to everyone on the same path, the sender included, and keeps
//! nothing. What it costs is the floor under every server that does more.
//!
//! It stands on the same runtime and the same WebSocket layer as Confluo, and writes as it does: frames are encoded once
//! and shared, and everything that waits for a socket leaves in one write when its task wakes up.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use confluo_ws::{Incoming, Limits, Role, WebSocket, WsError, frame, handshake::accept_key};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

use crate::BenchError;

/// A bound relay, ready to run.
#[derive(Debug)]
pub struct Floor {
    listener: TcpListener,
    rooms: Arc<Rooms>,
}

#[derive(Debug, Default)]
struct Rooms(RwLock<HashMap<String, Arc<Room>>>);

#[derive(Debug, Default)]
struct Room {
    members: Mutex<Vec<Arc<Outbox>>>,
}

/// What waits to be written to one socket. Without a bound: this is no server.
#[derive(Debug, Default)]
struct Outbox(Mutex<(VecDeque<Bytes>, Option<Waker>)>);

impl Floor {
    /// Listens on an address; port 0 takes a free one.
    pub async fn bind(address: &str) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self { listener, rooms: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Relays until it is dropped.
    pub async fn run(self) -> Result<(), BenchError> {
        let tasks = TaskTracker::new();
        loop {
            // An accept fails when descriptors run out; the next one may succeed.
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let rooms = Arc::clone(&self.rooms);
            tasks.spawn(async move {
                // A connection that breaks ends; nobody is told, nothing is kept.
                drop(serve(stream, &rooms).await);
            });
        }
    }
}

async fn serve(mut stream: TcpStream, rooms: &Rooms) -> Result<(), WsError> {
    stream.set_nodelay(true)?;
    let Some((path, leftover)) = upgrade(&mut stream).await? else { return Ok(()) };
    let room = Arc::clone(rooms.0.write().unwrap_or_else(PoisonError::into_inner).entry(path).or_default());
    let outbox = Arc::new(Outbox::default());
    room.lock().push(Arc::clone(&outbox));
    let limits = Limits { max_message_bytes: usize::MAX, ..Limits::default() };
    let mut socket = WebSocket::new(stream, Role::Server, leftover, limits);
    let ended = poll_fn(|cx| poll_relay(&mut socket, &room, &outbox, cx)).await;
    room.lock().retain(|member| !Arc::ptr_eq(member, &outbox));
    ended
}

fn poll_relay(
    socket: &mut WebSocket<TcpStream>,
    room: &Room,
    outbox: &Outbox,
    cx: &mut Context<'_>,
) -> Poll<Result<(), WsError>> {
    loop {
        match socket.poll_receive(cx)? {
            Poll::Ready(Incoming::Message { bytes, .. }) => {
                let frame = frame::binary(&bytes);
                for member in room.lock().iter() {
                    member.push(frame.clone());
                }
            }
            Poll::Ready(Incoming::Closed(_)) => return socket.poll_close(cx),
            Poll::Ready(_) => {}
            Poll::Pending => break,
        }
    }
    let mut waiting = outbox.0.lock().unwrap_or_else(PoisonError::into_inner);
    if (!waiting.0.is_empty() || socket.has_unsent())
        && let Poll::Ready(Err(error)) = socket.poll_send(cx, &mut waiting.0)
    {
        return Poll::Ready(Err(error));
    }
    if !waiting.1.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        waiting.1 = Some(cx.waker().clone());
    }
    Poll::Pending
}

impl Room {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Outbox>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    fn push(&self, frame: Bytes) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.push_back(frame);
        // Only the first frame after a write has somebody to wake.
        if waiting.0.len() == 1
            && let Some(waker) = &waiting.1
        {
            waker.wake_by_ref();
        }
    }
}

/// Reads the request and accepts it; yields its path and what was read behind it. `None` where it is no upgrade.
async fn upgrade(stream: &mut TcpStream) -> io::Result<Option<(String, Bytes)>> {
    let mut received = Vec::with_capacity(512);
    let head_bytes = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
        if let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..head_bytes]);
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    });
    let (Some(path), Some(key)) = (head.split(' ').nth(1), key) else {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfloor\n").await?;
        return Ok(None);
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(Some((path.to_owned(), Bytes::copy_from_slice(&received[head_bytes..]))))
}
