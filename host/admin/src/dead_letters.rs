//! Events that no consumer could handle.

use pingtalk_capabilities::{
    calls::Body,
    events::{DeadLetter, EventError},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answer::{self, Answer},
    body,
    call::{Admin, Call},
    problem::Problem,
    routes::Action,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    queue: String,
    /// The event's id.
    id: String,
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Unavailable(message) => Self::unavailable(message),
            other => Self::invalid("queue", other.to_string()),
        }
    }
}

pub(crate) async fn answer(admin: &Admin, call: &Call, body: Body) -> Answer {
    let queues = admin.parts.platform.queues(call.first()).await?;
    let known = |queue: &str| -> Result<(), Problem> {
        if queues.names.iter().any(|name| name == queue) {
            return Ok(());
        }
        let message = format!("there is no queue `{queue}`: there are {}", queues.names.join(", "));
        Err(Problem::invalid("queue", message))
    };
    if call.action == Action::ListDeadLetters {
        let limit = usize::try_from(call.limit(20, 1_000)?).unwrap_or(20);
        let names = match call.parameter("queue") {
            Some(queue) => {
                known(&queue)?;
                vec![queue]
            }
            None => queues.names.clone(),
        };
        let mut listed = Vec::new();
        for name in names {
            let waiting = queues.events.depth(&name).await?;
            let dead = queues.events.dead_letters(&name, limit).await?;
            let dead: Vec<Value> = dead.iter().map(shown).collect();
            listed.push(json!({ "queue": name, "waiting": waiting, "dead": dead }));
        }
        return answer::ok(&listed);
    }
    let action = call.action;
    let Chosen { queue, id } = body::json(body).await?;
    known(&queue)?;
    let found = match action {
        Action::ReplayDeadLetter => queues.events.replay(&queue, &id).await?,
        _ => queues.events.discard(&queue, &id).await?,
    };
    if found {
        answer::no_content()
    } else {
        Err(Problem::not_found(format!("`{queue}` has no dead letter {id}")))
    }
}

fn shown(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.event.id,
        "topic": letter.event.topic,
        "attempts": letter.event.attempt,
        "published_at": letter.event.published_at,
        "died_at": letter.died_at,
        "reason": letter.reason,
        "payload": String::from_utf8_lossy(&letter.event.payload),
    })
}
