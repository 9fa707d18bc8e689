//! HTTP: the trivial component and the authenticated API, each beside the plain baseline. The
//! servers take turns over several rounds, so that a slow minute of the machine hits all of them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use clap::Args;

use crate::{
    chat, client,
    report::{self, Row},
    server::{Backends, Server},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds for each server in each round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds over all servers.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// A server and what to ask it.
struct Subject {
    name: String,
    server: Server,
    path: &'static str,
    cookie: Option<String>,
}

pub(crate) async fn hello(pingtalk: &Path, options: &Options) -> Result<()> {
    let mut subjects = vec![Subject {
        name: "plain hyper".to_owned(),
        server: Server::plain()?,
        path: "/",
        cookie: None,
    }];
    let manifest = PathBuf::from("bench/hello/spin.toml");
    let embedded = Backends::embedded();
    let server = Server::pingtalk(pingtalk, &manifest, &embedded).await?;
    subjects.push(Subject {
        name: "pingtalk, hello component".to_owned(),
        server,
        path: "/hello/",
        cookie: None,
    });
    if let Ok(wasmtime) = std::env::var("WASMTIME") {
        let component = PathBuf::from("target/wasm32-wasip2/component/guest_hello.wasm");
        let server = Server::wasmtime(&wasmtime, &component).await?;
        subjects.push(Subject {
            name: "wasmtime serve".to_owned(),
            server,
            path: "/",
            cookie: None,
        });
    }
    measure(&subjects, options).await
}

pub(crate) async fn api(pingtalk: &Path, options: &Options) -> Result<()> {
    let manifest = PathBuf::from("spin.toml");
    let plain = Subject {
        name: "plain hyper".to_owned(),
        server: Server::plain()?,
        path: "/",
        cookie: None,
    };
    let mut subjects = vec![plain];
    for backends in Backends::all() {
        let server = Server::pingtalk(pingtalk, &manifest, &backends).await?;
        let user = chat::sign_up(server.address, 0).await?;
        // The gateway lets 10 requests a second through to profiles: the direct port has no limit.
        let variable = "PROFILE_SERVICE_PORT";
        let (mut profile, direct) =
            Server::pingtalk_with_direct(pingtalk, &manifest, &backends, variable).await?;
        let other = chat::sign_up(profile.address, 1).await?;
        profile.address = direct;
        subjects.push(Subject {
            name: format!("{}: GET /chat/my-chats", backends.name),
            server,
            path: "/chat/my-chats",
            cookie: Some(user.cookie),
        });
        subjects.push(Subject {
            name: format!("{}: GET /getProfile (direct port)", backends.name),
            server: profile,
            path: "/getProfile",
            cookie: Some(other.cookie),
        });
    }
    measure(&subjects, options).await
}

async fn measure(subjects: &[Subject], options: &Options) -> Result<()> {
    let time = Duration::from_secs(options.seconds);
    let mut rounds: Vec<Vec<Row>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for (subject, rows) in subjects.iter().zip(&mut rounds) {
            let Subject { name, server, path, cookie } = subject;
            let before = server.cpu()?;
            let measured =
                client::load(server.address, path, cookie.as_deref(), options.connections, time)
                    .await?;
            let cpu = server.cpu()? - before;
            // The first round warms up.
            if round > 0 {
                rows.push(Row {
                    name: name.clone(),
                    cpu: cpu.div_f64(measured.requests.max(1) as f64),
                    rate: measured.requests as f64 / measured.elapsed.as_secs_f64(),
                    median: measured.percentile(0.5),
                    p99: measured.percentile(0.99),
                });
            }
        }
    }
    let rows: Vec<Row> = rounds.into_iter().filter_map(median_round).collect();
    report::print("request", &rows);
    for subject in subjects {
        println!("{}: {} MiB resident", subject.name, subject.server.resident()? / (1024 * 1024));
    }
    Ok(())
}

/// The round with the median CPU.
fn median_round(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by_key(|row| row.cpu);
    let middle = rows.len() / 2;
    rows.into_iter().nth(middle)
}
