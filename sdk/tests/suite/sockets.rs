//! Socket events: arguments, errors, emissions.

use pingtalk_sdk::{
    fake::{Host, SocketCall, block_on},
    prelude::*,
    sockets::{
        self, Admission, Handshake, Message, Refusal, Socket, SocketService, Target, socket,
    },
};

struct Echo;

impl SocketService for Echo {
    async fn connect(_: Platform, handshake: Handshake) -> Result<Admission, Refusal> {
        let user = handshake.auth.ok_or_else(|| Refusal::new("who?"))?;
        Ok(Admission { user, ..Admission::default() })
    }

    async fn receive(cx: Platform, from: Socket, message: Message) -> Result<Option<Ack>> {
        let body = message.fields()?;
        let text = body.required_text("text", "text is required")?;
        cx.sockets().emit_in_order(room("r"), "said", &json!({ "text": text }), 7).await?;
        cx.sockets().leave(from.target(), "old").await?;
        Ok(Some(Ack::new(&json!({ "ok": true }))))
    }
}

fn receive(host: &Host, arguments: &str, wants_ack: bool) -> Option<Ack> {
    let from = Socket { id: "s1".to_owned(), ..Socket::default() };
    let message = Message {
        name: "say".to_owned(),
        arguments: arguments.to_owned(),
        wants_ack,
        ..Message::default()
    };
    block_on(sockets::receive::<Echo>(host.platform(), from, message))
}

#[test]
fn an_event_is_answered_and_told() {
    let host = Host::new();
    let ack = receive(&host, r#"[{"text":"hi"}]"#, true).unwrap();
    assert_eq!(ack.arguments, r#"[{"ok":true}]"#);
    let emission = host.emissions().remove(0);
    assert_eq!(emission.target, Target::Room("r".to_owned()));
    assert_eq!(emission.message.name, "said");
    assert_eq!(emission.arguments(), json!([{ "text": "hi" }]));
    assert_eq!(emission.sequence, Some(7));
    assert_eq!(host.socket_calls()[1], SocketCall::Leave(socket("s1"), "old".to_owned()));
}

#[test]
fn an_error_reaches_the_client_as_an_event_and_an_ack() {
    for arguments in ["[]", "", "[1]", "[null]", "[[]]", "{}", "[{\"text\":1}]", "[{}]"] {
        let host = Host::new();
        let ack = receive(&host, arguments, true).unwrap();
        assert!(ack.arguments.starts_with(r#"[{"error":"#), "{arguments}: {}", ack.arguments);
        let emission = host.emissions().remove(0);
        assert_eq!(emission.target, socket("s1"));
        assert_eq!(emission.message.name, "error");
        assert!(emission.arguments()[0].is_string());
        assert_eq!(receive(&host, arguments, false), None, "nobody waits for an ack");
    }
}

#[test]
fn a_failure_shows_no_detail() {
    let host = Host::new();
    let why = pingtalk_sdk::sockets::SocketError::Invalid("secret detail".to_owned());
    host.fail_next(pingtalk_sdk::fake::Failure::Sockets(why));
    let ack = receive(&host, r#"[{"text":"hi"}]"#, true).unwrap();
    assert!(!ack.arguments.contains("secret"), "{}", ack.arguments);
    assert_eq!(host.emissions()[0].arguments(), json!(["Internal server error"]));
}

#[test]
fn connecting_admits_or_refuses() {
    let host = Host::new();
    let connect = |auth: Option<&str>| {
        let auth = auth.map(str::to_owned);
        block_on(Echo::connect(host.platform(), Handshake { auth, ..Handshake::default() }))
    };
    assert_eq!(connect(Some("ann")).unwrap().user, "ann");
    assert_eq!(connect(None).unwrap_err(), Refusal::new("who?"));
}
