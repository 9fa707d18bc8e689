//! Each capability through a guest: what crosses the boundary, and what is refused.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_runtime::{Capabilities, Instances, Limits, LoadError};

use crate::support::{self, fakes, limits, names, probe, probe_limited, probe_with, text};

#[tokio::test]
async fn cache_calls_cross() {
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), limits()).await;
    assert_eq!(text(&probe, "/cache-get?ab").await, "Ok(Some([97, 98]))");
    assert_eq!(text(&probe, "/cache-get?absent").await, "Ok(None)");
    assert!(text(&probe, "/cache-get?denied").await.contains("Denied"));
    assert_eq!(text(&probe, "/cache-set?k").await, "Ok(true)");
    let counter = text(&probe, "/cache-increment?k").await;
    assert!(counter.contains("value: 42, expires-in-ms: 7"), "{counter}");
    assert!(text(&probe, "/cache-delete?k").await.contains("Unavailable"));
    assert_eq!(
        fake.asked(),
        [r#"set k b"\x01\x02\x03" 5s true"#, "increment k 2 9ms", r#"delete ["k"]"#]
    );
}

#[tokio::test]
async fn documents_cross_whole() {
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), Limits::default()).await;
    assert_eq!(text(&probe, "/find-one?x").await, "Some(5)");
    let asked = fake.asked().pop().unwrap();
    assert!(asked.starts_with("find_one db things Query"), "{asked}");
    assert!(asked.contains("ObjectId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])"), "{asked}");
    assert!(asked.contains(r#"OneOf([Text("x"), Id("#), "{asked}");
    assert_eq!(text(&probe, "/find?x").await, "[100, 16777216]");
    // The largest document there is.
    assert_eq!(text(&probe, "/commit?16777216").await, "inserted 16777216");
    assert!(text(&probe, "/commit?0").await.contains("Conflict"));
    let asked = fake.asked().pop().unwrap();
    let sequence = r#"Some(Sequence { field: "n", within: ["group"] })"#;
    assert_eq!(asked, format!(r#"commit t1 {sequence} ["made"]"#));
}

#[tokio::test]
async fn what_is_too_large_to_cross_fails_the_call() {
    let probe = probe_limited(Limits { hostcall_bytes: 1 << 20, ..Limits::default() }).await;
    assert_eq!(text(&probe, "/commit?1000000").await, "inserted 1000000");
    let error = support::get(&probe, "/commit?2000000").await.unwrap_err();
    assert!(error.to_string().contains("fuel"), "{error}");
    assert_eq!(text(&probe, "/hello").await, "hello");
}

#[tokio::test]
async fn blobs_stream_both_ways() {
    let probe = probe_limited(Limits::default()).await;
    assert_eq!(
        text(&probe, "/blob-put?6000000").await,
        "6000000 image/png https://files.test/files/a/b.png"
    );
    assert!(text(&probe, "/blob-put?9000000").await.contains("TooLarge"));
    assert_eq!(text(&probe, "/blob-get?6000000").await, "6000000 of 6000000, Ok(())");
    assert!(text(&probe, "/blob-get?x").await.contains("NotFound"));
    assert!(text(&probe, "/blob-head?x").await.contains("NotFound"));
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn sockets_and_variables_cross() {
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), limits()).await;
    assert_eq!(text(&probe, "/emit?lobby").await, "Ok(())");
    let asked = fake.asked().pop().unwrap();
    assert!(asked.starts_with(r#"emit Room("lobby") Message { name: "hi""#), "{asked}");
    assert!(asked.ends_with("Some(4) None"), "{asked}");
    assert_eq!(text(&probe, "/config?greeting").await, r#"Ok(Some("hi"))"#);
    assert_eq!(text(&probe, "/config?secret").await, "Ok(None)");
    assert_eq!(text(&probe, "/config-all").await, r#"Ok([("greeting", "hi")])"#);
}

#[tokio::test]
async fn sixty_four_slow_imports_run_side_by_side() {
    let probe = probe_limited(Limits { instances: 1, ..Limits::default() }).await;
    text(&probe, "/hello").await;
    let started = Instant::now();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let probe = Arc::clone(&probe);
            tokio::spawn(async move { text(&probe, "/cache-get?slow:200").await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().starts_with("Ok(Some("));
    }
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
    assert_eq!(probe.stats().started, 1);
}

#[tokio::test]
async fn a_missing_capability_is_named() {
    let capabilities = Capabilities { documents: None, ..fakes::capabilities() };
    let engine = support::engine();
    let error =
        Instances::new(&engine, probe().await, names(), capabilities, limits()).unwrap_err();
    match &error {
        LoadError::NotGranted { import, grant, .. } => {
            assert_eq!(&**import, "pingtalk:documents/store@0.1.0");
            assert_eq!(*grant, "documents");
        }
        other => panic!("{other:?}"),
    }
    assert!(error.to_string().contains("needs the grant `documents`"), "{error}");
}

#[tokio::test]
async fn a_component_tells_what_it_needs_and_serves() {
    let probe = probe().await;
    let imports = probe.imports();
    assert!(imports.contains(&"pingtalk:cache/store@0.1.0".to_owned()), "{imports:?}");
    assert!(probe.exports().contains(&"wasi:http/handler@0.3.0".to_owned()));
    let serves = probe.serves();
    assert!(serves.http.is_some() && serves.events && serves.sockets);
    let hello = support::load("hello").await.serves();
    assert!(hello.http.is_some() && !hello.events && !hello.sockets);
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", fakes::capabilities());
    assert!(shown.contains("greeting") && !shown.contains("hi"), "{shown}");
}
