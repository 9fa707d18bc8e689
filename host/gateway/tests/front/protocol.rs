//! Requests at the edge of HTTP/1.1, byte by byte.

use pingtalk_gateway::{Config, Route, Site};

use crate::support::{Answer, Front, echo, handler, text};

fn front() -> Front {
    Front::start(Config::default(), Site::new(vec![Route::service("/a", echo())]).with_health())
}

async fn refused(front: &Front, bytes: impl AsRef<[u8]>) -> (u16, String) {
    let answer = Answer::parse(&front.raw(bytes).await);
    (answer.status, answer.message())
}

#[tokio::test]
async fn too_many_header_bytes_are_431() {
    let front = front();
    for size in [40 * 1024, 200 * 1024] {
        let head = format!("GET /a/x HTTP/1.1\r\nhost: t\r\nx-long: {}\r\n\r\n", "x".repeat(size));
        let expected = (431, "The request headers are too large".to_owned());
        assert_eq!(refused(&front, head).await, expected, "{size}");
    }
}

#[tokio::test]
async fn too_many_headers_are_431() {
    let front = front();
    let lines: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let head = format!("GET /a/x HTTP/1.1\r\nhost: t\r\n{lines}\r\n");
    assert_eq!(refused(&front, head).await.0, 431);
}

#[tokio::test]
async fn a_bad_request_after_a_good_one_gets_our_answer_too() {
    let front = front();
    let mut connection = front.connect().await;
    connection.send("GET /health HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    connection.send("nonsense\r\n\r\n").await;
    let answer = Answer::parse(&connection.rest().await);
    assert_eq!((answer.status, answer.message().as_str()), (400, "Malformed request"));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_long_target_is_414() {
    let front = front();
    for size in [9 * 1024, 100 * 1024] {
        let head = format!("GET /a/{} HTTP/1.1\r\nhost: t\r\n\r\n", "x".repeat(size));
        let (status, _) = refused(&front, head).await;
        // One that does not even fit the head's bound is a head too large.
        assert_eq!(status, if size > 32 * 1024 { 431 } else { 414 });
    }
}

#[tokio::test]
async fn a_host_is_needed_once() {
    let front = front();
    for head in [
        "GET /a/x HTTP/1.1\r\n\r\n",
        "GET /a/x HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET /a/x HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET /a/x HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET /a/x HTTP/1.1\r\nhost:\r\n\r\n",
    ] {
        let expected = (400, "Missing, repeated or malformed Host header".to_owned());
        assert_eq!(refused(&front, head).await, expected, "{head}");
    }
    let old = Answer::parse(&front.raw("GET /a/x HTTP/1.0\r\n\r\n").await);
    assert_eq!(old.status, 200, "HTTP/1.0 knows no Host");
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_refused() {
    let front = front();
    for headers in [
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 5\r\n",
        "content-length: +4\r\n",
        "content-length: -1\r\n",
        "content-length: x\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: xchunked\r\n",
    ] {
        let head = format!("POST /a/x HTTP/1.1\r\nhost: t\r\n{headers}\r\nbody");
        assert_eq!(refused(&front, head).await, (400, "Malformed request".to_owned()), "{headers}");
    }
}

#[tokio::test]
async fn chunked_wins_over_a_length_and_ends_the_connection() {
    let front = front();
    // Read by its length, the rest would be a second request to /health.
    let smuggled = "POST /a/x HTTP/1.1\r\nhost: t\r\ncontent-length: 6\r\n\
                    transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nhost: t\r\n\r\n";
    let text = front.raw(smuggled).await;
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    let answer = Answer::parse(&text);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("body 0\n") && answer.body.contains("content-length: 0\n"));
    assert!(!answer.body.contains("content-length: 6"));
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let front = front();
    for chunks in ["zz\r\nbody\r\n0\r\n\r\n", "-1\r\n\r\n", "4\r\nbodyextra\r\n0\r\n\r\n"] {
        let head =
            format!("POST /a/x HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let (status, message) = refused(&front, head).await;
        assert_eq!((status, message.as_str()), (400, "The request body ended early"), "{chunks}");
    }
}

#[tokio::test]
async fn odd_methods_and_targets_have_an_answer() {
    let front = front();
    let ask = async |head: &str| Answer::parse(&front.raw(head).await).status;
    assert_eq!(ask("CONNECT t:80 HTTP/1.1\r\nhost: t:80\r\n\r\n").await, 405);
    assert_eq!(ask("TRACE /a/x HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await, 405);
    assert_eq!(ask("OPTIONS * HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await, 204);
    assert_eq!(ask("GET http://t/a/x HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await, 200);
    assert_eq!(ask("GET a/x HTTP/1.1\r\nhost: t\r\n\r\n").await, 400);
    assert_eq!(ask("GET /a b HTTP/1.1\r\nhost: t\r\n\r\n").await, 400);
    assert_eq!(ask("GET /a/x HTTP/3.0\r\nhost: t\r\n\r\n").await, 400);
    assert_eq!(ask("GET /a/x HTTP/1.1\r\nbad header\r\n\r\n").await, 400);
    assert_eq!(ask("GET /a/x HTTP/1.1\r\nhost : t\r\n\r\n").await, 400);
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_order() {
    let front = front();
    let text = front
        .raw(
            "GET /a/one HTTP/1.1\r\nhost: t\r\n\r\nGET /a/two HTTP/1.1\r\nhost: t\r\n\r\n\
             GET /a/three HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n",
        )
        .await;
    let places: Vec<usize> = ["GET /one", "GET /two", "GET /three"]
        .iter()
        .map(|line| text.find(line).unwrap())
        .collect();
    assert!(places.is_sorted());
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let front = Front::of(vec![Route::service("/a", crate::support::says("hello"))]);
    let answer = front.ask("HEAD /a/x", &[], b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("5"));
}

#[tokio::test]
async fn an_upgrade_passes_bytes_both_ways() {
    let switching = handler(|_, mut request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            let (mut reader, mut writer) = tokio::io::split(io);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        });
        let mut response = text("");
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", http::HeaderValue::from_static("upgrade"));
        headers.insert("upgrade", http::HeaderValue::from_static("echo"));
        Ok(response)
    });
    let config = Config {
        idle_timeout: std::time::Duration::from_millis(50),
        header_timeout: std::time::Duration::from_millis(50),
        ..Config::default()
    };
    let site = Site::new(vec![
        Route::sockets("/socket.io", switching.clone()),
        Route::service("/a", switching),
    ]);
    let front = Front::start(config, site);
    let head = "HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut connection = front.connect().await;
    connection.send(format!("GET /socket.io {head}")).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("echo")));
    answer.has_security_headers();
    // Longer than any time-out of HTTP's.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    connection.send("ping").await;
    let mut bytes = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut connection.0, &mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
    assert_eq!(front.gateway.metrics().snapshot().connections, 1, "it counts");
    drop(connection);

    let mut connection = front.connect().await;
    connection.send(format!("GET /a/x {head}")).await;
    assert_eq!(connection.answer().await.status, 500, "services can't upgrade");
}

/// Numbers that are the same in every run (xorshift).
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}

#[tokio::test]
async fn damaged_requests_get_an_answer_of_ours_or_none() {
    let config = Config {
        header_timeout: std::time::Duration::from_millis(20),
        idle_timeout: std::time::Duration::from_millis(20),
        body_idle_timeout: std::time::Duration::from_millis(20),
        linger_timeout: std::time::Duration::from_millis(20),
        ..Config::default()
    };
    let front = Front::start(config, Site::new(vec![Route::service("/a", echo())]).with_health());
    let whole: &[u8] = b"POST /a/x?y=z HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
        Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let mut number = numbers();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..600 {
        let mut bytes = whole.to_vec();
        for _ in 0..=number(3) {
            let at = number(bytes.len());
            match number(4) {
                0 => bytes[at] = number(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, number(256) as u8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut connection = front.connect().await;
        connection.send(&bytes).await;
        let mut answer = Vec::new();
        // What a damaged head echoes need not be text.
        let read = tokio::io::AsyncReadExt::read_to_end(&mut connection.0, &mut answer);
        let read = tokio::time::timeout(crate::support::PATIENCE, read).await;
        assert!(read.is_ok(), "left open after {:?}", String::from_utf8_lossy(&bytes));
        if answer.is_empty() {
            continue;
        }
        let answer = Answer::parse(&String::from_utf8_lossy(&answer));
        if answer.status != 100 {
            answer.has_security_headers();
        }
        *statuses.entry(answer.status).or_default() += 1;
    }
    for status in [200, 400, 404, 408] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
    assert_eq!(statuses.get(&500), None, "{statuses:?}");
    assert_eq!(front.get("/health").await.status, 200);
    let figures = front.gateway.metrics().snapshot();
    assert_eq!((figures.in_flight, figures.connections), (0, 0));
}
