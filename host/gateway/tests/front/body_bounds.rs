//! Bodies: how large, and what the handler gets of them.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use pingtalk_capabilities::calls::{BodyError, CallError};
use pingtalk_gateway::{Config, Route, Site};

use crate::support::{Answer, Front, echo, handler, says, text};

fn limited(bytes: u64) -> Site {
    let mut route = Route::service("/up", echo());
    route.max_body_bytes = bytes;
    route.max_json_bytes = Some(10);
    Site::new(vec![route])
}

fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes =
        b"POST /up/x HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend_from_slice(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let front = Front::start(Config::default(), limited(1_000));
    let answer = front.ask("POST /up/x", &[], &[b'x'; 1_000]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("body 1000\n"), "{}", answer.body);
}

#[tokio::test]
async fn one_byte_more_is_413_at_once_when_it_is_announced() {
    let front = Front::start(Config::default(), limited(1_000));
    let mut connection = front.connect().await;
    // Nothing of the body is ever sent: the length alone decides.
    connection.send("POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 1001\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.message().as_str()), (413, "The request body is too large"));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_client_that_sends_on_sees_the_413() {
    let front = Front::start(Config::default(), limited(1_000));
    let body = vec![b'x'; 8 * 1024 * 1024];
    let answer = front.ask("POST /up/x", &[], &body).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let front = Front::start(Config::default(), limited(1_000));
    let mut connection = front.connect().await;
    connection.send(chunked(&[&[b'x'; 600], &[b'x'; 400]])).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("body 1000\n"), "{}", answer.body);
    assert!(answer.body.contains("content-length: 1000\n"), "it is known by now");
    let answer = Answer::parse(&front.raw(chunked(&[&[b'x'; 600], &[b'x'; 401]])).await);
    assert_eq!((answer.status, answer.message().as_str()), (413, "The request body is too large"));
}

#[tokio::test]
async fn json_has_a_limit_of_its_own() {
    let front = Front::start(Config::default(), limited(1_000));
    let ask = async |kind: &str, length: usize| {
        let kind = format!("content-type: {kind}");
        front.ask("POST /up/x", &[&kind], &vec![b'1'; length]).await.status
    };
    assert_eq!(ask("application/json", 10).await, 200);
    assert_eq!(ask("application/json", 11).await, 413);
    assert_eq!(ask("Application/JSON ; charset=utf-8", 11).await, 413);
    assert_eq!(ask("multipart/form-data; boundary=x", 11).await, 200);
}

#[tokio::test]
async fn many_tiny_chunks_make_one_body() {
    let front = Front::start(Config::default(), limited(20_000));
    let pieces: Vec<&[u8]> = vec![b"ab"; 9_000];
    let mut connection = front.connect().await;
    connection.send(chunked(&pieces)).await;
    let answer = connection.answer().await;
    assert!(answer.body.contains("body 18000\n"), "{}", answer.body);
}

#[tokio::test]
async fn without_a_budget_bodies_are_streamed_and_still_bounded() {
    let config = Config { body_buffer_bytes: 0, ..Config::default() };
    let mut route = Route::service(
        "/up",
        handler(|_, request| async move {
            // A handler that hides what happened to its body.
            match request.into_body().collect().await {
                Ok(body) => Ok(text(format!("body {}", body.to_bytes().len()))),
                Err(BodyError::TooLarge { .. }) => Ok(text("hidden")),
                Err(_) => Err(CallError::Failed("the body broke off".into())),
            }
        }),
    );
    route.max_body_bytes = 1_000;
    let front = Front::start(config, Site::new(vec![route]));
    assert_eq!(front.ask("POST /up/x", &[], &[b'x'; 1_000]).await.body, "body 1000");
    let mut connection = front.connect().await;
    connection.send(chunked(&[&[b'x'; 900], &[b'x'; 101]])).await;
    assert_eq!(connection.answer().await.status, 413, "the gateway's answer goes first");
}

#[tokio::test]
async fn the_handler_gets_nothing_of_a_body_that_breaks_off() {
    let front = Front::start(Config::default(), limited(1_000));
    let mut connection = front.connect().await;
    connection.send("POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\nhalf").await;
    tokio::io::AsyncWriteExt::shutdown(&mut connection.0).await.unwrap();
    let rest = connection.rest().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");
}

#[tokio::test]
async fn a_wait_for_100_continue_is_answered() {
    let front = Front::start(Config::default(), limited(1_000));
    let mut connection = front.connect().await;
    let head = "POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\nexpect: 100-continue\r\n";
    connection.send(format!("{head}connection: close\r\n\r\n")).await;
    let mut start = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut connection.0, &mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.send("body").await;
    let answer = Answer::parse(&connection.rest().await);
    assert!(answer.body.contains("body 4\n"), "{}", answer.body);

    let refused =
        "POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 4000\r\nexpect: 100-continue\r\n\r\n";
    let mut connection = front.connect().await;
    connection.send(refused).await;
    assert_eq!(connection.answer().await.status, 413, "not invited to send");
}

#[tokio::test]
async fn an_ignored_body_does_not_break_the_next_request() {
    let front = Front::start(
        Config::default(),
        Site::new(vec![Route::service("/up", says("ok"))]).with_health(),
    );
    let mut connection = front.connect().await;
    for _ in 0..3 {
        connection.send("POST /health HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(connection.answer().await.body, "API Gateway is healthy");
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let mut route = Route::service(
        "/up",
        handler(|_, request| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok(text(Bytes::from(body.to_vec())))
        }),
    );
    route.max_body_bytes = 6 * 1024 * 1024;
    let front = Front::start(Config::default(), Site::new(vec![route]));
    let body: Vec<u8> = (0..6 * 1024 * 1024_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let mut connection = front.connect().await;
    let head = format!(
        "POST /up/x HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (mut reader, mut writer) = connection.0.split();
    let send = async {
        tokio::io::AsyncWriteExt::write_all(&mut writer, head.as_bytes()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut writer, &body).await.unwrap();
    };
    let mut received = Vec::new();
    let receive = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut received);
    let (_, count) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(send, receive) })
            .await
            .unwrap();
    count.unwrap();
    assert!(received.ends_with(&body));
}
