//! What the gateway costs: CPU time a request with a trivial handler, over that of plain hyper on
//! the same runtime in the same run.
//!
//! `cargo run --release -p pingtalk-gateway --example overhead [-- SECONDS CONNECTIONS]`
//!
//! The server and the load run on a thread each. The server's CPU time is what its thread used,
//! read from `/proc`, so the load's own cost does not count. The two take turns in short rounds,
//! so that whatever else the machine does falls on both alike; the median of the rounds counts.

use std::{
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::calls::{Body, CallContext, CallError, HttpHandler};
use pingtalk_gateway::{
    Config, CorsPolicy, Gateway, OneSite, RateLimit, RateRule, Route, Site, baseline, bind,
};

type Failure = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 7;
const REQUEST: &[u8] = b"GET /auth/hello HTTP/1.1\r\nhost: localhost:3000\r\n\
    origin: http://localhost:5173\r\naccept: application/json\r\ncookie: token=abcdefgh\r\n\r\n";

struct Hello;

#[async_trait]
impl HttpHandler for Hello {
    async fn handle(
        &self,
        _context: CallContext,
        _request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        let body = Full::new(Bytes::from_static(b"hello")).map_err(|never| match never {});
        Ok(Response::new(Body::new(body)))
    }
}

/// A server on a thread of its own.
struct Server {
    address: SocketAddr,
    /// `/proc/self/task/ID/schedstat` of its thread: nanoseconds on a CPU come first.
    statistics: String,
}

impl Server {
    fn start<F>(serve: F) -> Result<Self, Failure>
    where
        F: AsyncFnOnce(TcpListener) -> std::io::Result<()> + Send + 'static,
    {
        let listener = bind("127.0.0.1:0".parse()?, 1)?.pop().ok_or("no listener")?;
        let address = listener.local_addr()?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || -> Result<(), Failure> {
            let link = fs::read_link("/proc/thread-self")?;
            sender.send(link.display().to_string())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve(listener))?;
            Ok(())
        });
        Ok(Self { address, statistics: format!("/proc/{}/schedstat", receiver.recv()?) })
    }

    fn cpu(&self) -> Result<Duration, Failure> {
        let text = fs::read_to_string(&self.statistics)?;
        let nanoseconds = text.split_whitespace().next().ok_or("empty schedstat")?.parse()?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// One round: CPU microseconds a request, and requests a second.
    fn round(&self, length: Duration, connections: usize) -> Result<(f64, f64), Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let before = self.cpu()?;
        let started = Instant::now();
        let load: Vec<_> = (0..connections)
            .map(|_| {
                let (stop, count, address) = (Arc::clone(&stop), Arc::clone(&count), self.address);
                thread::spawn(move || ask(address, &stop, &count))
            })
            .collect();
        thread::sleep(length);
        stop.store(true, Relaxed);
        for thread in load {
            thread.join().map_err(|_| "the load panicked")??;
        }
        let requests = count.load(Relaxed) as f64;
        let cpu = self.cpu()?.saturating_sub(before);
        Ok((cpu.as_secs_f64() * 1e6 / requests, requests / started.elapsed().as_secs_f64()))
    }
}

/// Sends a few requests at a time, so that the load costs less than the server.
fn ask(address: SocketAddr, stop: &AtomicBool, count: &AtomicU64) -> Result<(), Failure> {
    const AT_ONCE: usize = 8;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let burst = REQUEST.repeat(AT_ONCE);
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Relaxed) {
        stream.write_all(&burst)?;
        let mut answers = 0;
        while answers < AT_ONCE {
            let read = stream.read(&mut buffer)?;
            let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or("closed")?;
            // Every response ends with this body, and holds it once.
            answers += bytes.windows(5).filter(|window| window == b"hello").count();
        }
        count.fetch_add(AT_ONCE as u64, Relaxed);
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let connections: usize = arguments.next().map_or(Ok(8), |text| text.parse())?;
    let length = Duration::from_secs_f64(seconds);

    let plain = Server::start(async |listener| {
        baseline::serve(listener, b"hello", std::future::pending()).await
    })?;
    let mut route = Route::service("/auth", Arc::new(Hello));
    let rule = RateRule { per_second: 1_000_000, burst: 1_000_000, ..RateRule::default() };
    route.rate_limit = Some(Arc::new(RateLimit::new(rule)));
    let others =
        ["/profile", "/request", "/chat", ""].map(|prefix| Route::service(prefix, Arc::new(Hello)));
    let site = Site::new([route].into_iter().chain(others).collect())
        .with_health()
        .with_cors(CorsPolicy::new(["http://localhost:3000", "http://localhost:5173"]));
    let gateway = Gateway::new(Config::default(), Arc::new(OneSite(Arc::new(site))));
    let front =
        Server::start(async move |listener| gateway.serve(listener, std::future::pending()).await)?;

    let (mut plain_cost, mut front_cost) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (cost, rate) = plain.round(length, connections)?;
        println!("plain hyper {cost:6.2} us/request {rate:9.0}/s");
        let (with, rate) = front.round(length, connections)?;
        println!("gateway     {with:6.2} us/request {rate:9.0}/s");
        // The first round warms both up.
        if round > 0 {
            plain_cost.push(cost);
            front_cost.push(with);
        }
    }
    let (plain, front) = (median(plain_cost), median(front_cost));
    println!("plain hyper {plain:.2} us, gateway {front:.2} us, ratio {:.2}", front / plain);
    Ok(())
}
