//! Manifests that are wrong, and exactly what is said about each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pingtalk_manifest::Manifest;

const RIGHT: &str = r#"spin_manifest_version = 2

[application]
name = "shop"

[application.tool.pingtalk]
public_blobs = ["covers"]

[application.tool.pingtalk.rate_limits.slow]
requests_per_second = 1
burst = 2

[[application.tool.pingtalk.collections]]
database = "shop"
name = "books"
indexes = [{ fields = ["isbn"], unique = true }]

[variables]
key = { required = true, secret = true }

[[trigger.http]]
route = "/books/..."
component = "books"

[component.books]
source = "books.wasm"
allowed_outbound_hosts = ["https://example.com"]

[component.books.variables]
key = "{{ key }}"

[component.books.tool.pingtalk]
documents = ["shop.books:write"]
cache = ["book:"]
publish = ["book.sold"]
consume = [{ queue = "books.sold", topics = ["book.sold"] }]
blobs = ["covers"]
sockets = { serve = true, emit = true }
http = { max_body = "1MiB", rate_limit = "slow" }
budgets = { memory = "32MiB" }
"#;

/// Replaces one part of the right manifest and returns what is said about the result.
fn said(from: &str, to: &str) -> String {
    assert_eq!(RIGHT.matches(from).count(), 1, "`{from}` must stand there once");
    Manifest::parse("spin.toml", &RIGHT.replace(from, to)).expect_err("it is wrong").to_string()
}

#[test]
fn the_right_one_is_right() {
    let manifest = Manifest::parse("spin.toml", RIGHT).unwrap();
    assert_eq!(manifest.check(), []);
}

#[test]
fn every_mistake_is_named_with_its_place_and_its_remedy() {
    let cases = [
        (
            "spin_manifest_version = 2",
            "spin_manifest_version = 1",
            "spin.toml:1:1: error: spin_manifest_version: 1 is out of bounds; write a number from 2 to 2",
        ),
        (
            "name = \"shop\"",
            "name = 7",
            "spin.toml:4:1: error: application.name: expected a string, found an integer; write a string",
        ),
        (
            "public_blobs =",
            "public_blob =",
            "spin.toml:7:1: error: application.tool.pingtalk.public_blob: unknown key; did you mean `public_blobs`?",
        ),
        (
            "[\"covers\"]\n\n[application",
            "[\"cover\"]\n\n[application",
            "spin.toml:7:1: error: application.tool.pingtalk.public_blobs: no component has the container `cover`; did you mean `covers`?",
        ),
        (
            "requests_per_second = 1\n",
            "requests_per_second = 0\n",
            "spin.toml:10:1: error: application.tool.pingtalk.rate_limits.slow.requests_per_second: 0 is out of bounds; write a number from 1 to 1000000",
        ),
        (
            "fields = [\"isbn\"]",
            "fields = [\"$where\"]",
            "spin.toml:16:14: error: application.tool.pingtalk.collections[0].indexes[0].fields: `$where` can't be a field; write names joined by single dots, without a leading $",
        ),
        (
            "key = { required = true, secret = true }",
            "key = { default = \"hunter2\", secret = true }",
            "spin.toml:19:9: error: variables.key.default: a secret stands in the manifest; write `required = true, secret = true` and let the operator set it",
        ),
        (
            "key = { required = true, secret = true }",
            "key = { default = \"mongodb://db:27017/shop\" }",
            "spin.toml:19:9: error: variables.key.default: an address stands in the manifest; declare a variable with `required = true` and let the operator set it",
        ),
        (
            "key = { required = true, secret = true }",
            "key = { secret = true }",
            "spin.toml:19:1: error: variables.key: has neither a default nor `required = true`; add one of the two",
        ),
        (
            "\"/books/...\"",
            "\"/books/:id\"",
            "spin.toml:22:1: error: trigger.http[0].route: `/books/:id` is not a route of this host; write a path of letters, digits and -_.~, such as \"/auth\" or \"/auth/...\"",
        ),
        (
            "component = \"books\"",
            "component = \"bokos\"",
            "spin.toml:23:1: error: trigger.http[0].component: there is no component `bokos`; did you mean `books`?",
        ),
        (
            "source = \"books.wasm\"",
            "source = { url = \"https://example.com/books.wasm\" }",
            "spin.toml:26:1: error: component.books.source: names a download; this host loads files: write the file's path, relative to the manifest",
        ),
        (
            "\"https://example.com\"",
            "\"example.com\"",
            "spin.toml:27:27: error: component.books.allowed_outbound_hosts[0]: `example.com` has no scheme; write \"https://host:port\"; host may be * or *.domain, port may be *",
        ),
        (
            "\"{{ key }}\"",
            "\"{{ kye }}\"",
            "spin.toml:30:1: error: component.books.variables.key: there is no variable `kye`; did you mean `key`?",
        ),
        (
            "\"shop.books:write\"",
            "\"shop.books\"",
            "spin.toml:33:14: error: component.books.tool.pingtalk.documents[0]: `shop.books` is not a grant; write \"DATABASE.COLLECTION:read\" or \":write\", with * for all collections",
        ),
        (
            "\"book:\"",
            "\"book\"",
            "spin.toml:34:1: error: component.books.tool.pingtalk.cache: `book` is not a prefix of cache keys; write \"book:\"",
        ),
        (
            "publish = [\"book.sold\"]",
            "publish = [\"book.*\", \"book.sold\"]",
            "spin.toml:35:1: error: component.books.tool.pingtalk.publish: `book.*` is not a topic; write words of letters, digits, _ and - joined by dots; no wildcards",
        ),
        (
            "topics = [\"book.sold\"]",
            "topics = []",
            "spin.toml:36:36: error: component.books.tool.pingtalk.consume[0].topics: names no topic; write at least one",
        ),
        (
            "blobs = [\"covers\"]\nsockets",
            "blobs = [\"covers\", \"covers\"]\nsockets",
            "spin.toml:37:20: error: component.books.tool.pingtalk.blobs[1]: `covers` stands here twice; remove one",
        ),
        (
            "serve = true",
            "serve = false",
            "spin.toml:38:1: error: component.books.tool.pingtalk.sockets: emits to sockets that no component serves; write serve = true at the component that accepts them",
        ),
        (
            "\"1MiB\"",
            "\"1 megabyte\"",
            "spin.toml:39:10: error: component.books.tool.pingtalk.http.max_body: `1 megabyte` is not a size; write a whole number and B, KB, MB, GB, KiB, MiB or GiB, such as \"64MiB\"",
        ),
        (
            "rate_limit = \"slow\"",
            "rate_limit = \"slwo\"",
            "spin.toml:39:29: error: component.books.tool.pingtalk.http.rate_limit: there is no bucket `slwo`; did you mean `slow`?",
        ),
        (
            "memory = \"32MiB\"",
            "memroy = \"32MiB\"",
            "spin.toml:40:13: error: component.books.tool.pingtalk.budgets.memroy: unknown key; did you mean `memory`?",
        ),
        (
            "memory = \"32MiB\"",
            "wall_time = 30",
            "spin.toml:40:13: error: component.books.tool.pingtalk.budgets.wall_time: expected a string, found an integer; write a string",
        ),
        (
            "[component.books.tool.pingtalk]\n",
            "[component.books.tool.pingtalk]\ndirect_port = \"8080\"\n",
            "spin.toml:33:1: error: component.books.tool.pingtalk.direct_port: `8080` is not the name of an environment variable; write a name such as \"AUTH_SERVICE_PORT\"; the operator sets the port",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(said(from, to), expected, "for `{to}`");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_the_files_order() {
    let text = RIGHT
        .replace("\"/books/...\"", "\"books\"")
        .replace("documents = [\"shop.books:write\"]", "documents = [\"shop.boks:write\"]")
        .replace("max_body", "maxbody");
    let findings = Manifest::parse("spin.toml", &text).unwrap_err();
    let lines: Vec<String> = findings
        .0
        .iter()
        .map(|finding| finding.to_string().split(": ").take(3).collect::<Vec<_>>().join(": "))
        .collect();
    assert_eq!(
        lines,
        [
            "spin.toml:22:1: error: trigger.http[0].route",
            "spin.toml:33:14: error: component.books.tool.pingtalk.documents[0]",
            "spin.toml:39:10: error: component.books.tool.pingtalk.http.maxbody",
        ]
        .iter()
        .map(|line| (*line).to_owned())
        .collect::<Vec<_>>()
    );
}

#[test]
fn broken_toml_names_the_line() {
    let said = Manifest::parse("spin.toml", "spin_manifest_version = 2\n[application\n")
        .unwrap_err()
        .to_string();
    assert!(said.starts_with("spin.toml:2:13: error: "), "{said}");
}

#[test]
fn an_empty_file_says_what_is_needed() {
    let said = Manifest::parse("app.toml", "").unwrap_err().to_string();
    assert_eq!(
        said,
        "app.toml: error: spin_manifest_version: is missing; write spin_manifest_version = 2\n\
         app.toml: error: application: is missing; write [application] with the application's name\n\
         app.toml: error: trigger: is missing; write at least one [[trigger.http]]\n\
         app.toml: error: component: is missing; write at least one [component.NAME]"
    );
}

#[test]
fn two_components_can_share_neither_a_queue_nor_a_route_nor_a_port_nor_the_sockets() {
    let second = RIGHT
        .split("[component.books]")
        .nth(1)
        .map(|rest| {
            format!("[component.films]{rest}").replace("component.books", "component.films")
        })
        .unwrap();
    let text = format!(
        "{RIGHT}direct_port = \"PORT\"\n{second}direct_port = \"PORT\"\n[[trigger.http]]\nroute = \"/BOOKS/...\"\ncomponent = \"films\"\n"
    );
    let said = Manifest::parse("spin.toml", &text).unwrap_err().to_string();
    for expected in [
        "the queue `books.sold` is consumed by `books` already",
        "`/BOOKS/...` is the route of trigger.http[0] already",
        "`PORT` is the port of `books` already",
        "`books` serves the sockets already",
    ] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
}

#[test]
fn spins_own_keys_pass_and_unknown_ones_are_a_warning() {
    let text = RIGHT.replace(
        "source = \"books.wasm\"\n",
        "source = \"books.wasm\"\nkey_value_stores = [\"default\"]\nsqlite_databases = [\"default\"]\n\
         files = [\"static/*\"]\nenvironment = { A = \"b\" }\nbuild = { command = [\"a\", \"b\"] }\n\
         dependencies = { \"pingtalk:cache/store@0.1.0\" = { path = \"a.wasm\" } }\nsorce = \"x\"\n",
    );
    let manifest = Manifest::parse("spin.toml", &text).unwrap();
    let said: Vec<String> = manifest.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["spin.toml:33:1: warning: component.books.sorce: unknown key; did you mean `source`?"]
    );
    let books = manifest.components.get("books").unwrap();
    let [dependency] = books.dependencies.as_slice() else { panic!("{:?}", books.dependencies) };
    assert_eq!(dependency.import, "pingtalk:cache/store@0.1.0");
    assert_eq!(dependency.met_by, "a.wasm");
    assert_eq!(books.build.as_ref().unwrap().commands, ["a", "b"]);
}

#[test]
fn a_topic_that_nobody_publishes_is_a_warning() {
    let text = RIGHT.replace("publish = [\"book.sold\"]\n", "publish = [\"book.sell\"]\n");
    let manifest = Manifest::parse("spin.toml", &text).unwrap();
    let said: Vec<String> = manifest.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["spin.toml:36:12: warning: component.books.tool.pingtalk.consume[0]: no component here \
          publishes `book.sold`; did you mean `book.sell`?"]
    );
}

#[test]
fn a_file_that_was_cut_off_or_damaged_anywhere_is_told_and_never_a_panic() {
    for end in 0..RIGHT.len() {
        if let Err(findings) = Manifest::parse("spin.toml", &RIGHT[..end]) {
            assert!(!findings.0.is_empty(), "nothing is said about the first {end} bytes");
        }
        let without = format!("{}{}", &RIGHT[..end], &RIGHT[end + 1..]);
        if let Err(findings) = Manifest::parse("spin.toml", &without) {
            assert!(!findings.0.is_empty(), "nothing is said without byte {end}");
        }
    }
}
