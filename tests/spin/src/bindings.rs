//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, dead_code, unused_variables, clippy::all)]

/// What Spin gives.
pub(crate) mod platform {
    wasmtime::component::bindgen!({
        path: ["../../wit/spin/sqlite.wit", "../../wit/wasi/keyvalue.wit", "../../wit/wasi/config.wit"],
        inline: "
            package pingtalk:spin-tests;
            world platform {
                import spin:sqlite/sqlite@3.1.0;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
        world: "pingtalk:spin-tests/platform",
        imports: { default: trappable },
        with: {
            "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
            "wasi:keyvalue/store.bucket": crate::key_value::Bucket,
            "wasi:keyvalue/atomics.cas": crate::key_value::Cas,
        },
    });
}

/// What the adapter for documents exports.
pub(crate) mod documents {
    wasmtime::component::bindgen!({
        path: ["../../wit/documents"],
        inline: "
            package pingtalk:spin-tests;
            world documents { export pingtalk:documents/store@0.1.0; }
        ",
        world: "pingtalk:spin-tests/documents",
        exports: { default: async | store },
    });
}

/// What the adapter for blobs exports.
pub(crate) mod blobs {
    wasmtime::component::bindgen!({
        path: ["../../wit/blobs"],
        inline: "
            package pingtalk:spin-tests;
            world blobs { export pingtalk:blobs/store@0.1.0; }
        ",
        world: "pingtalk:spin-tests/blobs",
        exports: { default: async | store },
    });
}

/// What the adapter for the cache exports.
pub(crate) mod cache {
    wasmtime::component::bindgen!({
        path: ["../../wit/cache"],
        inline: "
            package pingtalk:spin-tests;
            world cache { export pingtalk:cache/store@0.1.0; }
        ",
        world: "pingtalk:spin-tests/cache",
        exports: { default: async | store },
    });
}
