//! Whom to believe that the server of a `wss://` address is who it says.

use std::{fmt, io, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The certificate authorities that may vouch for a server. By default those that Mozilla trusts, compiled in.
#[derive(Clone, Default)]
pub struct Authorities(Option<Arc<rustls::ClientConfig>>);

/// Why these bytes name no authorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// There is no certificate in them.
    #[error("there is no certificate in it; one in PEM begins with -----BEGIN CERTIFICATE-----")]
    Empty,
    /// One of them cannot be read.
    #[error("certificate {0} in it cannot be read; each must be X.509 in PEM")]
    Unreadable(usize),
}

impl Authorities {
    /// These alone, in PEM: an authority of one's own, or the very certificate of a server that signed it itself.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        let mut roots = RootCertStore::empty();
        for (place, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let certificate = certificate.map_err(|_| AuthoritiesError::Unreadable(place))?;
            roots.add(certificate).map_err(|_| AuthoritiesError::Unreadable(place))?;
        }
        if roots.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        Ok(Self(Some(Arc::new(client_config(roots)))))
    }

    /// Speaks TLS over `stream` with whoever proves to be `name`.
    pub(crate) async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = self.0.clone().unwrap_or_else(|| {
            Arc::new(client_config(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
        });
        TlsConnector::from(config).connect(name, stream).await
    }
}

fn client_config(roots: RootCertStore) -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions that are compiled in")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Authorities(own)" } else { "Authorities(Mozilla)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_authority_is_refused_with_the_reason() {
        let check = |pem: &str, error| assert_eq!(Authorities::from_pem(pem.as_bytes()).unwrap_err(), error, "{pem}");
        check("", AuthoritiesError::Empty);
        check("nonsense", AuthoritiesError::Empty);
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", AuthoritiesError::Unreadable(1));
        check("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", AuthoritiesError::Unreadable(1));
    }
}
