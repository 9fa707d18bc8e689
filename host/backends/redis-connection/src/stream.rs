//! A TCP connection to Redis, with or without TLS.

use std::{
    io,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{self, ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::Config;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Trusts the public authorities. Made once: it takes a moment.
static PUBLIC: LazyLock<Result<TlsConnector, rustls::Error>> =
    LazyLock::new(|| connector(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }));

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn connector_for(config: &Config) -> io::Result<TlsConnector> {
    if config.authorities.is_empty() {
        return PUBLIC.clone().map_err(io::Error::other);
    }
    let mut roots = RootCertStore::empty();
    for authority in &config.authorities {
        roots.add(authority.clone()).map_err(io::Error::other)?;
    }
    connector(roots).map_err(io::Error::other)
}

/// Resolves and connects. The caller bounds the time.
pub(crate) async fn open(config: &Config) -> io::Result<Stream> {
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
    // Commands are small and wait for their answer: nothing is gained by holding bytes back.
    stream.set_nodelay(true)?;
    if !config.tls {
        return Ok(Stream::Plain(stream));
    }
    let connector = connector_for(config)?;
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no name for TLS"))?;
    Ok(Stream::Tls(Box::new(connector.connect(name, stream).await?)))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
