//! Socket events and queue events, in the same instances as HTTP.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pingtalk_capabilities::{
    calls::{CallError, EventHandler, HttpHandler, SocketHandler as _},
    events::{Disposition, Event},
    sockets::{DisconnectReason, Handshake, Message, Socket},
};
use pingtalk_runtime::{Capabilities, Instances, Limits};

use crate::support::{
    self, context, fakes, limits, names, probe_limited, probe_with, request, text,
};

fn event(topic: &str) -> Event {
    Event {
        id: "e1".to_owned(),
        topic: topic.to_owned(),
        payload: Bytes::from_static(b"{}"),
        attempt: 3,
        published_at: 5,
    }
}

fn socket() -> Socket {
    Socket {
        id: "s1".into(),
        namespace: "/".into(),
        user: "u1".into(),
        attachment: Bytes::from_static(b"abc"),
    }
}

fn message(name: &str) -> Message {
    Message {
        name: name.to_owned(),
        arguments: "[true]".to_owned(),
        attachments: vec![Bytes::from_static(b"\x00\x01")],
    }
}

#[tokio::test]
async fn events_get_their_disposition() {
    let probe = probe_limited(limits()).await;
    let handle = async |topic: &str| EventHandler::handle(&*probe, context(), event(topic)).await;
    assert_eq!(handle("done").await.unwrap(), Disposition::Done);
    assert_eq!(handle("retry").await.unwrap(), Disposition::Retry("attempt 3".to_owned()));
    assert_eq!(handle("reject").await.unwrap(), Disposition::Reject("2 bytes".to_owned()));
    assert!(matches!(handle("trap").await.unwrap_err(), CallError::Failed(_)));
    assert!(matches!(handle("loop").await.unwrap_err(), CallError::DeadlineExceeded));
    assert_eq!(handle("done").await.unwrap(), Disposition::Done);
}

#[tokio::test]
async fn sockets_connect_receive_and_disconnect() {
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), limits()).await;
    let handshake = Handshake {
        socket: "s1".into(),
        namespace: "/".to_owned(),
        cookie: Some("a=b".to_owned()),
        auth: Some("ann".to_owned()),
        remote_address: "10.1.2.3".to_owned(),
        query: "EIO=4".to_owned(),
    };
    let session = probe.connect(context(), handshake.clone()).await.unwrap().unwrap();
    assert_eq!(session.user, "ann");
    assert_eq!(session.attachment, "EIO=4");
    assert_eq!(session.rooms, ["s1", "/", "10.1.2.3"]);
    let refusal = probe.connect(context(), Handshake { auth: None, ..handshake }).await.unwrap();
    let refusal = refusal.unwrap_err();
    assert_eq!((refusal.message.as_str(), refusal.data.as_deref()), ("who?", Some("a=b")));

    let ack = probe.receive(context(), socket(), message("hi"), true).await.unwrap().unwrap();
    assert_eq!(ack.arguments, r#"["u1","hi",[true],3]"#);
    assert_eq!(ack.attachments, [Bytes::from_static(b"\x00\x01")]);
    assert!(probe.receive(context(), socket(), message("hi"), false).await.unwrap().is_none());
    let error = probe.receive(context(), socket(), message("loop"), true).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded), "{error:?}");

    probe.disconnect(context(), socket(), DisconnectReason::Overflow).await.unwrap();
    assert!(fake.asked()[0].starts_with("set gone:s1:DisconnectReason::Overflow"));
}

#[tokio::test]
async fn all_kinds_of_calls_share_an_instance() {
    // One only: a slow machine may find it computing for so long that it would start another.
    let limits = Limits { wall_time: Duration::from_secs(5), instances: 1, ..limits() };
    let probe = probe_limited(limits).await;
    let slow = tokio::spawn({
        let probe = Arc::clone(&probe);
        async move { text(&probe, "/sleep?1000").await }
    });
    while probe.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let disposition = EventHandler::handle(&*probe, context(), event("done")).await;
    assert_eq!(disposition.unwrap(), Disposition::Done);
    assert!(probe.receive(context(), socket(), message("hi"), true).await.unwrap().is_some());
    assert!(!slow.is_finished(), "they waited for it");
    assert_eq!(slow.await.unwrap(), "slept");
    assert_eq!(probe.stats().started, 1);
}

#[tokio::test]
async fn what_is_not_exported_is_said() {
    let engine = support::engine();
    let hello = support::load("hello").await;
    let hello = Instances::new(&engine, hello, names(), Capabilities::default(), limits()).unwrap();
    let response = HttpHandler::handle(&*hello, context(), request("/")).await.unwrap();
    assert_eq!(response.status(), 200);
    let error = EventHandler::handle(&*hello, context(), event("done")).await.unwrap_err();
    assert!(matches!(error, CallError::NotExported));
    let error = hello.receive(context(), socket(), message("hi"), true).await.unwrap_err();
    assert!(matches!(error, CallError::NotExported));
}
