//! Generated bindings, and nothing else. The capabilities are bound once; the worlds with an
//! export share them, so that a type is the same wherever it comes from.

// Generated code calls into the host and lays out memory: that can't be done safely. The
// remaining lints have no one to talk to in it.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

/// What a service may import.
pub mod capabilities {
    wit_bindgen::generate!({
        path: [
            "../wit/wasi/clocks.wit",
            "../wit/wasi/random.wit",
            "../wit/wasi/filesystem.wit",
            "../wit/wasi/sockets.wit",
            "../wit/wasi/cli.wit",
            "../wit/wasi/http.wit",
            "../wit/wasi/config.wit",
            "../wit/documents",
            "../wit/cache",
            "../wit/blobs",
            "../wit/events",
            "../wit/sockets",
            "../wit/worlds",
        ],
        world: "pingtalk:worlds/capabilities",
        generate_all,
    });
}

/// Answering HTTP.
pub mod http {
    wit_bindgen::generate!({
        path: [
            "../wit/wasi/clocks.wit",
            "../wit/wasi/random.wit",
            "../wit/wasi/filesystem.wit",
            "../wit/wasi/sockets.wit",
            "../wit/wasi/cli.wit",
            "../wit/wasi/http.wit",
        ],
        inline: "
            package pingtalk:guest-http;
            world http { export wasi:http/handler@0.3.0; }
        ",
        world: "pingtalk:guest-http/http",
        with: {
            "wasi:clocks/types@0.3.0": super::capabilities::wasi::clocks::types,
            "wasi:http/types@0.3.0": super::capabilities::wasi::http::types,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "pingtalk_sdk::wasm::bindings::http",
        generate_all,
    });
}

/// Consuming events.
pub mod events {
    wit_bindgen::generate!({
        path: ["../wit/events"],
        inline: "
            package pingtalk:guest-events;
            world events { export pingtalk:events/handler@0.1.0; }
        ",
        world: "pingtalk:guest-events/events",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "pingtalk_sdk::wasm::bindings::events",
        generate_all,
    });
}

/// Serving sockets.
pub mod sockets {
    wit_bindgen::generate!({
        path: ["../wit/sockets"],
        inline: "
            package pingtalk:guest-sockets;
            world sockets { export pingtalk:sockets/handler@0.1.0; }
        ",
        world: "pingtalk:guest-sockets/sockets",
        with: {
            "pingtalk:sockets/types@0.1.0": super::capabilities::pingtalk::sockets::types,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "pingtalk_sdk::wasm::bindings::sockets",
        generate_all,
    });
}
