//! What one client sends: messages to packets, packets to calls, one after the other.

use pingtalk_documents::Error;
use pingtalk_packets::{Ack, Bounds, Decoder, Incoming, Malformed, Message, Refusal};
use pingtalk_sdk::internal::{AckPart, ConnectEnd, random_hex};

use crate::{
    event::Event,
    outbox,
    payload::{self, FromClient},
    rooms::{self, Target},
    service,
    session::{self, Gone, Opened, Socket},
    settings::{
        self, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_PAYLOAD, MAX_ROOM_BYTES, MAX_ROOMS,
        MAX_USER_BYTES, Settings,
    },
    tables,
};

/// What a client is told when its component failed.
const INTERNAL: &str = "Internal error, please try again";

/// One client's session while a post of it is handled.
pub(crate) struct Client<'p> {
    session: &'p str,
    opened: &'p Opened,
    settings: &'p Settings,
}

/// Why no more of a post is handled.
enum Stop {
    /// The client broke the protocol, or said goodbye.
    Ended(Gone),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Ended(Gone::Transport)
    }
}

impl<'p> Client<'p> {
    pub(crate) fn new(session: &'p str, opened: &'p Opened, settings: &'p Settings) -> Self {
        Self { session, opened, settings }
    }

    /// Handles a post's packets in order, and returns what came of the last one if its attachments
    /// are still to come. A client that breaks the protocol loses its session.
    pub(crate) async fn take(&self, packets: Vec<FromClient<'_>>) -> Result<String, Error> {
        match self.all(packets).await {
            Ok(left) => Ok(left),
            Err(Stop::Ended(why)) => {
                tables::write(|sql| session::end(sql, self.session, why))?;
                Ok(String::new())
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    async fn all(&self, packets: Vec<FromClient<'_>>) -> Result<String, Stop> {
        let mut partial = String::new();
        let bounds = Bounds { attachments: MAX_ATTACHMENTS, attachment_bytes: MAX_PAYLOAD };
        let mut decoder = Decoder::new(bounds);
        for packet in packets {
            let whole = match packet {
                FromClient::Close => return Err(Stop::Ended(Gone::Transport)),
                FromClient::Pong => continue,
                FromClient::Text(text) => {
                    payload::add(&mut partial, &format!("4{text}"));
                    decoder.text(text)?
                }
                FromClient::Binary(encoded, bytes) => {
                    payload::add(&mut partial, &format!("b{encoded}"));
                    decoder.binary(bytes.into())?
                }
            };
            if let Some(packet) = whole {
                partial.clear();
                self.packet(packet).await?;
            }
        }
        Ok(partial)
    }

    async fn packet(&self, packet: Incoming) -> Result<(), Stop> {
        match packet {
            Incoming::Connect { namespace, auth } => self.connect(&namespace, auth).await,
            Incoming::Disconnect { namespace } => {
                let socket = self.socket(&namespace)?;
                Ok(tables::write(|sql| session::detach(sql, &socket.id, Gone::Client))?)
            }
            Incoming::Event { namespace, message, ack } => {
                let socket = self.socket(&namespace)?;
                self.event(&namespace, socket, message, ack).await
            }
            Incoming::Nothing { namespace } => self.socket(&namespace).map(drop),
        }
    }

    fn socket(&self, spelling: &str) -> Result<Socket, Stop> {
        let found = tables::read(|sql| session::socket(sql, self.session, spelling))?;
        found.ok_or(Stop::Ended(Gone::Transport))
    }

    fn send(&self, packets: Vec<String>) -> Result<(), Stop> {
        Ok(tables::write(|sql| outbox::push(sql, self.session, &packets))?)
    }

    fn refuse(&self, spelling: &str, message: String, data: Option<String>) -> Result<(), Stop> {
        let packet = pingtalk_packets::connect_error(spelling, &Refusal { message, data });
        self.send(vec![format!("4{}", packet.text)])
    }

    async fn connect(&self, spelling: &str, auth: Option<String>) -> Result<(), Stop> {
        let Some(namespace) = settings::namespace(spelling) else {
            return self.refuse(spelling, "Invalid namespace".to_owned(), None);
        };
        if tables::read(|sql| session::socket(sql, self.session, spelling))?.is_some() {
            return Err(Stop::Ended(Gone::Transport));
        }
        let id = random_hex(12);
        let decided = service::connect(self.settings, self.opened, &id, &namespace, auth).await;
        let (user, attachment, first_rooms) = match decided {
            Ok(ConnectEnd::Session { user, attachment, rooms }) => (user, attachment.0, rooms),
            Ok(ConnectEnd::Refusal { message, data }) => {
                return self.refuse(spelling, message, data);
            }
            Err(_) => return self.refuse(spelling, INTERNAL.to_owned(), None),
        };
        let fits = attachment.len() <= MAX_ATTACHMENT_BYTES
            && user.len() <= MAX_USER_BYTES
            && first_rooms.len() <= MAX_ROOMS
            && first_rooms.iter().all(|room| !room.is_empty() && room.len() <= MAX_ROOM_BYTES);
        let socket = Socket { id, namespace, user, attachment };
        let welcome = pingtalk_packets::connect(spelling, &socket.id);
        let admitted = tables::write(|sql| {
            if !fits || !session::admit(sql, self.session, spelling, &socket)? {
                return Ok(false);
            }
            let target = Target::Socket(socket.id.clone());
            for room in &first_rooms {
                // It is in no others, and these are few enough.
                drop(rooms::join(sql, &target, room, false, 0)?);
            }
            outbox::push(sql, self.session, &[format!("4{}", welcome.text)])?;
            Ok(true)
        })?;
        if admitted {
            return Ok(());
        }
        // The component took it in. Whether it hears that it is gone changes nothing here.
        drop(service::disconnect(self.settings, socket, Gone::Server.word().to_owned()).await);
        self.refuse(spelling, "Too many connections".to_owned(), None)
    }

    async fn event(
        &self,
        spelling: &str,
        socket: Socket,
        message: Message,
        ack: Option<u64>,
    ) -> Result<(), Stop> {
        let answered = service::receive(self.settings, socket, message, ack.is_some()).await;
        let packets = match (answered, ack) {
            (Ok(Some(answer)), Some(id)) => acknowledgement(spelling, id, answer),
            (Ok(_), _) => return Ok(()),
            (Err(_), _) => None,
        };
        let failed = || {
            let arguments = format!("[\"{INTERNAL}\"]");
            Event::new("error".to_owned(), arguments, &[]).packets(spelling)
        };
        self.send(match packets {
            Some(packets) => packets,
            None => failed()?,
        })
    }
}

/// The packets of an ack; none if it is no JSON array.
fn acknowledgement(spelling: &str, id: u64, answer: AckPart) -> Option<Vec<String>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let attachments: Vec<String> =
        answer.attachments.iter().map(|bytes| format!("b{}", STANDARD.encode(&bytes.0))).collect();
    let placeholders = vec![Default::default(); attachments.len()];
    let ack = Ack { arguments: answer.arguments, attachments: placeholders };
    let packet = pingtalk_packets::ack(spelling, id, ack).ok()?;
    Some(std::iter::once(format!("4{}", packet.text)).chain(attachments).collect())
}
