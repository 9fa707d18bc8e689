//! Compiling in a process of its own: what it costs when that process misbehaves.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_runtime::{Compiler, Engine, EngineConfig, Instances, LoadError};

use crate::support::{fakes, guests, limits, names};

/// What loading something with this shell script as the compiler ends with.
async fn load(script: &str, time: Duration) -> String {
    reason(&engine(EngineConfig::default(), None, script, time)).await
}

fn engine(config: EngineConfig, gently: Option<&str>, script: &str, time: Duration) -> Arc<Engine> {
    let arguments = |script: &str| vec!["-c".to_owned(), script.to_owned()];
    let compiler = Compiler {
        program: PathBuf::from("/bin/sh"),
        arguments: arguments(script),
        gently: gently.map(arguments),
        time,
    };
    Engine::new(EngineConfig { instances: 10, compiler: Some(compiler), ..config }).unwrap()
}

/// Why something does not compile.
async fn reason(engine: &Arc<Engine>) -> String {
    let bytes = Bytes::from(vec![7; 1_000_000]);
    match engine.load("slow", bytes, &|_| {}).await {
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
async fn while_somebody_is_served_a_compiler_gives_way_unless_that_gets_it_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig { cache_dir: Some(folder.path().into()), ..EngineConfig::default() };
    let hello = guests::read("hello");
    // From here the others have what they serve.
    let first = Engine::new(EngineConfig { instances: 10, ..config.clone() }).unwrap();
    first.load("hello", hello.clone(), &|_| {}).await.unwrap();

    let time = Duration::from_secs(2);
    let answer = async |gentle: &str, other: &str| {
        let engine = engine(config.clone(), Some(gentle), other, time);
        let alone = reason(&engine).await;
        let hello = engine.load("hello", hello.clone(), &|_| {}).await.unwrap();
        let hello = Instances::new(&engine, hello, names(), fakes::capabilities(), limits());
        let serving = reason(&engine).await;
        drop(hello);
        (alone, serving)
    };
    let (gentle, other) = ("echo gentle >&2; exit 1", "echo other >&2; exit 1");
    assert_eq!(answer(gentle, other).await, ("other".to_owned(), "gentle".to_owned()));
    let idles = "cat > /dev/null; sleep 60";
    assert_eq!(answer(idles, other).await, ("other".to_owned(), "other".to_owned()));
    // One that computes has had its chance.
    let computes = "cat > /dev/null; while :; do :; done";
    let late = "it took longer than 2s to compile".to_owned();
    assert_eq!(answer(computes, other).await, ("other".to_owned(), late));
}
