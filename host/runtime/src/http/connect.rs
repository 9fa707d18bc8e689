//! Connections to granted hosts. The address that was checked is the address that is connected to,
//! so that a name can't resolve to another one in between.

use std::{
    io,
    net::{IpAddr, SocketAddr},
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
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use wasmtime_wasi_http::Error;

use super::{address::is_public, grant::Target};

/// Addresses of one host that are tried.
const MAX_ADDRESSES: usize = 4;

/// A connection, with or without TLS.
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

static TLS: LazyLock<Option<TlsConnector>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .inspect_err(|error| tracing::error!(%error, "no TLS for outbound requests"))
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(TlsConnector::from(Arc::new(config)))
});

/// Resolves, checks and connects. The caller bounds the time.
pub(super) async fn open(target: &Target, granted: &[IpAddr]) -> Result<Connection, Error> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|_| Error::DnsError { rcode: None, info_code: None })?
        .collect();
    if found.is_empty() {
        return Err(Error::DestinationNotFound);
    }
    let allowed = |address: &IpAddr| {
        is_public(*address) || granted.contains(address) || target.names(*address)
    };
    let mut last = Error::DestinationIpProhibited;
    for address in found.into_iter().filter(|found| allowed(&found.ip())).take(MAX_ADDRESSES) {
        match TcpStream::connect(address).await {
            Ok(stream) => return secure(target, stream).await,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = Error::ConnectionRefused;
            }
            Err(error) => last = Error::Connect(error),
        }
    }
    Err(last)
}

async fn secure(target: &Target, stream: TcpStream) -> Result<Connection, Error> {
    // Requests are small and wait for their answer: nothing is gained by holding bytes back.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    if !target.tls {
        return Ok(Connection::Plain(stream));
    }
    let connector = TLS.as_ref().ok_or(Error::ConfigurationError)?;
    let name = ServerName::try_from(target.host.clone()).map_err(|_| Error::TlsCertificateError)?;
    let stream = connector.connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Connection::Tls(Box::new(stream)))
}

impl AsyncRead for Connection {
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

impl AsyncWrite for Connection {
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
