//! Each fault, seen from a client of a server that repeats what it hears.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(5);
/// Long enough for a loopback answer to have come if it were coming.
const A_WHILE: Duration = Duration::from_millis(100);

/// Echoes, and counts the bytes it heard.
async fn echo() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4_096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    counter.fetch_add(read, Ordering::SeqCst);
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

async fn through(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(stream: &mut TcpStream, words: &str) {
    stream.write_all(words.as_bytes()).await.unwrap();
}

async fn hear(stream: &mut TcpStream, words: &str) {
    let mut heard = vec![0; words.len()];
    timeout(SOON, stream.read_exact(&mut heard)).await.expect("an echo").unwrap();
    assert_eq!(heard, words.as_bytes());
}

async fn hears_nothing(stream: &mut TcpStream) {
    let mut byte = [0];
    assert!(timeout(A_WHILE, stream.read(&mut byte)).await.is_err(), "nothing was to come");
}

/// How the connection ended.
async fn ended(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut byte = [0];
    timeout(SOON, stream.read(&mut byte)).await.expect("an end").map_err(|error| error.kind())
}

#[tokio::test]
async fn bytes_pass_both_ways_and_connections_are_counted() {
    let proxy = FaultProxy::start(echo().await.0).await.unwrap();
    let mut stream = through(&proxy).await;
    let large = "x".repeat(300_000);
    let (mut read, mut write) = stream.split();
    let mut back = vec![0; large.len()];
    let (sent, heard) = tokio::join!(write.write_all(large.as_bytes()), read.read_exact(&mut back));
    sent.unwrap();
    heard.unwrap();
    assert_eq!(back, large.as_bytes());
    assert_eq!((proxy.open(), proxy.accepted()), (1, 1));
    // Half a connection closed is not the end: what is under way still arrives.
    say(&mut stream, "last").await;
    stream.shutdown().await.unwrap();
    hear(&mut stream, "last").await;
    assert_eq!(ended(&mut stream).await, Ok(0));
    timeout(SOON, proxy.until_open_at_most(0)).await.unwrap();
}

#[tokio::test]
async fn a_delay_slows_down() {
    let proxy = FaultProxy::start(echo().await.0).await.unwrap();
    let mut stream = through(&proxy).await;
    proxy.set(Fault::Delay(Duration::from_millis(60)));
    let start = Instant::now();
    say(&mut stream, "slow").await;
    hear(&mut stream, "slow").await;
    assert!(start.elapsed() >= Duration::from_millis(120), "each way");
}

#[tokio::test]
async fn held_replies_arrive_when_mended() {
    let (address, heard) = echo().await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let mut stream = through(&proxy).await;
    proxy.set(Fault::HoldReplies);
    say(&mut stream, "done").await;
    hears_nothing(&mut stream).await;
    assert_eq!(heard.load(Ordering::SeqCst), 4, "the server got it");
    proxy.mend();
    hear(&mut stream, "done").await;
}

#[tokio::test]
async fn a_held_request_arrives_when_mended() {
    let (address, heard) = echo().await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let mut stream = through(&proxy).await;
    proxy.set(Fault::HoldAll);
    say(&mut stream, "late").await;
    hears_nothing(&mut stream).await;
    assert_eq!(heard.load(Ordering::SeqCst), 0);
    proxy.mend();
    hear(&mut stream, "late").await;
}

#[tokio::test]
async fn cutting_closes_and_resetting_resets() {
    let proxy = FaultProxy::start(echo().await.0).await.unwrap();
    for hard in [false, true] {
        let mut stream = through(&proxy).await;
        say(&mut stream, "up").await;
        hear(&mut stream, "up").await;
        if hard {
            proxy.reset();
            assert_eq!(ended(&mut stream).await, Err(ErrorKind::ConnectionReset));
        } else {
            proxy.cut();
            assert_eq!(ended(&mut stream).await, Ok(0));
        }
        timeout(SOON, proxy.until_open_at_most(0)).await.unwrap();
    }
    let mut stream = through(&proxy).await;
    say(&mut stream, "new").await;
    hear(&mut stream, "new").await;
}

#[tokio::test]
async fn a_server_taken_away_comes_back() {
    let proxy = FaultProxy::start(echo().await.0).await.unwrap();
    let mut old = through(&proxy).await;
    say(&mut old, "up").await;
    hear(&mut old, "up").await;
    proxy.take_away();
    assert_eq!(ended(&mut old).await, Err(ErrorKind::ConnectionReset));
    let mut refused = through(&proxy).await;
    assert_eq!(ended(&mut refused).await, Err(ErrorKind::ConnectionReset));
    proxy.mend();
    let mut stream = through(&proxy).await;
    say(&mut stream, "back").await;
    hear(&mut stream, "back").await;
}

#[tokio::test]
async fn a_trap_breaks_the_connection_that_meets_it() {
    let (address, heard) = echo().await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let mut other = through(&proxy).await;
    say(&mut other, "hello").await;
    hear(&mut other, "hello").await;
    for (cut, reaches) in [(Cut::BeforeReply, true), (Cut::BeforeRequest, false)] {
        let mut stream = through(&proxy).await;
        say(&mut stream, "first").await;
        hear(&mut stream, "first").await;
        let before = heard.load(Ordering::SeqCst);
        let trap = proxy.trap("needle", cut);
        // In two pieces, so that neither holds the needle.
        say(&mut stream, "a nee").await;
        hear(&mut stream, "a nee").await;
        say(&mut stream, "dle").await;
        timeout(SOON, trap.sprung()).await.expect("sprung");
        assert_eq!(ended(&mut stream).await, Err(ErrorKind::ConnectionReset));
        let after = if reaches { before + 8 } else { before + 5 };
        assert_eq!(heard.load(Ordering::SeqCst), after);
    }
    // Once only, and nobody else.
    say(&mut other, "needle").await;
    hear(&mut other, "needle").await;
}

#[tokio::test]
async fn a_target_that_is_away_shows_as_a_reset() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(gone.to_string()).await.unwrap();
    let mut stream = through(&proxy).await;
    assert_eq!(ended(&mut stream).await, Err(ErrorKind::ConnectionReset));
}
