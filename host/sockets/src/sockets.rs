//! What components can do to sockets: the capability. Each deed is done to this host's sockets and
//! told to the other hosts, if there are any.

use std::sync::Arc;

use async_trait::async_trait;
use pingtalk_capabilities::sockets::{MAX_ROOM_BYTES, Message, SocketError, Sockets, Target};

use crate::{broadcast::Broadcast, core::Core, notice::Deed, server::SocketServer};

/// Longest event name, in bytes.
const MAX_NAME_BYTES: usize = 1024;

#[async_trait]
impl Sockets for SocketServer {
    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        let event = Arc::new(event(&self.core, message)?);
        let early = self.core.emit(&target, &event, sequence, except.as_deref());
        // Told at once: what it waits for here, the others may have.
        self.core.tell(&target, Some(&event), || Deed::Emit { sequence, except }).await;
        if let Some(queued) = early {
            let _ = queued.await;
        }
        Ok(())
    }

    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError> {
        check_room(room)?;
        self.core.join_all(&target, room, hold)?;
        self.core.tell(&target, None, || Deed::Join { room: room.to_owned(), hold }).await;
        Ok(())
    }

    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        self.core.release_all(&target, room, after);
        self.core.tell(&target, None, || Deed::Release { room: room.to_owned(), after }).await;
        Ok(())
    }

    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError> {
        self.core.leave_all(&target, room);
        self.core.tell(&target, None, || Deed::Leave { room: room.to_owned() }).await;
        Ok(())
    }

    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError> {
        self.core.disconnect_all(&target, except.as_deref());
        self.core.tell(&target, None, || Deed::Disconnect { except }).await;
        Ok(())
    }
}

/// Checks and encodes an event.
fn event(core: &Core, message: Message) -> Result<Broadcast, SocketError> {
    let invalid = |reason: &str| SocketError::Invalid(reason.to_owned());
    if message.name.len() > MAX_NAME_BYTES || pingtalk_packets::is_reserved(&message.name) {
        return Err(invalid("the event's name is reserved or too long"));
    }
    if message.attachments.len() > core.config.max_attachments {
        return Err(invalid("too many attachments"));
    }
    let event =
        Broadcast::new(message, &core.spellings).map_err(|malformed| invalid(malformed.0))?;
    if event.bytes() > core.config.send_queue_bytes {
        return Err(invalid("the event is too large"));
    }
    Ok(event)
}

fn check_room(name: &str) -> Result<(), SocketError> {
    if name.is_empty() || name.len() > MAX_ROOM_BYTES {
        return Err(SocketError::Invalid(format!("a room's name has 1 to {MAX_ROOM_BYTES} bytes")));
    }
    Ok(())
}
