//! Ways to be a bad guest.

use std::{
    cell::Cell,
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use crate::{
    bindings::{
        pingtalk::cache::store as cache,
        wasi::{
            clocks::monotonic_clock,
            http::types::{ErrorCode, Fields, Response},
            random::random as wasi_random,
        },
    },
    stream,
};

thread_local! {
    static SERVED: Cell<u64> = const { Cell::new(0) };
}

/// Counts its own calls: shows whether an instance is a fresh one.
pub fn served() -> u64 {
    SERVED.set(SERVED.get() + 1);
    SERVED.get()
}

/// Executes `unreachable`. Elsewhere than in WebAssembly there is no such instruction.
pub fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

pub fn compute_for_ever() -> ! {
    loop {
        black_box(0);
    }
}

pub async fn compute_beside_an_import() -> ! {
    let mut import = pin!(cache::get("never".to_owned()));
    let started = import.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(started.is_pending());
    compute_for_ever()
}

pub async fn yield_for_ever() -> ! {
    loop {
        wit_bindgen::yield_async().await;
    }
}

/// Computes for so many milliseconds.
pub fn compute(millis: u64) -> u64 {
    let end = Instant::now() + Duration::from_millis(millis);
    let mut rounds = 0;
    while Instant::now() < end {
        rounds = black_box(rounds + 1);
    }
    rounds
}

pub fn allocate_for_ever() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1024 * 1024]));
    }
}

/// Takes so many MiB for a moment.
pub fn grow(mebibytes: usize) -> usize {
    black_box(vec![1_u8; mebibytes << 20]).len() >> 20
}

/// Looks for what a sandbox must not have, and tells what it found.
pub fn reach_out() -> String {
    let found = [
        std::env::vars().count() > 0,
        std::env::args().count() > 0,
        std::fs::read_dir("/").is_ok(),
        std::fs::read_to_string("/etc/passwd").is_ok(),
        std::net::TcpStream::connect("127.0.0.1:22").is_ok(),
        std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
        std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok(),
    ];
    format!("{found:?}")
}

/// Recurses so deep; without an argument, for ever.
pub fn recurse(depth: u64) -> u64 {
    fn down(left: u64, pad: [u64; 8]) -> u64 {
        if left == 1 {
            return 1;
        }
        let pad = black_box(pad.map(|word| word.wrapping_add(left)));
        1 + down(left.wrapping_sub(1), pad) + pad[0] - pad[0]
    }
    down(depth, [0; 8])
}

pub async fn sleep(millis: u64) -> String {
    monotonic_clock::wait_for(millis * 1_000_000).await;
    "slept".to_owned()
}

/// Answers at once, then goes on for so many milliseconds.
pub fn work_after_the_answer(millis: u64) -> Response {
    wit_bindgen::spawn_local(async move {
        monotonic_clock::wait_for(millis * 1_000_000).await;
        let _ = cache::set("after".to_owned(), b"done".to_vec(), 1_000, false).await;
    });
    crate::text("answered")
}

pub fn flood_with_handles() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(Fields::new());
    }
}

pub fn random(bytes: u64) -> usize {
    wasi_random::get_random_bytes(bytes).len()
}

/// Adds headers until the host refuses.
pub fn endless_headers() -> Result<Response, ErrorCode> {
    let headers = Fields::new();
    let mut added = 0_u32;
    while headers.append(&format!("x-{added}"), &[b'x'; 1024]).is_ok() {
        added += 1;
    }
    Ok(stream(headers, async move |body| {
        body.write_all(added.to_string().into_bytes()).await;
    }))
}

/// Writes so many lines.
pub fn log(lines: u64) -> String {
    for line in 0..lines {
        println!("line {line} {}", "x".repeat(100));
    }
    eprintln!("{}", "y".repeat(10_000));
    "logged".to_owned()
}
