//! TLS on a listener: the certificate, which can be replaced while connections stay, and what is
//! agreed on in the handshake.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};

/// HTTP/2 as ALPN has it (RFC 9113, section 3.2).
const H2: &[u8] = b"h2";
/// HTTP/1.1 as ALPN has it (RFC 7301, section 6). WebSocket clients ask for this one.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate and its key, in force until they are replaced.
pub struct Tls(ArcSwap<ServerConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The certificate or the key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTls {
    /// Not PEM, or without a certificate.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// Not PEM, or without a private key.
    #[error("the key: {0}")]
    Key(String),
    /// The key is not the certificate's, or of a kind that is not supported.
    #[error("{0}")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    /// Takes a chain of certificates, the server's own first, and its private key, both as PEM.
    ///
    /// # Errors
    /// When they can't be read or don't belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, InvalidTls> {
        Ok(Self(ArcSwap::new(server_config(certificates, key)?)))
    }

    /// Takes others for the handshakes from now on. Connections stay.
    ///
    /// # Errors
    /// When they can't be used; the old ones stay in force.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), InvalidTls> {
        self.0.store(server_config(certificates, key)?);
        Ok(())
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.0.load_full()).accept(stream).await
    }
}

/// Whether the client speaks HTTP/2 on this connection.
pub(crate) fn is_h2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

fn server_config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, InvalidTls> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| InvalidTls::Certificate(error.to_string()))?;
    if certificates.is_empty() {
        return Err(InvalidTls::Certificate("there is none in the file".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| InvalidTls::Key(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}
