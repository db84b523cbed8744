//! TLS at the door: the certificate in force, and how it is changed while the server runs.
//!
//! Invariants: a pair that cannot be used never replaces one that can; a handshake is bounded in time; nothing of a
//! private key is printed.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use crate::config::TlsConfig;
use crate::http::ClientStream;

/// The server's end of TLS.
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<CertificateInForce>,
    files: Arc<CertificateFiles>,
    reload_interval: Duration,
    handshake_timeout: Duration,
}

/// A certificate and key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}", file.display())]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate file has no certificate.
    #[error("tls.certificate_file: {} has no line -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificate(PathBuf),
    /// The key file has no private key.
    #[error("tls.key_file: {} has no unencrypted private key in PEM, such as -----BEGIN PRIVATE KEY-----", .0.display())]
    NoKey(PathBuf),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("tls: the certificate and the key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// A handshake that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client did not complete it in time.
    #[error("it took longer than tls.handshake_timeout")]
    TimedOut,
    /// The client speaks something else, or has left.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// What is offered to whoever comes next.
#[derive(Debug)]
struct CertificateInForce(RwLock<Arc<CertifiedKey>>);

#[derive(Debug)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    hasher: RandomState,
}

/// What the two files held, as a number that changes with them.
type Fingerprint = u64;

impl Tls {
    /// Reads the pair that the configuration names, if it names one.
    pub fn open(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.certificate_file, &config.key_file) else { return Ok(None) };
        let files = CertificateFiles { certificate: certificate.clone(), key: key.clone(), hasher: RandomState::new() };
        let files = Arc::new(files);
        let (certified_key, _) = files.read();
        let certificate = Arc::new(CertificateInForce(RwLock::new(Arc::new(certified_key?))));
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Thousands who come back at once need no new signature each.
        server.ticketer = ring::Ticketer::new().map_err(TlsError::Unusable)?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            certificate,
            files,
            reload_interval: config.reload_interval,
            handshake_timeout: config.handshake_timeout,
        }))
    }

    /// The handshake with one client.
    pub async fn accept(&self, stream: TcpStream) -> Result<ClientStream, HandshakeError> {
        let accepted = tokio::time::timeout(self.handshake_timeout, self.acceptor.accept(stream)).await;
        let accepted = accepted.map_err(|_| HandshakeError::TimedOut)?;
        Ok(ClientStream::Tls(Box::new(accepted?)))
    }

    /// Looks at the files at each interval and at SIGHUP, and puts a new pair in force if it can be used. Never ends.
    pub async fn watch(&self) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => Some(hangups),
            Err(error) => {
                warn!(%error, "cannot listen for SIGHUP; certificates are read again at tls.reload_interval only");
                None
            }
        };
        let mut interval = tokio::time::interval(self.reload_interval);
        // Taken at the first tick, which comes at once: nothing changed between it and the start, or it is read again.
        let mut last_seen = None;
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interval.tick() => {}
                _ = hangup => debug!("SIGHUP: looking at the certificate"),
            }
            let files = Arc::clone(&self.files);
            let Ok((certified_key, fingerprint)) = tokio::task::spawn_blocking(move || files.read()).await else {
                continue;
            };
            if last_seen.replace(fingerprint).is_some_and(|last_seen| last_seen == fingerprint) {
                continue;
            }
            match certified_key {
                Ok(certified_key) => {
                    if self.certificate.replace(certified_key) {
                        info!("a new certificate is in force");
                    }
                }
                // Perhaps only one of the two files is there yet: the next look will see the other.
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "the old certificate stays in force; replace both files by a pair that belongs together, and they are \
                     read again at tls.reload_interval or at SIGHUP"
                ),
            }
        }
    }
}

impl CertificateFiles {
    /// The pair, or what is wrong with it, and what was seen.
    fn read(&self) -> (Result<CertifiedKey, TlsError>, Fingerprint) {
        let certificate = std::fs::read(&self.certificate);
        let key = std::fs::read(&self.key);
        let seen = (certificate.as_deref().ok(), key.as_deref().ok());
        let fingerprint = self.hasher.hash_one(seen);
        (self.certified_key(certificate, key), fingerprint)
    }

    fn certified_key(
        &self,
        certificate: io::Result<Vec<u8>>,
        key: io::Result<Vec<u8>>,
    ) -> Result<CertifiedKey, TlsError> {
        let certificate = certificate.map_err(|source| TlsError::Unreadable {
            setting: "tls.certificate_file",
            file: self.certificate.clone(),
            source,
        })?;
        let key =
            key.map_err(|source| TlsError::Unreadable { setting: "tls.key_file", file: self.key.clone(), source })?;
        let no_certificate = || TlsError::NoCertificate(self.certificate.clone());
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate());
        }
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Unusable)
    }
}

impl CertificateInForce {
    /// Says whether it is another than before.
    fn replace(&self, next: CertifiedKey) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = current.cert != next.cert;
        *current = Arc::new(next);
        is_new
    }
}

impl ResolvesServerCert for CertificateInForce {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
