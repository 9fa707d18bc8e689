//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

wit_bindgen::generate!({
    path: ["../../wit/sockets"],
    inline: "
        package pingtalk:spin-sockets;
        world adapter { export pingtalk:sockets/server@0.1.0; }
    ",
    world: "pingtalk:spin-sockets/adapter",
    generate_all,
});

use crate::Server;

export!(Server with_types_in crate::bindings);
