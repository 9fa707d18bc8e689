//! `pingtalk events`: dead letters, which are events that no consumer could handle: look at them,
//! put them back, drop them.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    Remote, TenantOption,
    client::AdminClient,
    report::{ago, list, number, text},
};
use crate::progress::Steps;

#[derive(Args)]
pub(crate) struct EventsOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    tenant: TenantOption,
    #[command(flatten)]
    remote: Remote,
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
    },
    /// Put a dead letter back into its queue, with all attempts before it
    Replay {
        /// The queue it was in
        queue: String,
        /// The event's id, as `list` shows it
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All dead letters of the queue, up to a thousand: beyond that, look at why they die first
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

/// Dead letters replayed with `--all` at most: the most that one answer lists.
const MOST_REPLAYED: u16 = 1_000;

pub(crate) fn events(options: &EventsOptions) -> Result<()> {
    let path = format!("/v1/tenants/{}/dead-letters", options.tenant.tenant);
    let remote = &options.remote;
    match &options.command {
        Command::List { queue, limit } => {
            let limit = *limit;
            let command = async |client| listed(&client, &path, queue.as_deref(), limit).await;
            remote.run(command, |answer| print(answer, u64::from(limit)))
        }
        Command::Replay { queue, id: Some(id), .. } => {
            let path = format!("{path}/replay");
            remote.run(
                async |client| act(&client, &path, queue, id).await,
                |_| println!("replayed {id}"),
            )
        }
        Command::Replay { queue, id: None, .. } => remote.run(
            async |client| replay_all(&client, &path, queue).await,
            |answer| println!("replayed {} of {queue}", number(answer, "replayed")),
        ),
        Command::Discard { queue, id } => {
            let path = format!("{path}/discard");
            remote.run(
                async |client| act(&client, &path, queue, id).await,
                |_| println!("discarded {id}"),
            )
        }
    }
}

async fn listed(
    client: &AdminClient,
    path: &str,
    queue: Option<&str>,
    limit: u16,
) -> Result<Value> {
    let mut path = format!("{path}?limit={limit}");
    if let Some(queue) = queue {
        path.push_str("&queue=");
        path.extend(utf8_percent_encode(queue, NON_ALPHANUMERIC));
    }
    client.get(&path).await
}

async fn act(client: &AdminClient, path: &str, queue: &str, id: &str) -> Result<Value> {
    client.post(path, json!({ "queue": queue, "id": id })).await
}

async fn replay_all(client: &AdminClient, path: &str, queue: &str) -> Result<Value> {
    // Listed first, so that what dies again meanwhile is not replayed for ever.
    let answer = listed(client, path, Some(queue), MOST_REPLAYED).await?;
    let queues = answer.as_array().and_then(|queues| queues.first()).context("no such queue")?;
    let dead = list(queues, "dead");
    let progress = Steps::new("Replaying", dead.len());
    let replay = format!("{path}/replay");
    let mut replayed = 0;
    for letter in dead {
        let id = text(letter, "id");
        match act(client, &replay, queue, id).await {
            Ok(_) => {
                replayed += 1;
                progress.done(id);
            }
            // Somebody else may have taken it meanwhile.
            Err(error) => progress.done(&format!("{id}: {error:#}")),
        }
    }
    Ok(json!({ "replayed": replayed, "found": dead.len() }))
}

fn print(answer: &Value, limit: u64) {
    for queue in answer.as_array().map(Vec::as_slice).unwrap_or_default() {
        let (name, dead) = (text(queue, "queue"), list(queue, "dead"));
        let more = if dead.len() as u64 == limit { " or more" } else { "" };
        println!("{name}: {} waiting, {}{more} dead", number(queue, "waiting"), dead.len());
        for letter in dead {
            println!("{}", line(name, letter));
        }
    }
}

fn line(queue: &str, letter: &Value) -> String {
    format!(
        "  {queue}  {}  {}  {} attempts  {}  {}",
        text(letter, "id"),
        text(letter, "topic"),
        number(letter, "attempts"),
        ago(letter, "died_at"),
        text(letter, "reason").escape_debug(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_one_line() {
        let letter = json!({ "id": "e#0", "topic": "t", "attempts": 3, "reason": "no\nuser" });
        let line = line("q", &letter);
        assert!(line.starts_with("  q  e#0  t  3 attempts  "), "{line}");
        assert!(line.ends_with(" ago  no\\nuser"), "{line}");
    }
}
