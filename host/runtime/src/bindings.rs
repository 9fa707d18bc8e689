//! Generated from `wit/`. Only `conv` and `glue` see these types.

// The macro emits `TypedFunc::new_unchecked`, sound because `load` checked the types before.
#![allow(unsafe_code)]
#![allow(missing_docs, unreachable_pub, dead_code, unused_variables, clippy::all)]

wasmtime::component::bindgen!({
    path: [
        "../../wit/wasi/clocks.wit",
        "../../wit/wasi/random.wit",
        "../../wit/wasi/filesystem.wit",
        "../../wit/wasi/sockets.wit",
        "../../wit/wasi/cli.wit",
        "../../wit/wasi/http.wit",
        "../../wit/wasi/config.wit",
        "../../wit/documents",
        "../../wit/cache",
        "../../wit/blobs",
        "../../wit/events",
        "../../wit/sockets",
        "../../wit/worlds",
    ],
    world: "pingtalk:worlds/service",
    imports: {
        "wasi:config/store": trappable,
        default: store | trappable,
    },
    exports: { default: async | store },
    with: {
        "wasi:http": wasmtime_wasi_http::p3::bindings::http,
        "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
        "wasi:random": wasmtime_wasi::p3::bindings::random,
    },
});
