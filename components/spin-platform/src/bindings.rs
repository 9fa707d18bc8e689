//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

/// Bound apart, so that an adapter imports what it uses.
pub(crate) mod sqlite {
    wit_bindgen::generate!({
        path: ["../../wit/spin/sqlite.wit"],
        inline: "
            package pingtalk:spin-sqlite;
            world imports { import spin:sqlite/sqlite@3.1.0; }
        ",
        world: "pingtalk:spin-sqlite/imports",
        generate_all,
    });
}

pub(crate) mod key_value {
    wit_bindgen::generate!({
        path: ["../../wit/wasi/keyvalue.wit"],
        inline: "
            package pingtalk:spin-key-value;
            world imports { import wasi:keyvalue/atomics@0.2.0-draft2; }
        ",
        world: "pingtalk:spin-key-value/imports",
        generate_all,
    });
}
