//! Running out of file handles: the gateway waits for some to come back.
//!
//! The limit is a process's own, so the gateway runs in a child process: this test binary again,
//! with a low limit set by the shell.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use pingtalk_gateway::{Config, Site};

use crate::support::Front;

const CHILD: &str = "file_handles::child";
/// File handles of the child; the runtime and the test harness need about ten.
const HANDLES: usize = 40;

/// Serves until its input ends. Only the test below runs it.
#[tokio::test]
#[ignore = "the child process of another test"]
async fn child() {
    let front = Front::start(Config::default(), Site::new(vec![]).with_health());
    println!("listening {}", front.address);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await
        .unwrap()
        .unwrap();
    println!("errors {}", front.gateway.metrics().snapshot().accept_errors);
}

/// Asks for `/health` and returns the first line of the answer, if there is one in time.
fn health(address: SocketAddr) -> Option<String> {
    use std::io::Write;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines().next().map(str::to_owned)
}

#[test]
fn the_gateway_survives_having_none_left() {
    let mut process = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -n {HANDLES}; exec \"$0\" --exact {CHILD} --ignored --nocapture"),
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The harness writes on the same line.
    let told =
        |line: String, what: &str| line.rsplit_once(what).map(|(_, told)| told.trim().to_owned());
    let address = lines.find_map(|line| told(line, "listening ")).unwrap().parse().unwrap();
    assert_eq!(health(address).as_deref(), Some("HTTP/1.1 200 OK"));

    // More connections than it has handles: the kernel takes them, the gateway can't.
    let crowd: Vec<TcpStream> =
        (0..HANDLES * 2).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(health(address), None, "there is no handle left for this one");
    drop(crowd);

    let started = Instant::now();
    let answer = loop {
        if let Some(answer) = health(address) {
            break answer;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "it does not come back");
    };
    assert_eq!(answer, "HTTP/1.1 200 OK");

    drop(process.stdin.take());
    let errors: u64 = lines.find_map(|line| told(line, "errors ")).unwrap().parse().unwrap();
    assert!(errors > 0);
    assert!(process.wait().unwrap().success());
}
