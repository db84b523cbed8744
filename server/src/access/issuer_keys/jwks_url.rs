//! One GET of a JWKS: no redirects, no cookies, no proxy, bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use confluo_auth::JwksSource;
use confluo_auth::jwks::MAX_JWKS_BYTES;
use http::{Request, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::IssuerKeysError;

/// What is asked, whom, and for how long.
pub(super) struct JwksUrl {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

/// A JWKS that was not fetched. An answer's body is in none of them.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// Nobody is there, or TLS did not come about.
    #[error("the issuer cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// It is no HTTP that comes back.
    #[error("the issuer did not answer as HTTP wants")]
    Http(#[source] hyper::Error),
    /// It answers something else than 200.
    #[error("the issuer answered {0}; only 200 will do, and redirects are not followed")]
    Status(http::StatusCode),
    /// It was cut off, or is too long.
    #[error("the answer was cut off, or is longer than {MAX_JWKS_BYTES} bytes")]
    Body(#[source] axum::Error),
}

impl JwksUrl {
    /// `url` has passed the configuration's check.
    pub(super) fn new(url: &str, source: &JwksSource) -> Result<Self, IssuerKeysError> {
        let unusable = || IssuerKeysError::Url(source.name());
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        // Brackets belong to the address in a URL, not to the address.
        let host = uri.host().ok_or_else(unusable)?.trim_matches(['[', ']']).to_owned();
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tls = if is_https {
            let name = ServerName::try_from(host.clone()).map_err(|_: InvalidDnsNameError| unusable())?;
            Some((connector(source)?, name))
        } else {
            None
        };
        Ok(Self { uri, host, port, tls, timeout: source.timeout })
    }

    pub(super) async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let fetched = tokio::time::timeout(self.timeout, self.fetch_with_patience()).await;
        fetched.unwrap_or(Err(FetchError::TimedOut(self.timeout)))
    }

    async fn fetch_with_patience(&self) -> Result<Vec<u8>, FetchError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(FetchError::Unreachable)?;
        match &self.tls {
            None => self.ask(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(FetchError::Unreachable)?;
                self.ask(stream).await
            }
        }
    }

    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> Result<Vec<u8>, FetchError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Http)?;
        let authority = self.uri.authority().map_or("", http::uri::Authority::as_str);
        let target = self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = Request::get(target)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .header(header::USER_AGENT, concat!("confluo/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Body::empty())
            .expect("a target and an authority that were parsed can be written again");
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(FetchError::Http)?;
            if answer.status() != http::StatusCode::OK {
                return Err(FetchError::Status(answer.status()));
            }
            let body = to_bytes(Body::new(answer.into_body()), MAX_JWKS_BYTES).await;
            body.map(Vec::from).map_err(FetchError::Body)
        };
        // What the connection has to say reaches the exchange; it only has to be driven.
        let driving = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = driving => never,
        }
    }
}

fn connector(source: &JwksSource) -> Result<TlsConnector, IssuerKeysError> {
    let roots = match &source.ca_file {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(file) => {
            let unusable = || IssuerKeysError::Authorities(file.clone());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unusable())? {
                roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
            }
            if roots.is_empty() {
                return Err(unusable());
            }
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions that are compiled in")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl std::fmt::Debug for JwksUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JwksUrl").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}
