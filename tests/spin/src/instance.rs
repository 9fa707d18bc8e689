//! An instance of an adapter: its store, and what Spin would give it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use wasmtime::{
    Config, Engine, Store,
    component::{Component, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::{
    Consumer,
    bindings::platform::{Platform, wasi::config::store as config},
    key_value::Keys,
};

/// What a store holds.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    /// Where the application's database lies.
    pub(crate) folder: PathBuf,
    pub(crate) keys: Keys,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Network,
}

impl State {
    fn new(given: Given) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.env("PINGTALK_COMPONENT", "tested").inherit_stderr();
        wasi.preopened_dir(&given.manifest, "/", FsPerms::ReadOnly).unwrap();
        Self {
            table: ResourceTable::new(),
            folder: given.folder,
            keys: given.keys,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: Network(given.consumer),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// The way to other components: there is one.
struct Network(Arc<Consumer>);

impl WasiHttpHooks for Network {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let consumer = Arc::clone(&self.0);
        Box::new(async move {
            let response = consumer.call(request).await?;
            Ok((response, Box::new(async { Ok(()) }) as Io))
        })
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

/// What an application is given.
#[derive(Clone, Default)]
pub(crate) struct Given {
    /// The folder with the manifest.
    pub(crate) manifest: PathBuf,
    /// Where its database lies.
    pub(crate) folder: PathBuf,
    pub(crate) keys: Keys,
    pub(crate) consumer: Arc<Consumer>,
}

impl config::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        Ok(Ok(match key.as_str() {
            "jwt_secret" => Some("secret of the tests".to_owned()),
            // Each application has its own.
            "public_url" => Some(format!("http://{}.test", self.folder.display())),
            _ => None,
        }))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        Ok(Ok(Vec::new()))
    }
}

/// An adapter that can be instantiated.
pub(crate) struct Adapter {
    engine: Engine,
    component: Component,
    linker: Linker<State>,
}

impl Adapter {
    /// The adapter that was built under this name, compiled once a process.
    pub(crate) fn get(name: &'static str) -> &'static Self {
        static DOCUMENTS: OnceLock<Adapter> = OnceLock::new();
        static CACHE: OnceLock<Adapter> = OnceLock::new();
        static BLOBS: OnceLock<Adapter> = OnceLock::new();
        let adapter = match name {
            "spin_documents" => &DOCUMENTS,
            "spin_cache" => &CACHE,
            _ => &BLOBS,
        };
        adapter.get_or_init(|| Self::load(name))
    }

    fn load(name: &str) -> Self {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../target/wasm32-wasip2/component/pingtalk_{name}.wasm"));
        let component = Component::from_file(&engine, &file).unwrap_or_else(|error| {
            panic!("{error:?}: build the guests with `cargo xtask guests`")
        });
        let mut linker = Linker::<State>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).unwrap();
        Platform::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).unwrap();
        Self { engine, component, linker }
    }

    /// A new instance, through its generated bindings.
    pub(crate) async fn start<T>(
        &self,
        given: Given,
        bind: impl AsyncFnOnce(&mut Store<State>, &Component, &Linker<State>) -> wasmtime::Result<T>,
    ) -> (Store<State>, T) {
        let mut store = Store::new(&self.engine, State::new(given));
        let bound = bind(&mut store, &self.component, &self.linker).await.unwrap();
        (store, bound)
    }
}
