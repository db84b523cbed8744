//! Frames of a WebSocket, and both ends of the opening handshake.

use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use confluo_ws::{
    Incoming, Limits, Opcode, Role, WebSocket,
    client::{ClientRequest, connect},
    frame,
    handshake::{accept_key, accept_upgrade, offered_subprotocols},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const KEY: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const MAX_MESSAGE_BYTES: usize = 1000;

/// The same is received, and refused, however the bytes are cut; no message is longer than allowed, and text is text.
pub fn frames(bytes: &[u8]) {
    for role in [Role::Server, Role::Client] {
        let whole = receive(role, [bytes.to_vec()]);
        assert_eq!(whole, receive(role, bytes.iter().map(|byte| vec![*byte])), "byte by byte");
        let cut = bytes.first().map_or(0, |first| usize::from(*first) % bytes.len());
        assert_eq!(whole, receive(role, [bytes[..cut].to_vec(), bytes[cut..].to_vec()]), "cut at {cut}");
        for incoming in &whole.0 {
            if let Incoming::Message { bytes, is_text } = incoming {
                assert!(bytes.len() <= MAX_MESSAGE_BYTES);
                assert!(!is_text || std::str::from_utf8(bytes).is_ok());
            }
        }
    }
}

/// What is received, up to the first error.
fn receive(role: Role, chunks: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Incoming>, Option<String>) {
    let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty());
    let limits = Limits { max_message_bytes: MAX_MESSAGE_BYTES, ..Limits::default() };
    let mut socket = WebSocket::new(Scripted { input: chunks.collect() }, role, Bytes::new(), limits);
    let mut context = Context::from_waker(Waker::noop());
    let mut received = Vec::new();
    loop {
        match socket.poll_receive(&mut context) {
            Poll::Ready(Ok(incoming)) => {
                let is_last = matches!(incoming, Incoming::Closed(_));
                received.push(incoming);
                if is_last {
                    return (received, None);
                }
            }
            Poll::Ready(Err(error)) => return (received, Some(error.to_string())),
            Poll::Pending => return (received, None),
        }
    }
}

/// A head that is accepted is a handshake by the letter; an answer to a client is accepted or refused.
pub fn handshake(bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    if let Ok(httparse::Status::Complete(_)) = request.parse(bytes) {
        let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes()).unwrap_or(Method::GET);
        let version = if request.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let headers = header_map(request.headers.iter().map(|field| (field.name.as_bytes(), field.value)));
        offered_subprotocols(&headers).for_each(|offered| assert!(!offered.is_empty() && !offered.contains(',')));
        if let Ok(accept) = accept_upgrade(&method, version, &headers) {
            assert_eq!((&method, version), (&Method::GET, Version::HTTP_11));
            let key = headers["sec-websocket-key"].as_bytes().trim_ascii();
            assert_eq!((key.len(), accept.as_bytes()), (24, accept_key(key).as_bytes()));
        }
    }
    let request = ClientRequest { host: "h".into(), path_and_query: "/sync/a".into(), ..ClientRequest::default() };
    let stream = Scripted { input: VecDeque::from([bytes.to_vec()]) };
    let connecting = pin!(connect(stream, &request, Limits::default()));
    if let Poll::Ready(outcome) = connecting.poll(&mut Context::from_waker(Waker::noop())) {
        assert!(outcome.is_err(), "nobody knows the key of a handshake beforehand");
    }
}

/// The headers that HTTP lets through.
pub(crate) fn header_map<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// A stream that yields its chunks, one a read, then nothing more; what is written goes nowhere.
struct Scripted {
    input: VecDeque<Vec<u8>>,
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut chunk) = self.input.pop_front() else { return Poll::Pending };
        let fits = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..fits]);
        if fits < chunk.len() {
            self.input.push_front(chunk.split_off(fits));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A conversation of each end, and each frame of it.
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let long = vec![7; 300];
    let payloads: [(Opcode, &[u8]); 9] = [
        (Opcode::Binary, b"one"),
        (Opcode::Text, "zwei \u{20ac} \u{1f600}".as_bytes()),
        (Opcode::Ping, b"are you there"),
        (Opcode::Pong, b""),
        (Opcode::Continuation, b"more"),
        (Opcode::Binary, b""),
        (Opcode::Binary, &long),
        (Opcode::Close, &[0x0f, 0xa1, b'b', b'y', b'e']),
        (Opcode::Close, b""),
    ];
    let masked = payloads.map(|(opcode, payload)| frame::encode_masked(opcode, payload, KEY).to_vec());
    let plain = payloads.map(|(opcode, payload)| frame::encode(opcode, payload).to_vec());
    let mut fragments = [masked[1].clone(), masked[2].clone(), masked[4].clone()];
    fragments[0][0] &= 0x7f;
    let conversations = [masked.concat(), plain.concat(), fragments.concat()];
    masked.into_iter().chain(plain).chain(conversations).collect()
}

/// A request and an answer.
pub fn handshake_seeds() -> Vec<Vec<u8>> {
    let request = "GET /sync/a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: confluo, confluo.token.a.b.c\r\n\r\n";
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: confluo\r\n\r\n";
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    [request, answer, refusal].map(|head| head.as_bytes().to_vec()).into()
}
