//! What a server that is asked over TLS must show to a command.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What the server must show.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ServerCertificate {
    /// Any, where nothing secret is sent. A probe must not fail while new files wait to be read, or are bad.
    Any,
    /// Exactly this one. The name that the server is asked at and who signed it do not matter: it is asked at an address, and
    /// the certificate's file is at hand.
    Exactly(CertificateDer<'static>),
    /// One of this name, by an authority that Mozilla trusts: a proxy's, as browsers see it.
    Of(ServerName<'static>),
}

impl ServerCertificate {
    /// Exactly the certificate of `tls.certificate_file`.
    pub(super) fn in_file(file: &Path) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_file(file);
        let certificate =
            certificate.with_context(|| format!("cannot read tls.certificate_file {}", file.display()))?;
        Ok(Self::Exactly(certificate))
    }

    /// One of the host that `server` names before its port.
    pub(super) fn of_host(server: &str) -> anyhow::Result<Self> {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned());
        Ok(Self::Of(name.with_context(|| format!("{host} is no name that a certificate can be for"))?))
    }

    /// The client's end of TLS.
    pub(super) fn connection(&self) -> Result<ClientConnection, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        if let Self::Of(name) = self {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let config = builder.with_root_certificates(roots).with_no_client_auth();
            return ClientConnection::new(Arc::new(config), name.clone());
        }
        let expected = Arc::new(Expected { certificate: self.clone(), provider });
        let config = builder.dangerous().with_custom_certificate_verifier(expected).with_no_client_auth();
        // The name is not looked at.
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        ClientConnection::new(Arc::new(config), name)
    }
}

#[derive(Debug)]
struct Expected {
    certificate: ServerCertificate,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.certificate {
            ServerCertificate::Exactly(expected) if end_entity != expected => {
                let text = "the server shows another certificate than tls.certificate_file; if the file is new, try again \
                            after tls.reload_interval";
                Err(rustls::Error::General(text.to_owned()))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
