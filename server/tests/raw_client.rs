//! HTTP by hand: what these tests look at is what a client library would hide.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything a test waits for.
const DEADLINE: Duration = Duration::from_secs(20);

/// A connected socket.
pub(crate) async fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything until the server closes; a reset counts as the end.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends `bytes` on a new connection and reads until the server closes it.
pub(crate) async fn request(address: SocketAddr, bytes: &str) -> String {
    let mut stream = open(address).await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    request(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}
