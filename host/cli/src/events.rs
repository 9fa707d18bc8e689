//! `pingtalk events`: dead letters, which are events that no consumer could handle: look at them,
//! put them back, drop them.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use pingtalk_capabilities::events::{DeadLetter, Events};
use pingtalk_manifest::Manifest;
use pingtalk_tenancy::assemble;

use crate::{ManifestOption, age::rounded, config::Config, host::compose, loading::Application};

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    manifest: ManifestOption,
    /// Where all data lie [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// Configuration [default: pingtalk.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Show how much waits in each queue, and the dead letters
    List {
        /// This queue only
        queue: Option<String>,
        /// Dead letters shown of each queue, the oldest first
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// One JSON object a line for each dead letter, payload included
        #[arg(long)]
        json: bool,
    },
    /// Put a dead letter back into its queue, with all attempts before it
    Replay {
        /// The queue it was in
        queue: String,
        /// The event's id, as `list` shows it
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All dead letters of the queue
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Drop a dead letter for good
    Discard {
        /// The queue it was in
        queue: String,
        /// The event's id, as `list` shows it
        id: String,
    },
}

/// Dead letters replayed with `--all` at most: beyond that, look at why they die first.
const MOST_REPLAYED: usize = 10_000;

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut config = Config::load(options.config.as_deref())?;
    if let Some(data) = &options.data {
        config.data.clone_from(data);
    }
    let application = Application::read(&options.manifest.manifest)?;
    let manifest = &application.manifest;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let events = compose::events(&config, manifest).await?;
        match &options.command {
            Command::List { queue, limit, json } => {
                let queues = match queue {
                    Some(queue) => vec![declared(manifest, queue)?],
                    None => names(manifest),
                };
                list(&*events, &queues, usize::from(*limit), *json).await
            }
            Command::Replay { queue, id: Some(id), .. } => {
                let queue = declared(manifest, queue)?;
                told(events.replay(&queue, id).await?, &queue, id, "replayed")
            }
            Command::Replay { queue, id: None, .. } => {
                replay_all(&events, &declared(manifest, queue)?).await
            }
            Command::Discard { queue, id } => {
                let queue = declared(manifest, queue)?;
                told(events.discard(&queue, id).await?, &queue, id, "discarded")
            }
        }
    })
}

fn names(manifest: &Manifest) -> Vec<String> {
    assemble::queues(manifest).into_iter().map(|(queue, _)| queue.name).collect()
}

/// The queue, if the manifest has it.
fn declared(manifest: &Manifest, queue: &str) -> Result<String> {
    let names = names(manifest);
    if names.iter().any(|name| name == queue) {
        return Ok(queue.to_owned());
    }
    bail!("the manifest declares no queue `{queue}`: there are {}", names.join(", "))
}

fn told(found: bool, queue: &str, id: &str, done: &str) -> Result<()> {
    if !found {
        bail!("{queue} has no dead letter {id}");
    }
    println!("{done} {id}");
    Ok(())
}

async fn list(events: &dyn Events, queues: &[String], limit: usize, json: bool) -> Result<()> {
    for queue in queues {
        let dead = events.dead_letters(queue, limit).await.with_context(|| queue.clone())?;
        if json {
            for letter in &dead {
                println!("{}", as_json(letter));
            }
            continue;
        }
        let waiting = events.depth(queue).await.with_context(|| queue.clone())?;
        let more = if dead.len() == limit { " or more" } else { "" };
        println!("{queue}: {waiting} waiting, {}{more} dead", dead.len());
        for letter in &dead {
            println!("{}", as_line(letter, now()));
        }
    }
    Ok(())
}

async fn replay_all(events: &Arc<dyn Events>, queue: &str) -> Result<()> {
    // Listed first, so that what dies again meanwhile is not replayed for ever.
    let dead = events.dead_letters(queue, MOST_REPLAYED).await?;
    let progress = crate::progress::Steps::new("Replaying", dead.len());
    let mut replayed = 0;
    for letter in &dead {
        if events.replay(queue, &letter.event.id).await? {
            replayed += 1;
        }
        progress.done(&letter.event.id);
    }
    println!("replayed {replayed} of {queue}");
    Ok(())
}

fn as_line(letter: &DeadLetter, now: i64) -> String {
    let age = Duration::from_secs(u64::try_from((now - letter.died_at) / 1_000).unwrap_or(0));
    format!(
        "  {}  {}  {}  {} attempts  {} ago  {}",
        letter.queue,
        letter.event.id,
        letter.event.topic,
        letter.event.attempt,
        rounded(age),
        letter.reason.escape_debug(),
    )
}

fn as_json(letter: &DeadLetter) -> serde_json::Value {
    serde_json::json!({
        "queue": letter.queue,
        "id": letter.event.id,
        "topic": letter.event.topic,
        "attempts": letter.event.attempt,
        "publishedAt": letter.event.published_at,
        "diedAt": letter.died_at,
        "reason": letter.reason,
        "payload": String::from_utf8_lossy(&letter.event.payload),
    })
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pingtalk_capabilities::events::Event;

    use super::*;

    #[test]
    fn a_dead_letter_is_one_line() {
        let letter = DeadLetter {
            queue: "q".to_owned(),
            event: Event {
                id: "e#0".to_owned(),
                topic: "t".to_owned(),
                payload: Bytes::from_static(b"{}"),
                attempt: 3,
                published_at: 1,
            },
            reason: "no\nuser".to_owned(),
            died_at: 1_000,
        };
        assert_eq!(as_line(&letter, 121_000), "  q  e#0  t  3 attempts  2 min ago  no\\nuser");
        assert_eq!(as_json(&letter).get("payload").and_then(|it| it.as_str()), Some("{}"));
    }
}
