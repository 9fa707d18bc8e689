//! The binary as an operator meets it: what it prints, and how it refuses.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::Path,
    process::{Command, Output},
};

/// A manifest whose component was never built.
const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "books"

[[trigger.http]]
route = "/books/..."
component = "books"

[component.books]
source = "books.wasm"
"#;

/// Runs the binary in a folder, without the variables of whoever runs the tests.
fn pingtalk(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pingtalk"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The refusal's words; fails when it was none.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_teaches_by_examples() {
    let folder = tempfile::tempdir().unwrap();
    let help = pingtalk(folder.path(), &["--help"], &[]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["up", "build", "check", "version", "Examples:", "pingtalk up --build"] {
        assert!(help.contains(word), "{word}");
    }
    let version = pingtalk(folder.path(), &["version"], &[]);
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("pingtalk {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_missing_manifest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let told = refusal(&pingtalk(folder.path(), &["up"], &[]));
    assert!(told.contains("the manifest spin.toml can't be read"), "{told}");
}

#[test]
fn a_component_that_was_not_built_is_told_how_to_build_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    let told = refusal(&pingtalk(folder.path(), &["up", "--listen", "127.0.0.1:0"], &[]));
    assert!(told.contains("component `books`: books.wasm is not there"), "{told}");
    assert!(told.contains("--build"), "{told}");
    let check = pingtalk(folder.path(), &["check"], &[]);
    assert!(check.status.success(), "{check:?}");
    assert!(String::from_utf8(check.stdout).unwrap().contains("books: not built yet"));
}

#[test]
fn a_misspelt_key_is_told_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    std::fs::write(folder.path().join("pingtalk.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let told = refusal(&pingtalk(folder.path(), &["up"], &[]));
    assert!(told.contains("unknown key `lisen`: did you mean `listen`?"), "{told}");
}

#[test]
fn a_backend_that_this_build_lacks_is_refused_rather_than_ignored() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    let secret = "mongodb://user:hunter2@db";
    let told = refusal(&pingtalk(folder.path(), &["up"], &[("MONGO_URI", secret)]));
    assert!(told.contains("MONGO_URI is set"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}
