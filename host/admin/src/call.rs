//! The API's parts and one request to it: what every route's function gets.

use std::sync::{Arc, OnceLock};

use pingtalk_tenancy::{
    control::{ControlKey, ControlStore},
    deploy::Deployer,
};
use tokio::sync::Semaphore;

use crate::{
    attempts::Attempts, platform::Platform, problem::Problem, routes::Action, token::Token,
};

/// Uploads held in memory at once; one more waits for its turn.
const UPLOADS: usize = 2;

/// What the API is made of.
pub struct Parts {
    /// Who may do what.
    pub tokens: Vec<Token>,
    /// Tenants, releases and their history.
    pub store: ControlStore,
    /// What secrets are sealed with.
    pub key: ControlKey,
    /// Puts releases in force.
    pub deployer: Arc<Deployer>,
    /// The running host.
    pub platform: Arc<dyn Platform>,
}

/// The admin API.
pub struct Admin {
    pub(crate) parts: Parts,
    pub(crate) uploads: Semaphore,
    pub(crate) attempts: Attempts,
}

/// A request that has found its route.
pub(crate) struct Call {
    pub(crate) action: Action,
    /// What the route's braces took.
    pub(crate) taken: Vec<String>,
    /// The token's name; empty without a token that is known.
    pub(crate) by: String,
    pub(crate) query: String,
    /// The tenant that the body names, where the path does not.
    pub(crate) named: OnceLock<String>,
}

impl Call {
    /// What the first brace took: the tenant, mostly.
    pub(crate) fn first(&self) -> &str {
        self.taken.first().map_or("", String::as_str)
    }

    /// What the second brace took.
    pub(crate) fn second(&self) -> &str {
        self.taken.get(1).map_or("", String::as_str)
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&value).decode_utf8().ok()?;
            (key == name).then(|| decoded.into_owned())
        })
    }

    /// A `limit` between 1 and `most`; `default` when there is none.
    pub(crate) fn limit(&self, default: u32, most: u32) -> Result<u32, Problem> {
        let Some(text) = self.parameter("limit") else { return Ok(default) };
        match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(Problem::invalid("limit", format!("`limit` is a number from 1 to {most}"))),
        }
    }
}

impl Admin {
    /// The API of this host.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let uploads = Semaphore::new(UPLOADS);
        Arc::new(Self { parts, uploads, attempts: Attempts::default() })
    }
}
