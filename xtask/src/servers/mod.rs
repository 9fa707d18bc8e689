//! The servers that production backends are tested against: each started on free loopback ports
//! with data of its own, and stopped by its process id. Those that the environment names already
//! are used as they are.

mod ferretdb;
mod process;
mod rabbitmq;
mod redis;
mod serial_proxy;

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use self::{ferretdb::FerretDb, rabbitmq::RabbitMq, redis::Redis};
use crate::process::target;

/// Where tests look for the servers.
const MONGODB: &str = "PINGTALK_TEST_MONGODB";
const REDIS: &str = "PINGTALK_TEST_REDIS";
const RABBITMQ: &str = "PINGTALK_TEST_RABBITMQ";

/// What configures a host as the original PingTalk's services: hosts that tests start must not
/// pick up the operator's.
const ORIGINALS: [&str; 12] = [
    "MONGO_URI",
    "MONGO_AUTH_URI",
    "MONGO_PROFILE_URI",
    "MONGO_REQUEST_URI",
    "MONGO_CHAT_URI",
    "RABBITMQ_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_PASSWORD",
    "CLOUDINARY_CLOUD_NAME",
    "CLOUDINARY_API_KEY",
    "CLOUDINARY_API_SECRET",
];

/// Running servers, and where they are.
pub(crate) struct Servers {
    urls: Vec<(&'static str, String)>,
    // Stopped when dropped, before their data are removed.
    ferretdb: Option<FerretDb>,
    redis: Option<Redis>,
    rabbitmq: Option<RabbitMq>,
    data: PathBuf,
}

impl Servers {
    /// Installs what is missing and starts what the environment does not name.
    pub(crate) fn start() -> Result<Self> {
        let data = scratch().join(std::process::id().to_string());
        std::fs::create_dir_all(&data)
            .with_context(|| format!("{} can't be made", data.display()))?;
        let named = |variable: &str| std::env::var(variable).ok().filter(|url| !url.is_empty());
        let mut urls = Vec::new();

        // RabbitMQ takes longest to start: the others are prepared meanwhile.
        let rabbitmq = match named(RABBITMQ) {
            Some(url) => {
                urls.push((RABBITMQ, url));
                None
            }
            None => Some(RabbitMq::launch(&data.join("rabbitmq"))?),
        };
        let redis = match named(REDIS) {
            Some(url) => {
                urls.push((REDIS, url));
                None
            }
            None => Some(Redis::start(&data.join("redis"))?),
        };
        let ferretdb = match named(MONGODB).or_else(|| named("MONGO_URI")) {
            Some(url) => {
                urls.push((MONGODB, url));
                None
            }
            None => Some(FerretDb::start(&data.join("ferretdb"))?),
        };
        let rabbitmq = rabbitmq.map(RabbitMq::wait).transpose()?;
        urls.extend(ferretdb.as_ref().map(|server| (MONGODB, server.url())));
        urls.extend(redis.as_ref().map(|server| (REDIS, server.url())));
        urls.extend(rabbitmq.as_ref().map(|server| (RABBITMQ, server.url())));
        Ok(Self { urls, ferretdb, redis, rabbitmq, data })
    }

    /// Tells a program where the servers are.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        without_originals(command).envs(self.urls.iter().map(|(name, url)| (*name, url)))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.ferretdb.take();
        self.redis.take();
        self.rabbitmq.take();
        // What can't be removed lies in the target directory, where it may.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// Memory that a run's servers need at most for what they store, in bytes, with room to spare.
const NEEDED: u64 = 4 * 1024 * 1024 * 1024;

/// The folder that holds each run's data: in memory where there is enough, because the servers sync
/// every write and their tests end with the process, not with the power.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let free = rustix::fs::statvfs(&memory).map_or(0, |it| it.f_bavail.saturating_mul(it.f_frsize));
    if free < NEEDED {
        return target().join("test-servers");
    }
    let folder = memory.join("pingtalk-test-servers");
    // What runs left that were killed.
    for run in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        if !PathBuf::from("/proc").join(run.file_name()).exists() {
            let _ = std::fs::remove_dir_all(run.path());
        }
    }
    folder
}

/// Hides the operator's own servers from a program.
pub(crate) fn without_originals(command: &mut Command) -> &mut Command {
    for name in ORIGINALS {
        command.env_remove(name);
    }
    command
}

/// `cargo xtask servers`: runs the servers until Enter is pressed or standard input ends.
pub(crate) fn run() -> Result<()> {
    let servers = Servers::start()?;
    println!("\nThe servers run. In another terminal:\n");
    for (name, url) in &servers.urls {
        println!("    export {name}='{url}'");
    }
    println!("\nPress Enter to stop them.");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
