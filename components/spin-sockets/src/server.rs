//! `pingtalk:sockets/server`: what a component does to sockets.

use pingtalk_documents as documents;
use pingtalk_spin_platform::now_millis;

use crate::{
    bindings::exports::pingtalk::sockets::server::{Error, Guest, Message, Target},
    event::Event,
    rooms,
    settings::{self, MAX_ATTACHMENTS, MAX_NAME_BYTES, MAX_ROOM_BYTES},
    tables,
};

/// What is exported.
pub(crate) struct Server;

impl Guest for Server {
    async fn emit(
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), Error> {
        granted()?;
        let event = event(message)?;
        let sequence = sequence.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let except = except.unwrap_or_default();
        let now = now_millis();
        write(|sql| rooms::emit(sql, &target.into(), &event, sequence, &except, now))
    }

    async fn join(target: Target, room: String, hold: bool) -> Result<(), Error> {
        granted()?;
        check_room(&room)?;
        let now = now_millis();
        write(|sql| rooms::join(sql, &target.into(), &room, hold, now))?.map_err(Error::Invalid)
    }

    async fn release(target: Target, room: String, after: u64) -> Result<(), Error> {
        granted()?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        write(|sql| rooms::release(sql, &target.into(), &room, after))
    }

    async fn leave(target: Target, room: String) -> Result<(), Error> {
        granted()?;
        write(|sql| rooms::leave(sql, &target.into(), &room))
    }

    async fn disconnect(target: Target, except: Option<String>) -> Result<(), Error> {
        granted()?;
        let except = except.unwrap_or_default();
        write(|sql| rooms::disconnect(sql, &target.into(), &except))
    }
}

impl From<Target> for rooms::Target {
    fn from(target: Target) -> Self {
        match target {
            Target::Socket(id) => Self::Socket(id),
            Target::User(user) => Self::User(user),
            Target::Room(room) => Self::Room(room),
        }
    }
}

fn granted() -> Result<(), Error> {
    match settings::may_emit() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Denied("sockets".to_owned())),
        Err(why) => Err(Error::Unavailable(why)),
    }
}

fn write<T>(
    work: impl FnOnce(&dyn documents::Sql) -> Result<T, documents::Error>,
) -> Result<T, Error> {
    tables::write(work).map_err(|error| Error::Unavailable(format!("{error:?}")))
}

/// Checks an event, so that it can be written for any client.
fn event(message: Message) -> Result<Event, Error> {
    let invalid = |reason: &str| Error::Invalid(reason.to_owned());
    if message.name.len() > MAX_NAME_BYTES || pingtalk_packets::is_reserved(&message.name) {
        return Err(invalid("the event's name is reserved or too long"));
    }
    if message.attachments.len() > MAX_ATTACHMENTS {
        return Err(invalid("too many attachments"));
    }
    let event = Event::new(message.name, message.arguments, &message.attachments);
    event.packets("/").map_err(|malformed| invalid(malformed.0))?;
    Ok(event)
}

fn check_room(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_ROOM_BYTES {
        return Err(Error::Invalid(format!("a room's name has 1 to {MAX_ROOM_BYTES} bytes")));
    }
    Ok(())
}
