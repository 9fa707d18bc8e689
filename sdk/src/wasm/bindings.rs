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
            "../wit/sockets",
        ],
        inline: "
            package pingtalk:guest-capabilities;
            world capabilities {
                import pingtalk:documents/store@0.1.0;
                import pingtalk:cache/store@0.1.0;
                import pingtalk:sockets/types@0.1.0;
                import pingtalk:sockets/server@0.1.0;
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import wasi:clocks/monotonic-clock@0.3.0;
                import wasi:clocks/system-clock@0.3.0;
                import wasi:random/random@0.3.0;
                import wasi:http/types@0.3.0;
                import wasi:http/client@0.3.0;
            }
        ",
        world: "pingtalk:guest-capabilities/capabilities",
        generate_unused_types: true,
        generate_all,
    });
}

/// Blobs, bound apart: all byte streams of one `generate!` share the intrinsics of the first
/// function that has one. Were these among the capabilities, every component with an HTTP body
/// would import the blob store.
pub mod blobs {
    wit_bindgen::generate!({
        path: ["../wit/blobs"],
        inline: "
            package pingtalk:guest-blobs;
            world blobs { import pingtalk:blobs/store@0.1.0; }
        ",
        world: "pingtalk:guest-blobs/blobs",
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
