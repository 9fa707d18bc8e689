//! What the unit tests share: a host with this service's indexes, connected users, and a client
//! for HTTP and for sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use pingtalk_sdk::{
    documents::{Changes, Filter, Id, Transaction},
    fake,
    serde_json::{self, Value, json},
    session::{self, Session},
    sockets::{self, Ack, Message as Frame, Socket},
};

use crate::{
    chat::{CHATS, Chat, ordered},
    connection::{CONNECTIONS, Connection},
    message::{MESSAGES, Message},
};

/// A user of a test.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Id,
    pub(crate) token: String,
    session: Session,
}

impl Person {
    /// A socket of this user.
    pub(crate) fn socket(&self) -> Socket {
        Socket {
            id: format!("socket-of-{}", self.id),
            namespace: "/".to_owned(),
            user: self.id.to_string(),
            attachment: serde_json::to_vec(&self.session).unwrap(),
        }
    }
}

/// A host with this service's collections.
pub(crate) struct World {
    pub(crate) host: fake::Host,
    pub(crate) anna: Person,
    pub(crate) ben: Person,
    pub(crate) cleo: Person,
    /// Connected to nobody.
    pub(crate) zoe: Person,
}

impl World {
    /// With three users who are connected to each other, and one who is not.
    pub(crate) fn new() -> Self {
        let host = fake::Host::new();
        host.unique_sparse("chatDB", "chats", &["directKey"]);
        host.unique_sparse("chatDB", "messages", &["chatId", "seq"]);
        host.unique_sparse("chatDB", "messages", &["clientKey"]);
        host.unique("chatDB", "connections", &["user1", "user2"]);
        let [anna, ben, cleo, zoe] = [0; 4].map(|_| {
            let id = host.new_id();
            let token = host.log_in(id);
            let session = fake::block_on(session::check(&host.platform(), &token)).unwrap();
            Person { id, token, session }
        });
        let world = Self { host, anna, ben, cleo, zoe };
        world.connect(world.anna.id, world.ben.id);
        world.connect(world.anna.id, world.cleo.id);
        world.connect(world.ben.id, world.cleo.id);
        world
    }

    /// Connects two users through the event.
    pub(crate) fn connect(&self, one: Id, other: Id) {
        let payload = json!({"requestId": one, "fromUserId": one, "toUserId": other,
            "respondedAt": "2026-01-01T00:00:00.000Z"});
        let event = pingtalk_sdk::events::Event {
            id: format!("{one}{other}"),
            topic: "request.accepted".to_owned(),
            payload: payload.to_string().into_bytes(),
            attempt: 1,
            published_at: self.host.platform().now(),
        };
        fake::block_on(crate::on_event(self.host.platform(), event)).unwrap();
    }

    /// All connections.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.host.documents(&CONNECTIONS)
    }

    /// True when a connection of these two is stored.
    pub(crate) fn are_connected(&self, one: Id, other: Id) -> bool {
        let (user1, user2) = ordered(one, other);
        self.connections().contains(&Connection { user1, user2 })
    }

    /// Sends a request as somebody.
    pub(crate) fn ask(&self, who: &Person, request: fake::Request) -> fake::Answer {
        self.host.request(&crate::routes(), request.token(&who.token))
    }

    /// Sends a JSON body as somebody, and gives status and message.
    pub(crate) fn refused(&self, who: &Person, request: fake::Request) -> (u16, String) {
        let answer = self.ask(who, request);
        (answer.status.as_u16(), answer.message())
    }

    /// The direct chat of Anna and Ben.
    pub(crate) fn direct(&self) -> Id {
        let body = json!({"receiverId": self.ben.id});
        id_of(&self.ask(&self.anna, fake::post("/create-direct").json(&body)))
    }

    /// A group of Anna (its admin), Ben and Cleo.
    pub(crate) fn group(&self) -> Id {
        let body = json!({"name": "Three", "participants": [self.ben.id, self.cleo.id]});
        id_of(&self.ask(&self.anna, fake::post("/create-group").json(&body)))
    }

    /// All stored chats.
    pub(crate) fn chats(&self) -> Vec<Chat> {
        self.host.documents(&CHATS)
    }

    /// All stored messages.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.host.documents(&MESSAGES)
    }

    /// Changes all chats behind the service's back.
    pub(crate) fn change_chats(host: &fake::Host, changes: Changes) {
        let change = Transaction::new().update(&CHATS, Filter::everything(), changes);
        fake::block_on(host.platform().commit(change)).unwrap();
    }

    /// A history as JSON.
    pub(crate) fn history(&self, who: &Person, chat: Id, query: &str) -> Vec<Value> {
        let answer = self.ask(who, fake::get(&format!("/messages/{chat}{query}")));
        assert_eq!(answer.status, 200, "{}", answer.message());
        answer.json().as_array().unwrap().clone()
    }

    /// Sends a frame as somebody's socket, wanting an ack, and gives its first argument.
    pub(crate) fn acked(&self, who: &Person, name: &str, argument: Value) -> Value {
        let ack = self.frame(who, name, &json!([argument]).to_string(), true).expect("an ack");
        let arguments: Value = serde_json::from_str(&ack.arguments).unwrap();
        arguments[0].clone()
    }

    /// Sends a frame as somebody's socket, wanting no ack.
    pub(crate) fn sent(&self, who: &Person, name: &str, argument: Value) {
        let ack = self.frame(who, name, &json!([argument]).to_string(), false);
        assert_eq!(ack, None);
    }

    /// Sends any frame.
    pub(crate) fn frame(
        &self,
        who: &Person,
        name: &str,
        arguments: &str,
        wants_ack: bool,
    ) -> Option<Ack> {
        let frame = Frame {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            attachments: Vec::new(),
            wants_ack,
        };
        let receive =
            sockets::receive::<crate::sockets::Chat>(self.host.platform(), who.socket(), frame);
        fake::block_on(receive)
    }

    /// Sends a text, which must work, and gives the message.
    pub(crate) fn say(&self, who: &Person, chat: Id, text: &str) -> Value {
        let ack = self.acked(who, "sendMessage", json!({"chatId": chat, "text": text}));
        assert_eq!(ack["ok"], true, "{ack}");
        ack["message"].clone()
    }

    /// The texts of the `error` events so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = self.host.emissions().into_iter().filter(|e| e.message.name == "error");
        errors.map(|error| error.arguments()[0].as_str().unwrap().to_owned()).collect()
    }
}

/// The `_id` of an answer.
pub(crate) fn id_of(answer: &fake::Answer) -> Id {
    let body = answer.json();
    let id = body["_id"].as_str().and_then(Id::parse);
    id.unwrap_or_else(|| panic!("no document: {} {body}", answer.status))
}
