//! Echoes every message, on the same layer as the server: `echo [address]`, 127.0.0.1:9001 if none is given.
//!
//! Made for the Autobahn test suite (see `autobahn/README.md`); port 0 takes a free one, which is printed.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use confluo_ws::handshake::accept_upgrade;
use confluo_ws::{Incoming, Limits, Opcode, Role, WebSocket, WsError};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "whoever starts it with port 0 reads the address")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(serve(stream));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let Some((answer, leftover)) = read_request(&mut stream).await? else { return Ok(()) };
    stream.write_all(&answer).await?;
    // Autobahn sends messages of exactly 16 MiB.
    let limits = Limits { max_message_bytes: 32 << 20, ..Limits::default() };
    let mut socket = WebSocket::new(stream, Role::Server, leftover, limits);
    let (code, reason) = match echo(&mut socket).await {
        Ok(()) => (1000, String::new()),
        Err(error) => match error.close_code() {
            Some(code) => (code, error.to_string()),
            None => return Ok(()),
        },
    };
    // A peer that is gone needs no close.
    let _ = socket.close(code, &reason).await;
    Ok(())
}

async fn echo(socket: &mut WebSocket<TcpStream>) -> Result<(), WsError> {
    let mut frames = VecDeque::new();
    loop {
        match socket.receive().await? {
            Incoming::Message { bytes, is_text } => {
                let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
                frames.push_back(socket.encode(opcode, &bytes));
                socket.send_frames(&mut frames).await?;
            }
            Incoming::Ping | Incoming::Pong(_) => {}
            Incoming::Closed(_) => return Ok(()),
        }
    }
}

/// Reads the request's head; yields the answer and what follows the head. `None` where it is no upgrade.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Bytes)>> {
    let mut received = Vec::with_capacity(1024);
    loop {
        if received.len() > 16 * 1024 || stream.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(status) = request.parse(&received) else { return Ok(None) };
        let httparse::Status::Complete(head_bytes) = status else { continue };
        let mut headers = HeaderMap::new();
        for field in request.headers {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(io::Error::other)?;
            headers.append(name, HeaderValue::from_bytes(field.value).map_err(io::Error::other)?);
        }
        let method: Method = request.method.unwrap_or_default().parse().map_err(io::Error::other)?;
        let version = if request.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let Ok(accept) = accept_upgrade(&method, version, &headers) else { return Ok(None) };
        let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n".to_vec();
        answer.extend_from_slice(b"Sec-WebSocket-Accept: ");
        answer.extend_from_slice(accept.as_bytes());
        answer.extend_from_slice(b"\r\n\r\n");
        return Ok(Some((answer, Bytes::copy_from_slice(&received[head_bytes..]))));
    }
}
