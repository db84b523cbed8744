//! One request to a running server, on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use rustls::StreamOwned;

use super::server_certificate::ServerCertificate;

/// What is asked.
pub(super) struct ServerRequest<'a> {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The bearer token.
    pub(super) token: Option<&'a str>,
    /// JSON, or nothing.
    pub(super) body: &'a str,
    /// What the server must show, where it is asked over TLS.
    pub(super) certificate: Option<ServerCertificate>,
    /// Whether the request may leave this machine although it is not inside TLS.
    pub(super) may_leave_in_clear: bool,
    /// How long connecting, and then each read, may take.
    pub(super) patience: Duration,
}

/// What the server said.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) body: String,
}

impl ServerRequest<'_> {
    /// `server` is a host or address with a port.
    pub(super) fn send_to(&self, server: &str) -> anyhow::Result<Answer> {
        let answer = self.exchange(server).with_context(|| format!("cannot ask the server at {server}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{server} does not speak HTTP"))?;
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Ok(Answer { status, body: body.to_owned() })
    }

    fn exchange(&self, server: &str) -> anyhow::Result<String> {
        let stream = self.connect(server)?;
        stream.set_read_timeout(Some(self.patience))?;
        Ok(match &self.certificate {
            None => self.exchange_over(stream, server)?,
            Some(certificate) => self.exchange_over(StreamOwned::new(certificate.connection()?, stream), server)?,
        })
    }

    fn exchange_over(&self, mut stream: impl Read + Write, server: &str) -> io::Result<String> {
        let Self { method, path, body, .. } = self;
        let authorization = self.token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {server}\r\n{authorization}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// To the first address that answers.
    fn connect(&self, server: &str) -> io::Result<TcpStream> {
        let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in server.to_socket_addrs()? {
            if self.certificate.is_none() && !self.may_leave_in_clear && !is_here(address.ip()) {
                let text = "the token would cross the network in clear; write https:// before the address, or say --without-tls \
                            where nobody else can listen";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            match TcpStream::connect_timeout(&address, self.patience) {
                Ok(stream) => return Ok(stream),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }
}

/// The address and port, and whether `https://` stands before them.
pub(super) fn split_scheme(server: &str) -> (&str, bool) {
    let inside_tls = server.strip_prefix("https://");
    (inside_tls.unwrap_or(server).trim_end_matches('/'), inside_tls.is_some())
}

/// Whether what is sent there stays on this machine: an address that is none stands for all of its own.
fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}
