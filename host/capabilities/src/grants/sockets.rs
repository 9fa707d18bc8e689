//! Whether a component may act on its tenant's sockets.

use std::sync::Arc;

use async_trait::async_trait;

use crate::sockets::{Message, SocketError, Sockets, Target};

/// Sockets as one component may use them.
pub struct GrantedSockets {
    inner: Arc<dyn Sockets>,
    emit: bool,
}

impl GrantedSockets {
    /// Puts the grant in front of a tenant's sockets.
    #[must_use]
    pub fn new(inner: Arc<dyn Sockets>, emit: bool) -> Self {
        Self { inner, emit }
    }

    fn check(&self) -> Result<(), SocketError> {
        if self.emit { Ok(()) } else { Err(SocketError::Denied("sockets".to_owned())) }
    }
}

#[async_trait]
impl Sockets for GrantedSockets {
    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        self.check()?;
        self.inner.emit(target, message, sequence, except).await
    }

    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError> {
        self.check()?;
        self.inner.join(target, room, hold).await
    }

    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        self.check()?;
        self.inner.release(target, room, after).await
    }

    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError> {
        self.check()?;
        self.inner.leave(target, room).await
    }

    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError> {
        self.check()?;
        self.inner.disconnect(target, except).await
    }
}
