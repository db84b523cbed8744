//! One load client's socket: writes at once what fits, reads into a buffer that all share.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use confluo_ws::{Opcode, frame::encode_masked, handshake::accept_key};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

use crate::{
    BenchError, Target,
    clock::now,
    frames::{FrameReader, Heard},
    target::Dialect,
};

/// What is read at once. All connections share one buffer of it: there is one thread.
const READ_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A fixed nonce: nobody stands between this client and the server it loads.
const KEY: &str = "Y29uZmx1by1iZW5jaC0wMQ==";

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// The sending half, shared by who writes.
#[derive(Debug)]
pub(crate) struct Connection {
    writer: OwnedWriteHalf,
    dialect: Dialect,
    prefix: Vec<u8>,
    outbound: RefCell<Vec<u8>>,
    unsent: Notify,
    mask: Cell<u32>,
    held: Cell<bool>,
    released: Notify,
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Listener {
    connection: Rc<Connection>,
    reader: OwnedReadHalf,
    leftover: Vec<u8>,
}

impl Connection {
    /// Connects, upgrades, and says what a client says first.
    pub(crate) async fn open(target: &Target, room: &str) -> Result<(Rc<Self>, Listener), BenchError> {
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, upgrade(target, room)).await;
        let (stream, leftover) = opened.unwrap_or_else(|_| {
            Err(BenchError::Timeout { what: "a WebSocket upgrade", seconds: CONNECT_TIMEOUT.as_secs() })
        })?;
        let (reader, writer) = stream.into_split();
        let connection = Rc::new(Self {
            writer,
            dialect: target.dialect,
            prefix: target.dialect.prefix(room),
            outbound: RefCell::default(),
            unsent: Notify::new(),
            mask: Cell::new(rand::random()),
            held: Cell::new(false),
            released: Notify::new(),
        });
        for message in target.dialect.opening() {
            connection.queue(message);
        }
        connection.flush()?;
        Ok((Rc::clone(&connection), Listener { connection, reader, leftover }))
    }

    /// Puts a message behind those that wait.
    pub(crate) fn queue(&self, message: &[u8]) {
        if self.prefix.is_empty() {
            self.queue_frame(Opcode::Binary, message);
        } else {
            self.queue_frame(Opcode::Binary, &[&self.prefix, message].concat());
        }
    }

    fn queue_frame(&self, opcode: Opcode, payload: &[u8]) {
        // Each frame another key, as it must be; it need not be a secret here.
        let mask = self.mask.get().wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        self.mask.set(mask);
        self.outbound.borrow_mut().extend_from_slice(&encode_masked(opcode, payload, mask.to_be_bytes()));
    }

    /// Writes what waits, as far as the socket takes it now; the listener writes the rest.
    pub(crate) fn flush(&self) -> Result<(), BenchError> {
        let mut outbound = self.outbound.borrow_mut();
        while !outbound.is_empty() {
            match self.writer.try_write(&outbound) {
                Ok(written) => drop(outbound.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.notify_one();
                    break;
                }
                Err(error) => return Err(BenchError::Broken(error)),
            }
        }
        Ok(())
    }

    /// Sends one message.
    pub(crate) fn send(&self, message: &[u8]) -> Result<(), BenchError> {
        self.queue(message);
        self.flush()
    }

    /// Stops reading until [`Connection::release`].
    pub(crate) fn hold(&self) {
        self.held.set(true);
    }

    pub(crate) fn release(&self) {
        self.held.set(false);
        self.released.notify_one();
    }

    async fn flush_when_possible(&self) -> Result<(), BenchError> {
        loop {
            if self.outbound.borrow().is_empty() {
                self.unsent.notified().await;
            }
            self.writer.writable().await.map_err(BenchError::Broken)?;
            self.flush()?;
        }
    }
}

impl Listener {
    /// Listens until the connection ends. `hear` gets each message without what the dialect puts before it, with the
    /// time at which its bytes were read; what it queues is written after each read.
    pub(crate) async fn listen(
        mut self,
        keep_up_to: u64,
        mut hear: impl FnMut(&Connection, Heard<'_>, u64),
    ) -> Result<(), BenchError> {
        let connection = Rc::clone(&self.connection);
        let mut frames = FrameReader::new(keep_up_to);
        let mut closed = None;
        let mut feed = |bytes: &[u8], frames: &mut FrameReader| {
            let at = now();
            frames.feed(bytes, &mut |heard| match heard {
                Heard::Message(message) => hear(&connection, Heard::Message(connection.dialect.strip(message)), at),
                Heard::Ping(payload) => connection.queue_frame(Opcode::Pong, payload),
                Heard::Close(code) => closed = Some(code),
                heard @ Heard::Skimmed(_) => hear(&connection, heard, at),
            })?;
            if let Some(code) = closed {
                return Err(BenchError::Closed(
                    code.map_or_else(|| "without a code".to_owned(), |code| code.to_string()),
                ));
            }
            connection.flush()
        };
        feed(&std::mem::take(&mut self.leftover), &mut frames)?;
        loop {
            if self.connection.held.get() {
                self.connection.released.notified().await;
            }
            tokio::select! {
                biased;
                read = read_once(&mut self.reader, |bytes| feed(bytes, &mut frames)) => read?,
                broken = self.connection.flush_when_possible() => broken?,
            }
        }
    }
}

async fn read_once(
    reader: &mut OwnedReadHalf,
    mut feed: impl FnMut(&[u8]) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    poll_fn(|cx| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *reader).poll_read(cx, &mut buffer)).map_err(BenchError::Broken)?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(BenchError::Closed("its stream ended without a close".to_owned())));
            }
            Poll::Ready(feed(buffer.filled()))
        })
    })
    .await
}

async fn upgrade(target: &Target, room: &str) -> Result<(TcpStream, Vec<u8>), BenchError> {
    let failed = |source| BenchError::Connect { address: target.authority.clone(), source };
    let mut stream = TcpStream::connect(&target.authority).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n\r\n",
        target.path_of(room),
        target.authority
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut received = Vec::with_capacity(512);
    let head_bytes = loop {
        if stream.read_buf(&mut received).await.map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..head_bytes]);
    if !head.starts_with("HTTP/1.1 101") || !head.contains(&accept_key(KEY.as_bytes())) {
        let answer = head.lines().next().unwrap_or_default().to_owned();
        return Err(BenchError::Upgrade { address: target.authority.clone(), answer });
    }
    received.drain(..head_bytes);
    Ok((stream, received))
}
