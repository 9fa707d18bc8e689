//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

wit_bindgen::generate!({
    path: ["../../wit/blobs"],
    inline: "
        package pingtalk:spin-blobs;
        world adapter { export pingtalk:blobs/store@0.1.0; }
    ",
    world: "pingtalk:spin-blobs/adapter",
    generate_all,
});

use crate::Blobs;

export!(Blobs with_types_in crate::bindings);
