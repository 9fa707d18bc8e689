//! Every change leaves a trace, those that were refused too.

use http::Method;
use pingtalk_admin::Scope;

use crate::support::setting;

#[tokio::test]
async fn changes_and_refusals_are_written_down_and_secrets_are_not() {
    let setting = setting().await;
    setting.admin(Method::POST, "/v1/tenants", r#"{"name":"shop"}"#).await;
    setting.admin(Method::POST, "/v1/tenants", r#"{"name":"shop"}"#).await;
    setting.call(Scope::Read, Method::DELETE, "/v1/tenants/shop?confirm=shop", "").await;
    let hidden = "a-value-that-nobody-may-see";
    let body = format!(r#"{{"value":"{hidden}"}}"#);
    setting.admin(Method::PUT, "/v1/tenants/shop/secrets/jwt_secret", &body).await;
    // Looking is not written down, and neither is who sends no token that is known.
    setting.admin(Method::GET, "/v1/tenants", "").await;
    setting.send("10.0.0.1", Some("Bearer x"), Method::POST, "/v1/tenants", "").await;

    let log = setting.admin(Method::GET, "/v1/audit", "").await;
    let entries: Vec<_> = log.body.as_array().unwrap().iter().rev().collect();
    let facts: Vec<_> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap();
            let outcome = text("outcome").split(':').next().unwrap();
            (text("by"), text("action"), text("tenant"), outcome)
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("admin", "tenant.create", "shop", "ok"),
            ("admin", "tenant.create", "shop", "exists"),
            ("read", "tenant.remove", "shop", "forbidden"),
            ("admin", "secret.set", "shop", "ok"),
        ]
    );
    assert_eq!(entries[0]["address"], "10.0.0.1");
    assert!(!log.text.contains(hidden));
    let of_shop = setting.admin(Method::GET, "/v1/audit?tenant=shop&limit=1", "").await;
    assert_eq!(of_shop.body.as_array().unwrap().len(), 1);
    assert_eq!(of_shop.body[0]["action"], "secret.set", "the newest first");
    let answer = setting.admin(Method::GET, "/v1/audit?limit=0", "").await;
    assert_eq!(answer.field(), "limit");
}
