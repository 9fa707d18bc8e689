//! An admin API on a store of its own, with a platform that does nothing.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use pingtalk_admin::{Admin, HostStatus, Parts, Platform, PlatformError, Queues, Scope, Token};
use pingtalk_capabilities::{
    TenantId,
    calls::{CallContext, HttpHandler as _},
    sockets::Sockets,
    trace::Trace,
};
use pingtalk_documents_sqlite::{Config, SqliteDocuments};
use pingtalk_runtime::{Engine, EngineConfig};
use pingtalk_tenancy::{
    ComponentMaximum, OpenError,
    control::{self, ControlError, ControlKey, ControlStore},
    deploy::{Deployer, Loader, Switch},
};
use serde_json::Value;
use tempfile::TempDir;

/// Follows nothing: no tenant runs here.
struct NoHost;

#[async_trait]
impl Switch for NoHost {
    async fn switch(&self) -> Result<Vec<(String, OpenError)>, ControlError> {
        Ok(Vec::new())
    }
}

/// A host without an open tenant.
#[derive(Default)]
pub(crate) struct Quiet {
    pub(crate) draining: AtomicBool,
}

#[async_trait]
impl Platform for Quiet {
    async fn status(&self) -> HostStatus {
        HostStatus { version: "1.2.3".to_owned(), ..HostStatus::default() }
    }

    async fn queues(&self, tenant: &str) -> Result<Queues, PlatformError> {
        Err(PlatformError::NotFound(format!("there is no tenant `{tenant}`")))
    }

    async fn sockets(&self, tenant: &str) -> Result<Arc<dyn Sockets>, PlatformError> {
        Err(PlatformError::NotFound(format!("there is no tenant `{tenant}`")))
    }

    async fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }
}

pub(crate) struct Setting {
    pub(crate) admin: Arc<Admin>,
    pub(crate) store: ControlStore,
    pub(crate) platform: Arc<Quiet>,
    _directory: TempDir,
}

/// What came back.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answered {
    /// The word of the refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The field that the refusal names.
    pub(crate) fn field(&self) -> &str {
        self.body["error"]["field"].as_str().unwrap_or_default()
    }
}

/// The secret of the token of this scope.
pub(crate) fn secret(scope: Scope) -> String {
    format!("{}-{}", scope.name(), "0123456789abcdef".repeat(2))
}

pub(crate) async fn setting() -> Setting {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteDocuments::new(Config::new(directory.path()));
    let opened = backend.open(&TenantId::control(), &control::collections()).await.unwrap();
    let store = ControlStore::new(opened.documents);
    let engine = Engine::new(EngineConfig {
        cache_dir: Some(directory.path().join("compiled")),
        ..EngineConfig::default()
    });
    let key = ControlKey::from_hex(&"5a".repeat(32)).unwrap();
    let loader = Arc::new(Loader::new(engine.unwrap(), store.clone()));
    let scopes = [Scope::Read, Scope::Deploy, Scope::Admin];
    let platform = Arc::new(Quiet::default());
    let admin = Admin::new(Parts {
        tokens: scopes.map(|scope| Token::new(scope.name(), scope, &secret(scope)).unwrap()).into(),
        store: store.clone(),
        key: key.clone(),
        deployer: Arc::new(Deployer::new(
            loader,
            key,
            ComponentMaximum::default(),
            Arc::new(NoHost),
        )),
        platform: Arc::clone(&platform) as _,
    });
    Setting { admin, store, platform, _directory: directory }
}

impl Setting {
    /// A request with this `Authorization`, from this address.
    pub(crate) async fn send(
        &self,
        client: &str,
        authorization: Option<&str>,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        let context = CallContext {
            request_id: Arc::from("test"),
            client: Some(client.parse::<IpAddr>().unwrap()),
            secure: false,
            deadline: Instant::now() + Duration::from_secs(30),
            trace: Trace::default(),
        };
        let answer = self.admin.handle(context, request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answered { status, headers, body, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// A request with the token of a scope.
    pub(crate) async fn call(
        &self,
        scope: Scope,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answered {
        let authorization = format!("Bearer {}", secret(scope));
        self.send("10.0.0.1", Some(&authorization), method, path, body).await
    }

    /// A request with the token that may do everything.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> Answered {
        self.call(Scope::Admin, method, path, body.to_owned()).await
    }
}
