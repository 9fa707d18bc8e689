//! Tenants over the API.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::setting;

#[tokio::test]
async fn a_tenant_is_made_shown_changed_and_removed() {
    let setting = setting().await;
    let body = r#"{"name":"shop","hosts":["Shop.Example.org."],"variables":{"app_name":"Shop"}}"#;
    let made = setting.admin(Method::POST, "/v1/tenants", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.body["hosts"], json!(["shop.example.org"]));

    let body =
        r#"{"hosts":["www.example.org"],"variables":{"app_name":null,"x":"1"},"suspended":true}"#;
    let changed = setting.admin(Method::PATCH, "/v1/tenants/shop", body).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let shown = setting.admin(Method::GET, "/v1/tenants/shop", "").await.body;
    assert_eq!(shown["hosts"], json!(["www.example.org"]));
    assert_eq!(shown["variables"], json!({"x": "1"}));
    assert_eq!(shown["suspended"], json!(true));
    assert_eq!(
        setting.admin(Method::GET, "/v1/tenants", "").await.body.as_array().unwrap().len(),
        1
    );

    let unsure = setting.admin(Method::DELETE, "/v1/tenants/shop", "").await;
    assert_eq!(unsure.field(), "confirm");
    let removed = setting.admin(Method::DELETE, "/v1/tenants/shop?confirm=shop", "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(
        setting.admin(Method::GET, "/v1/tenants/shop", "").await.status,
        StatusCode::NOT_FOUND
    );
    // Its host names are free again.
    let body = r#"{"name":"other","hosts":["www.example.org"]}"#;
    assert_eq!(setting.admin(Method::POST, "/v1/tenants", body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let setting = setting().await;
    setting
        .admin(Method::POST, "/v1/tenants", r#"{"name":"first","hosts":["a.example.org"]}"#)
        .await;
    let long = "x".repeat(40_000);
    for (body, status, field) in [
        (r#"{"nam":"x"}"#.to_owned(), 422, "nam"),
        (r#"{}"#.to_owned(), 422, "name"),
        (r#"{"name":"Not A Name"}"#.to_owned(), 422, "name"),
        (r#"{"name":"x","hosts":["two words"]}"#.to_owned(), 422, "hosts"),
        (r#"{"name":"x","hosts":["free.example.org","a.example.org"]}"#.to_owned(), 409, "hosts"),
        (r#"{"name":"x","signers":["!"]}"#.to_owned(), 422, "signers"),
        (format!(r#"{{"name":"x","variables":{{"v":"{long}"}}}}"#), 422, "variables"),
        (r#"{"name":"x","variables":{"No-Name":"1"}}"#.to_owned(), 422, "variables"),
    ] {
        let answer = setting.admin(Method::POST, "/v1/tenants", &body).await;
        assert_eq!((answer.status.as_u16(), answer.field()), (status, field), "{}", answer.text);
    }
    let names = setting.admin(Method::GET, "/v1/tenants", "").await;
    assert_eq!(names.body.as_array().unwrap().len(), 1, "{}", names.text);
    // A host name that a refused tenant had asked for is free.
    let body = r#"{"name":"second","hosts":["free.example.org"]}"#;
    assert_eq!(setting.admin(Method::POST, "/v1/tenants", body).await.status, StatusCode::CREATED);
    let answer = setting.admin(Method::POST, "/v1/tenants", "not JSON").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = setting.admin(Method::PATCH, "/v1/tenants/nobody", "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_that_is_refused_in_part_is_not_made_at_all() {
    let setting = setting().await;
    for body in [r#"{"name":"one","hosts":["a.example.org"]}"#, r#"{"name":"two"}"#] {
        setting.admin(Method::POST, "/v1/tenants", body).await;
    }
    let before = setting.admin(Method::GET, "/v1/tenants/two", "").await.body;
    for (body, status) in [
        (r#"{"hosts":["b.example.org","A.example.org"],"suspended":true}"#, 409),
        (r#"{"hosts":["b.example.org"],"budgets":{"speed":1}}"#, 422),
        (r#"{"hosts":["b.example.org","not a host"],"variables":{"x":"1"}}"#, 422),
    ] {
        let answer = setting.admin(Method::PATCH, "/v1/tenants/two", body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        let after = setting.admin(Method::GET, "/v1/tenants/two", "").await.body;
        let parts = |tenant: &serde_json::Value| {
            ["hosts", "suspended", "variables", "budgets"].map(|field| tenant[field].clone())
        };
        assert_eq!(parts(&after), parts(&before), "{body}");
    }
    // What was not kept is free.
    let body = r#"{"hosts":["b.example.org"]}"#;
    assert_eq!(setting.admin(Method::PATCH, "/v1/tenants/one", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let setting = setting().await;
    setting.admin(Method::POST, "/v1/tenants", r#"{"name":"shop"}"#).await;
    let path = "/v1/tenants/shop/secrets/jwt_secret";
    let set = setting.admin(Method::PUT, path, r#"{"value":"swordfish-swordfish"}"#).await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{}", set.text);
    let shown = setting.admin(Method::GET, "/v1/tenants/shop", "").await;
    assert_eq!(shown.body["secrets"], json!(["jwt_secret"]));
    assert!(!shown.text.contains("swordfish"));
    let record = setting.store.tenant("shop").await.unwrap();
    assert!(!format!("{record:?}").contains("swordfish"));
    assert!(!serde_json::to_string(&record).unwrap().contains("swordfish"), "sealed in the store");
    let removed = setting.admin(Method::DELETE, path, "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(setting.admin(Method::DELETE, path, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_default_tenant_stays() {
    let setting = setting().await;
    setting.store.create_tenant("default").await.unwrap();
    let answer = setting.admin(Method::DELETE, "/v1/tenants/default?confirm=default", "").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "default_tenant"));
}

#[tokio::test]
async fn a_deployment_that_can_not_be_is_refused_with_its_reason() {
    let setting = setting().await;
    setting.admin(Method::POST, "/v1/tenants", r#"{"name":"shop"}"#).await;
    let path = "/v1/tenants/shop/deployments";
    for (body, status, code) in [
        ("{}", 422, "invalid"),
        (r#"{"manifest":"nonsense"}"#, 422, "manifest"),
        (r#"{"canary":0}"#, 422, "invalid"),
        (r#"{"components":{"chat":"short"}}"#, 422, "invalid"),
        (r#"{"unknown":1}"#, 422, "invalid"),
    ] {
        let answer = setting.admin(Method::POST, path, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{}", answer.text);
    }
    let answer = setting.admin(Method::POST, "/v1/tenants/shop/rollback", "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
    let answer = setting.admin(Method::POST, "/v1/tenants/nobody/rollback", "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let releases = setting.admin(Method::GET, "/v1/tenants/shop/releases", "").await;
    assert_eq!(releases.body, json!([]));
}
