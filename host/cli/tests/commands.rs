//! The binary as an operator meets it: what it prints, and how it refuses.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

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
fn two_places_for_blobs_are_refused_without_showing_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    std::fs::write(folder.path().join("books.wasm"), "\0asm\x0d\0\x01\0").unwrap();
    let set = [
        ("PINGTALK_S3_BUCKET", "b"),
        ("PINGTALK_S3_ACCESS_KEY", "k"),
        ("PINGTALK_S3_SECRET_KEY", "hunter2"),
        ("PINGTALK_CLOUDINARY", "cloudinary://k:hunter2@demo"),
    ];
    let told = refusal(&pingtalk(folder.path(), &["up", "--listen", "127.0.0.1:0"], &set));
    assert!(told.contains("both `s3_bucket` and `cloudinary` are set"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn the_doctor_names_what_is_away_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    // Nobody listens on port 1.
    let set = [
        ("MONGO_URI", "mongodb://user:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=300"),
        ("RABBITMQ_URL", "amqp://user:hunter2@127.0.0.1:1/%2f"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", "1"),
        ("REDIS_PASSWORD", "hunter2"),
    ];
    let output = pingtalk(folder.path(), &["doctor"], &set);
    let told = refusal(&output);
    assert!(told.contains("problems"), "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for (capability, server) in [
        ("documents", "MongoDB     mongodb://127.0.0.1:1"),
        ("events", "RabbitMQ    amqp://127.0.0.1:1/%2f"),
        ("cache", "Redis       redis://127.0.0.1:1"),
    ] {
        let heading = format!("{capability:<10} {server}");
        let after = shown.split(&heading).nth(1).unwrap_or_else(|| panic!("{heading}: {shown}"));
        assert!(after.lines().nth(1).unwrap().contains("PROBLEM"), "{shown}");
    }
    assert!(!shown.contains("hunter2") && !told.contains("hunter2"), "{shown}{told}");
    let well = pingtalk(folder.path(), &["doctor"], &[]);
    assert!(well.status.success(), "{well:?}");
    assert!(
        String::from_utf8(well.stdout).unwrap().contains("Everything that is configured works")
    );
}

#[test]
fn commands_for_a_host_say_when_none_runs() {
    let folder = tempfile::tempdir().unwrap();
    let set = [("PINGTALK_ADMIN_URL", "http://127.0.0.1:1"), ("PINGTALK_ADMIN_TOKEN", "hunter2")];
    for command in [["events", "list"], ["tenants", "list"], ["releases", "--json"]] {
        let told = refusal(&pingtalk(folder.path(), &command, &set));
        assert!(told.contains("no host answers at http://127.0.0.1:1"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
