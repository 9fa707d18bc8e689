//! One TLS stack: ring. Clients that leave the choice to the process get it from here.

use tokio_rustls::rustls::crypto::ring;

/// Chooses, unless that was done before.
pub(crate) fn choose() {
    let _ = ring::default_provider().install_default();
}
