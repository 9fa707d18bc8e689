//! Compiling in a process of its own: what it costs when that process misbehaves.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_runtime::{Compiler, Engine, EngineConfig, LoadError, Pace};

/// What loading something with this shell script as the compiler ends with.
async fn load(script: &str, time: Duration) -> String {
    load_at(Pace::Eager, None, script, time).await
}

/// The same at a pace, with another script as the compiler that gives way.
async fn load_at(pace: Pace, gently: Option<&str>, script: &str, time: Duration) -> String {
    let arguments = |script: &str| vec!["-c".to_owned(), script.to_owned()];
    let compiler = Compiler {
        program: PathBuf::from("/bin/sh"),
        arguments: arguments(script),
        gently: gently.map(arguments),
        time,
    };
    let config =
        EngineConfig { instances: 10, compiler: Some(compiler), ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let bytes = Bytes::from(vec![7; 1_000_000]);
    match engine.load("slow", bytes, pace, &|_| {}).await {
        Err(LoadError::Invalid { name, reason }) if &*name == "slow" => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_compiler_that_never_ends_is_killed() {
    let started = Instant::now();
    let reason = load("cat > /dev/null; sleep 60", Duration::from_millis(300)).await;
    assert_eq!(reason, "it took longer than 300ms to compile");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn what_the_compiler_says_is_the_reason() {
    let time = Duration::from_secs(30);
    // It need not read what it is given.
    assert_eq!(load("echo 'too odd' >&2; exit 1", time).await, "too odd");
    assert_eq!(load("kill -9 $$", time).await, "the compiler ended with signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn what_is_no_code_is_not_loaded() {
    let reason = load("cat > /dev/null; echo nonsense", Duration::from_secs(30)).await;
    assert!(!reason.is_empty(), "{reason}");
}

#[tokio::test]
async fn a_gentle_compiler_that_gets_no_time_is_followed_by_an_eager_one() {
    let time = Duration::from_secs(2);
    let (gentle, eager) = ("echo gentle >&2; exit 1", "echo eager >&2; exit 1");
    assert_eq!(load_at(Pace::Eager, Some(gentle), eager, time).await, "eager");
    assert_eq!(load_at(Pace::Gentle, Some(gentle), eager, time).await, "gentle");
    assert_eq!(load_at(Pace::Gentle, None, eager, time).await, "eager");
    let idles = "cat > /dev/null; sleep 60";
    assert_eq!(load_at(Pace::Gentle, Some(idles), eager, time).await, "eager");
    // One that computes has had its chance.
    let computes = "cat > /dev/null; while :; do :; done";
    let reason = load_at(Pace::Gentle, Some(computes), eager, time).await;
    assert_eq!(reason, "it took longer than 2s to compile");
}
