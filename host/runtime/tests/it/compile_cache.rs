//! Compiled components on disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use pingtalk_runtime::{Capabilities, Engine, EngineConfig, Instances, LoadError, Pace, Progress};

use crate::support::{get, guests, limits, names};

fn engine(dir: &Path) -> Arc<Engine> {
    let config = EngineConfig {
        cache_dir: Some(dir.to_owned()),
        instances: 10,
        max_component_bytes: 4 << 20,
        ..EngineConfig::default()
    };
    Engine::new(config).unwrap()
}

/// Loads the hello guest with a new engine, shows that it works, and tells the stages.
async fn load(dir: &Path) -> Vec<Progress> {
    let engine = engine(dir);
    let stages = Mutex::new(Vec::new());
    let component = engine
        .load("hello", guests::read("hello"), Pace::Eager, &|stage| {
            stages.lock().unwrap().push(stage)
        })
        .await
        .unwrap();
    let hello = Instances::new(&engine, component, names(), Capabilities::default(), limits());
    assert_eq!(get(&hello.unwrap(), "/").await.unwrap().1, "Hello, world!\n");
    stages.into_inner().unwrap()
}

fn compiled(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
    let file = files.next().unwrap();
    assert!(files.next().is_none());
    file
}

const COMPILED: [Progress; 2] = [Progress::Compiling, Progress::Loaded];
const CACHED: [Progress; 2] = [Progress::Cached, Progress::Loaded];

#[tokio::test]
async fn a_component_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    assert_eq!(load(&cache).await, COMPILED);
    assert_eq!(load(&cache).await, CACHED);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&compiled(&cache)), 0o600);
    assert_eq!(mode(&cache.join("key")), 0o600);
    assert_eq!(mode(&cache), 0o700);
}

#[tokio::test]
async fn code_in_memory_is_shared_and_goes_with_its_last_user() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let load = async |name: &str| {
        engine.load(name, guests::read("hello"), Pace::Eager, &|_| {}).await.unwrap()
    };
    let one = load("hello").await;
    assert!(Arc::ptr_eq(&one, &load("hello").await));
    let digest = one.digest().to_owned();
    assert!(Arc::ptr_eq(&one, &engine.recall("hello", &digest).await.unwrap()));
    // No file is needed for what is in memory; another name makes no other code.
    fs::remove_file(compiled(dir.path())).unwrap();
    let other = engine.recall("greeter", &digest).await.unwrap();
    assert_eq!((other.name(), other.digest()), ("greeter", &*digest));
    drop((one, other));
    assert!(engine.recall("hello", &digest).await.is_none(), "neither in memory nor compiled");
    for wrong in ["", "zz", &"g".repeat(64)] {
        assert!(engine.recall("hello", wrong).await.is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_not_loaded() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(load(dir.path()).await, COMPILED);
    let file = compiled(dir.path());
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(load(dir.path()).await, COMPILED, "one bit was changed");
    assert_eq!(load(dir.path()).await, CACHED, "and the file replaced");
    fs::write(&file, &bytes[..20]).unwrap();
    assert_eq!(load(dir.path()).await, COMPILED, "cut short");
    fs::write(dir.path().join("key"), [7; 32]).unwrap();
    assert_eq!(load(dir.path()).await, COMPILED, "signed with another key");
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let error =
        engine.load("junk", Bytes::from_static(b"junk"), Pace::Eager, &|_| {}).await.unwrap_err();
    assert!(matches!(error, LoadError::Invalid { .. }), "{error:?}");
    let large = Bytes::from(vec![0; (4 << 20) + 1]);
    let error = engine.load("large", large, Pace::Eager, &|_| {}).await.unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error:?}");
}
