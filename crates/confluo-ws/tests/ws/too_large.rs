//! Too much at once, over real TCP: the code arrives although the client is still sending.

use std::time::Duration;

use bytes::Bytes;
use confluo_ws::client::{ClientRequest, connect};
use confluo_ws::{Limits, Role, WebSocket, WsError, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scripted_stream::{KEY, masked, receive_all};

const LIMIT: usize = 256 * 1024;

fn limits() -> Limits {
    Limits { max_message_bytes: LIMIT, close_timeout: Duration::from_secs(30), ..Limits::default() }
}

#[test]
fn too_much_is_refused_by_its_header_or_by_the_sum_of_its_fragments() {
    let check = |bytes: Vec<u8>| {
        let (received, error) = receive_all([bytes], Limits { max_message_bytes: 1000, ..Limits::default() });
        assert!(received.is_empty());
        assert!(matches!(error, Some(WsError::MessageTooLarge { limit: 1000 })), "{error:?}");
    };
    check(masked(0x82, &[0; 1001])[..8].to_vec());
    check([masked(0x02, &[0; 600]), masked(0x80, &[0; 401])[..8].to_vec()].concat());
    check(vec![0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
    let (received, error) =
        receive_all([masked(0x82, &[0; 1000])], Limits { max_message_bytes: 1000, ..Limits::default() });
    assert!(received.len() == 1 && error.is_none(), "the limit itself is allowed");
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

async fn refuse(stream: TcpStream) {
    let mut socket = WebSocket::new(stream, Role::Server, Bytes::new(), limits());
    let error = socket.receive().await.unwrap_err();
    assert!(matches!(error, WsError::MessageTooLarge { limit: LIMIT }), "{error:?}");
    socket.close(4413, "message too large").await.unwrap();
}

/// How a client behaves that has too much to say.
enum Manner {
    /// Hears the close only after it has written everything, as one that blocks does; then answers it.
    WritesFirst,
    /// Writes and reads at once, as a browser does; answers when everything is written.
    ReadsMeanwhile,
    /// Writes everything, ends its side without a close, and listens until the server ends.
    NeverAnswers,
}

async fn pump(stream: TcpStream, times: usize, manner: Manner) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let answer = frame::encode_masked(confluo_ws::Opcode::Close, &4413_u16.to_be_bytes(), KEY);
    let write = async {
        let message = frame::encode_masked(confluo_ws::Opcode::Binary, &vec![7; times * LIMIT], KEY);
        writer.write_all(&message).await.unwrap();
        if matches!(manner, Manner::NeverAnswers) {
            writer.shutdown().await.unwrap();
        } else {
            writer.write_all(&answer).await.unwrap();
        }
    };
    let mut heard = Vec::new();
    if matches!(manner, Manner::ReadsMeanwhile) {
        let (read, ()) = tokio::join!(reader.read_to_end(&mut heard), write);
        read.unwrap();
    } else {
        write.await;
        reader.read_to_end(&mut heard).await.unwrap();
    }
    heard
}

#[tokio::test]
async fn the_code_arrives_however_much_is_sent() {
    for times in [2, 10, 100] {
        for manner in [Manner::WritesFirst, Manner::ReadsMeanwhile, Manner::NeverAnswers] {
            let (client, server) = pair().await;
            let (heard, ()) = tokio::join!(pump(client, times, manner), refuse(server));
            assert_eq!(heard, frame::close(4413, "message too large"), "{times} times the limit");
        }
    }
}

#[tokio::test]
async fn our_own_client_hears_it_too() {
    let (client, mut server) = pair().await;
    let serve = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            server.read_buf(&mut head).await.unwrap();
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = confluo_ws::handshake::accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        server.write_all(answer.as_bytes()).await.unwrap();
        refuse(server).await;
    };
    let talk = async {
        let request =
            ClientRequest { host: "localhost".to_owned(), path_and_query: "/".to_owned(), ..Default::default() };
        let mut socket = connect(client, &request, limits()).await.unwrap().socket;
        socket.send(confluo_ws::Opcode::Binary, &vec![1; 10 * LIMIT]).await.unwrap();
        let closed = socket.receive().await.unwrap();
        socket.close(1000, "").await.unwrap();
        closed
    };
    let (closed, ()) = tokio::join!(talk, serve);
    assert!(matches!(closed, confluo_ws::Incoming::Closed(Some(close_frame)) if close_frame.code == 4413));
}
