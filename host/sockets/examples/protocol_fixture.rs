//! Serves what the official protocol suites and real clients are tried against: `/socket.io/` and
//! `/engine.io/` on 127.0.0.1, port `PORT` (3000). With `SLOW_HEARTBEAT=1` heartbeats have their
//! production pace. Interrupted, it drains.
#![allow(missing_docs, unreachable_pub, clippy::panic)]

#[path = "../tests/support/fixture.rs"]
mod fixture;
#[path = "../tests/support/serve.rs"]
mod serve;

use std::time::Duration;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000u16);
    let mut config = fixture::config();
    if std::env::var_os("SLOW_HEARTBEAT").is_some() {
        config.ping_interval = Duration::from_secs(25);
        config.ping_timeout = Duration::from_secs(20);
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    let fixture = fixture::Fixture::new(config);
    let serving = serve::serve(listener, fixture.clone());
    tokio::signal::ctrl_c().await?;
    serving.abort();
    fixture.drain().await;
    Ok(())
}
