//! Generated bindings, and nothing else.

#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::todo, clippy::unimplemented, clippy::dbg_macro)]

wit_bindgen::generate!({
    path: ["../../wit/documents"],
    inline: "
        package pingtalk:spin-documents;
        world adapter { export pingtalk:documents/store@0.1.0; }
    ",
    world: "pingtalk:spin-documents/adapter",
    generate_all,
});

use crate::Documents;

export!(Documents with_types_in crate::bindings);
