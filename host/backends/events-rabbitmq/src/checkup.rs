//! What `pingtalk doctor` finds out about the broker: the way there, the account, the virtual host,
//! what the account may do, and whether the broker takes messages at all.
//!
//! It works on a queue of its own that it deletes, and that expires should it not come to that.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use pingtalk_capabilities::{TenantId, checkup::Finding};
use tokio::time::timeout;

use crate::{
    Config,
    error::{Error, NOT_FOUND, code},
    link::{self, Refusal},
    message::now,
    names,
    topology::trial_arguments,
};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(3);
const ACCESS_REFUSED: u16 = 403;
/// No such virtual host, or none of this account's.
const NOT_ALLOWED: u16 = 530;

/// Tries what the backend will need. Takes a few seconds at most when the broker hangs.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = Config { connect_timeout: PATIENCE, call_timeout: PATIENCE, ..config.clone() };
    match link::version(&config).await {
        Ok(Some(version)) => findings.push(judge_version(&version)),
        // Encrypted, or no RabbitMQ: what follows tells.
        Ok(None) => {}
        Err(refusal) => return vec![judge_refusal(&refusal)],
    }
    let connection = match link::connect(&config, "doctor", false).await {
        Ok(connection) => connection,
        Err(refusal) => {
            findings.push(judge_refusal(&refusal));
            return findings;
        }
    };
    findings.push(Finding::fine("RabbitMQ can be reached and takes the account"));
    let name = format!("pingtalk.doctor.{}.{}", std::process::id(), now());
    let tried = try_out(&connection, &name).await;
    findings.push(match tried {
        Ok(()) => Finding::fine("queues can be made, bound, published to and consumed"),
        Err((step, error)) => judge_step(&connection, step, &error),
    });
    clean_up(&connection, &name).await;
    drop(timeout(PATIENCE, connection.close(200, "bye".into())).await);
    findings
}

fn judge_version(version: &str) -> Finding {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let what = format!("RabbitMQ is version {version}");
    if known < (3, 10) {
        Finding::problem(
            what,
            "use RabbitMQ 3.10 or later: pauses need quorum queues with a time to live",
        )
    } else if known < (4, 0) {
        Finding::warning(what, "it works; plan for RabbitMQ 4, which still gets security fixes")
    } else {
        Finding::fine(what)
    }
}

fn judge_refusal(refusal: &Refusal) -> Finding {
    let (reason, code) = match refusal {
        Refusal::Hung(reason) => (reason, None),
        Refusal::Said(reason, code) => (reason, *code),
    };
    let what = format!("RabbitMQ can't be used: {reason}");
    match code {
        Some(ACCESS_REFUSED) => Finding::problem(
            what,
            "check user and password in the URL; `guest` is only accepted from the broker's own host",
        ),
        Some(NOT_ALLOWED) => Finding::problem(
            what,
            "check the virtual host in the URL (`/` is written `%2f`), that it exists, and that the \
             user has permissions in it",
        ),
        _ => Finding::problem(
            what,
            "check host, port and scheme in the URL (amqp:// on 5672, amqps:// on 5671), that the \
             broker runs, and that no firewall is in between",
        ),
    }
}

fn judge_step(connection: &Connection, step: &str, error: &Error) -> Finding {
    let (Error::Unavailable(reason) | Error::Invalid(reason)) = error;
    let what = format!("trying to {step} failed: {reason}");
    let advice = if connection.status().blocked() {
        "the broker is short of memory or disk and takes no messages: see `rabbitmq-diagnostics alarms`"
    } else {
        "give the user configure, write and read permissions for the queues and exchanges of this \
         virtual host (`rabbitmqctl set_permissions`)"
    };
    Finding::problem(what, advice)
}

/// Does once what the backend does all the time. On failure, says at what.
async fn try_out(connection: &Connection, name: &str) -> Result<(), (&'static str, Error)> {
    let failed = |step| move |error| (step, error);
    let channel = soon(connection.create_channel()).await.map_err(failed("open a channel"))?;
    let mut expiring = trial_arguments();
    expiring.insert("x-expires".into(), AMQPValue::LongLongInt(60_000));
    let declared = channel.queue_declare(name.into(), QueueDeclareOptions::durable(), expiring);
    soon(declared).await.map_err(failed("make a queue"))?;
    let exchange = exchange(connection, name).await.map_err(failed("use the exchange"))?;
    let bound = channel.queue_bind(
        name.into(),
        exchange.as_str().into(),
        name.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    soon(bound).await.map_err(failed("bind a queue"))?;
    publish(&channel, &exchange, name).await.map_err(failed("publish a message"))?;
    let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: false });
    let got = soon(got).await.map_err(failed("consume a message"))?;
    let message = got.ok_or_else(|| ("consume a message", Error::away("it did not arrive")))?;
    let acknowledged = message.delivery.acker.ack(BasicAckOptions::default());
    soon(acknowledged).await.map_err(failed("acknowledge a message"))?;
    Ok(())
}

/// The default tenant's exchange, or one like it if there is none yet.
async fn exchange(connection: &Connection, name: &str) -> Result<String, Error> {
    let ours = names::exchange(&TenantId::default_tenant());
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let looking = ExchangeDeclareOptions { passive: true, ..options };
    for (exchange, options) in [(ours.as_str(), looking), (name, options)] {
        // Looking for what is not there ends the channel.
        let channel = soon(connection.create_channel()).await?;
        let arguments = FieldTable::default();
        let kind = ExchangeKind::Topic;
        let call = channel.exchange_declare(exchange.into(), kind, options, arguments);
        match timeout(PATIENCE, call).await.map_err(|_| Error::too_slow(PATIENCE))? {
            Ok(()) => return Ok(exchange.to_owned()),
            Err(error) if options.passive && code(&error) == Some(NOT_FOUND) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::away("the exchange could not be made"))
}

async fn publish(channel: &Channel, exchange: &str, key: &str) -> Result<(), Error> {
    soon(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let sent = async {
        let sent = channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties);
        sent.await?.await
    };
    if soon(sent).await?.is_ack() {
        Ok(())
    } else {
        Err(Error::away("the broker could not keep it"))
    }
}

async fn clean_up(connection: &Connection, name: &str) {
    if connection.status().blocked() {
        // It would not hear of it. The queue expires.
        return;
    }
    if let Ok(channel) = soon(connection.create_channel()).await {
        // What was not made can't be deleted, and needs not.
        drop(soon(channel.queue_delete(name.into(), Default::default())).await);
        drop(soon(channel.exchange_delete(name.into(), Default::default())).await);
    }
}

async fn soon<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    match timeout(PATIENCE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::too_slow(PATIENCE)),
    }
}

#[cfg(test)]
mod tests {
    use pingtalk_capabilities::checkup::Severity;

    use super::*;

    #[test]
    fn old_versions_are_told_from_new_ones() {
        for (version, severity) in [
            ("3.8.9", Severity::Problem),
            ("3.10.8", Severity::Warning),
            ("4.1.0-rc.1", Severity::Fine),
            ("nonsense", Severity::Problem),
        ] {
            assert_eq!(judge_version(version).severity, severity, "{version}");
        }
    }
}
