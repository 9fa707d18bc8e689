//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

wit_bindgen::generate!({
    path: [
        "../../wit/wasi/clocks.wit",
        "../../wit/wasi/random.wit",
        "../../wit/wasi/filesystem.wit",
        "../../wit/wasi/sockets.wit",
        "../../wit/wasi/cli.wit",
        "../../wit/wasi/http.wit",
    ],
    inline: "
        package pingtalk:spin-gateway;
        world middleware { import wasi:http/handler@0.3.0; }
    ",
    world: "pingtalk:spin-gateway/middleware",
    with: {
        "wasi:clocks/types@0.3.0": pingtalk_sdk::wasm::bindings::capabilities::wasi::clocks::types,
        "wasi:http/types@0.3.0": pingtalk_sdk::wasm::bindings::capabilities::wasi::http::types,
    },
    generate_all,
});

use crate::Gateway;

pingtalk_sdk::wasm::bindings::http::export!(
    Gateway with_types_in pingtalk_sdk::wasm::bindings::http
);
