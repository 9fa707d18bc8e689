//! The description against what is served.

use std::collections::BTreeMap;

use http::Method;
use pingtalk_admin::{Scope, routes};
use serde_json::Value;

use crate::support::setting;

/// Every operation of the description, with the scope it asks for.
fn described(description: &Value) -> BTreeMap<(String, String), Option<String>> {
    let mut operations = BTreeMap::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if ["parameters", "summary", "description"].contains(&method.as_str()) {
                continue;
            }
            let security = operation["security"].as_array().unwrap();
            let scope = security.first().map(|it| it["token"][0].as_str().unwrap().to_owned());
            operations.insert((method.to_uppercase(), path.clone()), scope);
        }
    }
    operations
}

#[tokio::test]
async fn the_description_has_every_route_with_its_scope_and_no_other() {
    let setting = setting().await;
    let description =
        setting.send("10.0.0.1", None, Method::GET, "/v1/openapi.json", "").await.body;
    let served: BTreeMap<_, _> = routes()
        .map(|(method, path, scope)| {
            let scope = scope.map(|scope: Scope| scope.name().to_owned());
            ((method.to_string(), path.to_owned()), scope)
        })
        .collect();
    assert_eq!(described(&description), served);
}

/// Every `$ref` leads somewhere.
#[tokio::test]
async fn the_description_is_whole() {
    let setting = setting().await;
    let description =
        setting.send("10.0.0.1", None, Method::GET, "/v1/openapi.json", "").await.body;
    let mut waiting = vec![&description];
    let mut seen = 0;
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
            seen += 1;
        }
        match value {
            Value::Object(fields) => waiting.extend(fields.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(seen > 20, "{seen} references");
}

/// The description of the figures has the fields that are sent.
#[tokio::test]
async fn the_status_is_described_as_it_is() {
    let setting = setting().await;
    let description =
        setting.send("10.0.0.1", None, Method::GET, "/v1/openapi.json", "").await.body;
    let status = setting.admin(Method::GET, "/v1/status", "").await.body;
    let schema = &description["components"]["schemas"]["HostStatus"]["properties"];
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(schema), names(&status));
    let gateway = &description["components"]["schemas"]["GatewayStatus"]["properties"];
    assert_eq!(names(gateway), names(&status["gateway"]));
}
