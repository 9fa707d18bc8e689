//! What `pingtalk doctor` says about MongoDB.

use std::time::{Duration, Instant};

use bson::{Document, doc, oid::ObjectId, raw::RawDocumentBuf, rawdoc};
use pingtalk_capabilities::{checkup::Finding, documents::DocumentError};

use crate::{Config, clients::Clients, database::Database, record::COLLECTION};

/// How long everything about one server may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The oldest release whose wire protocol the driver speaks.
const OLDEST: (i32, i32) = (4, 2);
/// The database that is tried when the settings name none.
const PROBED: &str = "pingtalk";
/// A clock further off than this confuses people who read dates; nothing else depends on it.
const CLOCK_MS: i64 = 5_000;

/// Tries each configured server: reach it, authenticate, write a record and remove it again.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let clients = match Clients::new(config.clone()) {
        Ok(clients) => clients,
        Err(error) => {
            return vec![Finding::problem(
                error.to_string(),
                "write it as mongodb://user:password@host:27017/ (special characters percent-encoded)",
            )];
        }
    };
    let mut findings = Vec::new();
    let mut asked: Vec<(&str, String)> = Vec::new();
    let listed = config.database_uris.iter().map(|(name, uri)| (uri.as_str(), name.as_str()));
    let default = config.database_uris.is_empty().then_some((config.uri.as_str(), PROBED));
    for (uri, name) in listed.chain(default) {
        let deadline = Instant::now() + PATIENCE;
        let physical = mongodb::options::ConnectionString::parse(uri)
            .ok()
            .and_then(|parsed| parsed.default_database)
            .unwrap_or_else(|| name.to_owned());
        if asked.iter().any(|(known, database)| *known == uri && *database == physical) {
            continue;
        }
        match clients.client(uri, deadline).await {
            Ok(client) => {
                let database = Database::new(client.database(&physical), uri);
                findings.extend(server(&database, name, deadline).await);
            }
            Err(error) => findings.push(unreachable(name, &error)),
        }
        asked.push((uri, physical));
    }
    findings
}

async fn server(database: &Database, name: &str, deadline: Instant) -> Vec<Finding> {
    let hello = match database.command(rawdoc! {"hello": 1}, deadline).await {
        Ok(hello) => hello,
        Err(error) => return vec![unreachable(name, &error)],
    };
    let mut findings = vec![Finding::fine(format!("MongoDB for {name} is reachable"))];
    findings.push(kind(&hello, name));
    findings.extend(clock(&hello, name));
    if let Ok(info) = database.command(rawdoc! {"buildInfo": 1}, deadline).await {
        findings.push(version(&info, name));
    }
    findings.push(writes(database, name, deadline).await);
    findings
}

fn unreachable(name: &str, error: &DocumentError) -> Finding {
    let advice = match error {
        DocumentError::Unavailable(text) if text.contains("credentials") => {
            "check user, password and authSource in its URI"
        }
        _ => "check host, port, TLS and firewall; the server must accept connections from here",
    };
    Finding::problem(format!("MongoDB for {name} can't be used: {error}"), advice)
}

fn kind(hello: &Document, name: &str) -> Finding {
    if let Ok(set) = hello.get_str("setName") {
        return Finding::fine(format!("MongoDB for {name} is the replica set {set}"));
    }
    if hello.get_str("msg").is_ok_and(|message| message == "isdbgrid") {
        return Finding::fine(format!("MongoDB for {name} is a sharded cluster"));
    }
    Finding::warning(
        format!("MongoDB for {name} is a single server"),
        "a majority is that one machine: make it a replica set to survive its loss",
    )
}

fn clock(hello: &Document, name: &str) -> Option<Finding> {
    let theirs = hello.get_datetime("localTime").ok()?.timestamp_millis();
    let off = theirs - bson::DateTime::now().timestamp_millis();
    (off.abs() > CLOCK_MS).then(|| {
        Finding::warning(
            format!("the clock of MongoDB for {name} is {} s off", off / 1_000),
            "run a time service on both machines",
        )
    })
}

fn version(info: &Document, name: &str) -> Finding {
    let version = info.get_str("version").unwrap_or("unknown");
    let mut parts = version.split('.').map(|part| part.parse::<i32>().unwrap_or(0));
    let parts = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let what = format!("MongoDB for {name} has version {version}");
    if info.contains_key("ferretdb") || info.contains_key("ferretdbVersion") {
        return Finding::warning(
            format!("{what}, answered by FerretDB"),
            "use MongoDB in production: this one's updates are not atomic",
        );
    }
    if parts < OLDEST {
        return Finding::problem(what, "use MongoDB 4.2 or later");
    }
    Finding::fine(what)
}

async fn writes(database: &Database, name: &str, deadline: Instant) -> Finding {
    let id = format!("doctor-{}", ObjectId::new().to_hex());
    let probe = RawDocumentBuf::try_from(&doc! {"_id": &id, "at": bson::DateTime::now()});
    let written = match probe {
        Ok(probe) => database.insert(COLLECTION, &probe, deadline).await,
        Err(_) => Ok(()),
    };
    let removed = database.delete(COLLECTION, doc! {"_id": &id}, false, deadline).await;
    match written.and(removed.map(drop)) {
        Ok(()) => Finding::fine(format!("MongoDB for {name} takes writes")),
        Err(error) => Finding::problem(
            format!("MongoDB for {name} takes no writes: {error}"),
            "give the user the role readWrite on the database, and the set a primary",
        ),
    }
}
