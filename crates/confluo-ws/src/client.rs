//! The client's end of the opening handshake, over any stream (RFC 6455, section 4.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::handshake::{accept_key, has_token};
use crate::mask::random_key;
use crate::{Limits, Role, WebSocket};

const MAX_RESPONSE_BYTES: usize = 16 * 1024;
const MAX_RESPONSE_HEADERS: usize = 64;

/// What to ask the server for.
#[derive(Debug, Clone, Default)]
pub struct ClientRequest {
    /// The value of `Host`: a name or address, with the port where it is not the scheme's own.
    pub host: String,
    /// What follows the host in the URL, percent-encoded, from the `/` on.
    pub path_and_query: String,
    /// Further headers, such as `Authorization` or `Origin`.
    pub headers: HeaderMap,
    /// Subprotocols to offer, the preferred first.
    pub subprotocols: Vec<String>,
}

/// An open connection and what the server said about it.
#[derive(Debug)]
pub struct Connected<S> {
    /// The connection.
    pub socket: WebSocket<S>,
    /// The headers of the server's answer.
    pub headers: HeaderMap,
    /// Which of the offered subprotocols the server selected.
    pub subprotocol: Option<String>,
}

/// Why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Reading or writing the stream failed.
    #[error("the stream failed during the handshake")]
    Io(#[from] std::io::Error),
    /// Host, path, header or subprotocol hold a line break or another control character.
    #[error("the request's {0} holds a control character or a space")]
    InvalidRequest(&'static str),
    /// The server answered with another status than 101.
    #[error("the server answered {0} instead of upgrading")]
    Refused(StatusCode),
    /// The answer is not HTTP/1.1, or longer than 16 KiB.
    #[error("the server's answer is not a valid HTTP/1.1 head of at most 16 KiB")]
    InvalidResponse,
    /// The answer is 101, but not to this WebSocket handshake.
    #[error("the server's `{0}` header does not fit the handshake")]
    Mismatch(&'static str),
}

/// Opens a WebSocket over `stream`. Not bounded in time: the caller knows how long it can wait.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &ClientRequest,
    limits: Limits,
) -> Result<Connected<S>, ConnectError> {
    let key = STANDARD.encode([random_key(), random_key(), random_key(), random_key()].concat());
    stream.write_all(&encode_request(request, &key)?).await?;
    stream.flush().await?;
    let (headers, leftover) = read_response(&mut stream).await?;
    if !has_token(&headers, &header::UPGRADE, "websocket") {
        return Err(ConnectError::Mismatch("Upgrade"));
    }
    if !has_token(&headers, &header::CONNECTION, "upgrade") {
        return Err(ConnectError::Mismatch("Connection"));
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept != Some(accept_key(key.as_bytes()).as_bytes()) {
        return Err(ConnectError::Mismatch("Sec-WebSocket-Accept"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(ConnectError::Mismatch("Sec-WebSocket-Extensions"));
    }
    let subprotocol = match headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
        None => None,
        Some(value) => match request.subprotocols.iter().find(|offered| offered.as_bytes() == value.as_bytes()) {
            Some(selected) => Some(selected.clone()),
            None => return Err(ConnectError::Mismatch("Sec-WebSocket-Protocol")),
        },
    };
    Ok(Connected { socket: WebSocket::new(stream, Role::Client, leftover, limits), headers, subprotocol })
}

fn encode_request(request: &ClientRequest, key: &str) -> Result<Vec<u8>, ConnectError> {
    let visible = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(&request.host) {
        return Err(ConnectError::InvalidRequest("host"));
    }
    if !visible(&request.path_and_query) || !request.path_and_query.starts_with('/') {
        return Err(ConnectError::InvalidRequest("path"));
    }
    if !request.subprotocols.iter().all(|subprotocol| visible(subprotocol) && !subprotocol.contains(',')) {
        return Err(ConnectError::InvalidRequest("subprotocol"));
    }
    let mut head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        request.path_and_query, request.host
    )
    .into_bytes();
    if !request.subprotocols.is_empty() {
        head.extend_from_slice(format!("Sec-WebSocket-Protocol: {}\r\n", request.subprotocols.join(", ")).as_bytes());
    }
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// Reads the head of the answer; yields its headers and what follows it.
async fn read_response<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(HeaderMap, Bytes), ConnectError> {
    let mut received = BytesMut::with_capacity(1024);
    loop {
        if received.len() > MAX_RESPONSE_BYTES {
            return Err(ConnectError::InvalidResponse);
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        if let Some((headers, head_bytes)) = parse_response(&received)? {
            return Ok((headers, Bytes::copy_from_slice(&received[head_bytes..])));
        }
    }
}

fn parse_response(received: &[u8]) -> Result<Option<(HeaderMap, usize)>, ConnectError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_RESPONSE_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let head_bytes = match response.parse(received) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ConnectError::InvalidResponse),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(ConnectError::InvalidResponse)?;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(ConnectError::Refused(status));
    }
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| ConnectError::InvalidResponse)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| ConnectError::InvalidResponse)?;
        headers.append(name, value);
    }
    Ok(Some((headers, head_bytes)))
}
