//! PingTalk's own manifest: it is right, and grants what the services need and no more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pingtalk_manifest::{Manifest, Route};

const TEXT: &str = include_str!("../../../spin.toml");

/// All of it, Spin's part included.
fn whole() -> Manifest {
    Manifest::parse("spin.toml", TEXT).unwrap_or_else(|findings| panic!("{findings}"))
}

/// What this host serves of it.
fn manifest() -> Manifest {
    whole().for_this_host()
}

#[test]
fn it_is_right_without_a_warning() {
    assert_eq!(whole().check(), []);
    assert_eq!(manifest().check(), []);
}

#[test]
fn what_stands_in_for_the_host_under_spin_is_left_out() {
    let manifest = manifest();
    let names: Vec<&str> = manifest.components.keys().map(String::as_str).collect();
    assert_eq!(names, ["auth", "chat", "profile", "request"]);
    let routes: Vec<String> = manifest.triggers.iter().map(|it| it.route.to_string()).collect();
    assert_eq!(routes, ["/auth/...", "/profile/...", "/request/...", "/chat/..."]);
    assert_eq!(whole().components.len(), 10);
}

#[test]
fn every_service_has_its_route_and_its_direct_port() {
    let manifest = manifest();
    for name in ["auth", "profile", "request", "chat"] {
        let route = Route::Below(format!("/{name}"));
        assert!(manifest.triggers.iter().any(|t| t.route == route && t.component == name));
        let variable = format!("{}_SERVICE_PORT", name.to_uppercase());
        let component = manifest.components.get(name).unwrap();
        assert_eq!(component.host.direct_port.as_deref(), Some(variable.as_str()));
        assert!(component.source.ends_with(&format!("pingtalk_{name}.wasm")));
        assert_eq!(component.build.as_ref().unwrap().commands.len(), 1);
    }
}

#[test]
fn all_but_chat_count_in_one_bucket() {
    let manifest = manifest();
    let bucket = |name: &str| manifest.components.get(name).unwrap().host.http.rate_limit.clone();
    for name in ["auth", "profile", "request"] {
        assert_eq!(bucket(name).as_deref(), Some("services"));
    }
    assert_eq!(bucket("chat"), None);
    let limit = manifest.application.host.rate_limits.get("services").unwrap();
    assert_eq!((limit.requests_per_second, limit.burst), (10, 20));
}

#[test]
fn only_profile_reaches_the_network() {
    for (name, component) in manifest().components {
        let hosts: Vec<String> =
            component.allowed_outbound_hosts.iter().map(ToString::to_string).collect();
        let expected: &[&str] =
            if name == "profile" { &["https://*:443", "http://*:80"] } else { &[] };
        assert_eq!(hosts, expected, "{name}");
    }
}

#[test]
fn the_secret_is_the_operators() {
    let manifest = manifest();
    let auth = manifest.components.get("auth").unwrap();
    let missing = manifest.resolve_variables(auth, |_| None).unwrap_err();
    assert_eq!(missing.to_string(), "the variable `jwt_secret` is required and not set");
    let set = manifest
        .resolve_variables(auth, |name| (name == "jwt_secret").then(|| "s".to_owned()))
        .unwrap();
    assert_eq!(set.get("jwt_secret").map(String::as_str), Some("s"));
}

#[test]
fn the_report_tells_what_auth_is_granted() {
    let report = manifest().grant_report();
    let auth = report
        .split("\n\n")
        .find(|section| section.starts_with("auth "))
        .expect("a section for auth");
    assert_eq!(
        auth,
        "auth (target/wasm32-wasip2/component/pingtalk_auth.wasm)\n  \
         serves       /auth/...\n  \
         direct port  $AUTH_SERVICE_PORT\n  \
         documents    authDB.auths:write\n  \
         publishes    auth.user.created\n  \
         cache keys   session:*\n               \
         login:*\n  \
         emits to     any room, user or socket\n  \
         variables    jwt_secret (secret)\n  \
         bounds       body 100 KiB\n               \
         rate 10/s, burst 20 (shared as `services`)"
    );
}
