//! What components can do to sockets: the capability.

use std::sync::Arc;

use async_trait::async_trait;
use pingtalk_capabilities::sockets::{MAX_ROOM_BYTES, Message, SocketError, Sockets, Target};

use crate::{
    broadcast::Broadcast, core::Core, packet, peer::Peer, room::Emitted, server::SocketServer,
};

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
        let except = except.and_then(|id| self.core.registry.socket(&id)).map(|peer| peer.key());
        match target {
            Target::Room(name) => {
                let Some(room) = self.core.registry.room(&name) else { return Ok(()) };
                if let Emitted::Early(queued) = room.emit(&event, sequence, except) {
                    // Resolves when its turn came, or when nobody is left to send it to.
                    let _ = queued.await;
                }
            }
            others => {
                for peer in self.core.targets(&others) {
                    if except != Some(peer.key()) && !peer.send_event(&event) {
                        peer.overflow();
                    }
                }
            }
        }
        Ok(())
    }

    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError> {
        check_room(room)?;
        self.core.targets(&target).iter().try_for_each(|peer| self.core.join(peer, room, hold))
    }

    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        if let Some(room) = self.core.registry.room(room) {
            for peer in self.core.targets(&target) {
                room.release(&peer, after);
            }
        }
        Ok(())
    }

    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError> {
        for peer in self.core.targets(&target) {
            self.core.leave(&peer, room);
        }
        Ok(())
    }

    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError> {
        let spared = except.and_then(|room| self.core.registry.room(&room));
        let goes =
            |peer: &Arc<Peer>| !spared.as_ref().is_some_and(|room| room.contains(peer.key()));
        for peer in self.core.targets(&target).iter().filter(|peer| goes(peer)) {
            peer.disconnect();
        }
        Ok(())
    }
}

/// Checks and encodes an event.
fn event(core: &Core, message: Message) -> Result<Broadcast, SocketError> {
    let invalid = |reason: &str| SocketError::Invalid(reason.to_owned());
    if message.name.len() > MAX_NAME_BYTES || packet::is_reserved(&message.name) {
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
