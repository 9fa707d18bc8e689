//! `GET /getUserByEmail?emailId=`: the id behind an address, for logged-in users.

use pingtalk_sdk::{
    Context, Error, Response, Result,
    documents::{Id, eq},
    serde::Deserialize,
    serde_json::json,
};

use crate::{account::ACCOUNTS, email};

#[derive(Deserialize)]
#[serde(crate = "pingtalk_sdk::serde")]
struct Found {
    #[serde(rename = "_id")]
    id: Id,
}

pub(crate) async fn get_user_by_email(cx: Context) -> Result<Response> {
    cx.session().await?;
    let not_found = || Error::not_found("User not found");
    // What is no address belongs to nobody.
    let address = email::normalise(email_id(&cx)?).ok_or_else(not_found)?;
    let query = eq("emailId", address).include(["_id"]);
    let found = cx.documents().find_one(&ACCOUNTS.view::<Found>(), query).await?;
    let user = found.ok_or_else(not_found)?;
    Ok(Response::ok(&json!({ "userId": user.id })))
}

/// The parameter, given once. `emailId[…]` is another one, as it was to the original.
fn email_id(cx: &Context) -> Result<&str> {
    let all = cx.head().query().iter();
    let mut values = all.filter(|(name, _)| *name == "emailId").map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (Some(text), None) if !text.is_empty() => Ok(text),
        (Some(_), Some(_)) => Err(Error::bad_request("emailId must be given only once")),
        _ => Err(Error::bad_request("emailId is required")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{ask, host, sign_up};
    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, get},
    };

    #[test]
    fn finds_in_any_case() {
        let host = host();
        let (id, token) = sign_up(&host);
        for email in
            ["ann@example.com", "ANN@Example.com", "ann%40example.com", "%20ann@example.com"]
        {
            let answer = ask(&host, get(&format!("/getuserbyemail?emailId={email}")).token(&token));
            assert_eq!(answer.status, 200, "{email}");
            assert_eq!(answer.json(), json!({ "userId": id }));
        }
    }

    #[test]
    fn refuses_the_rest() {
        let host = host();
        let (_, token) = sign_up(&host);
        let many = "emailId must be given only once";
        for (query, status, message) in [
            ("", 400, "emailId is required"),
            ("?emailId=", 400, "emailId is required"),
            ("?emailId=%20", 400, "emailId is required"),
            ("?emailid=ann@example.com", 400, "emailId is required"),
            ("?emailId=bob@example.com", 404, "User not found"),
            ("?emailId=ann", 404, "User not found"),
            ("?emailId=ann@example.com&emailId=bob@example.com", 400, many),
            ("?emailId[$ne]=x", 400, "emailId is required"),
            ("?emailId[]=ann@example.com", 400, "emailId is required"),
        ] {
            let answer = ask(&host, get(&format!("/getUserByEmail{query}")).token(&token));
            assert_eq!(answer.status, status, "{query}");
            assert_eq!(answer.json(), json!({ "message": message }), "{query}");
        }
    }

    #[test]
    fn needs_a_session() {
        let host = host();
        sign_up(&host);
        let request = get("/getUserByEmail?emailId=ann@example.com");
        for (request, expected) in [
            (request.clone(), json!({ "message": "Token Expired, please login again" })),
            (request.clone().token(""), json!({ "message": "Token Expired, please login again" })),
            (request.token("x.y.z"), json!({ "error": "Invalid or expired token" })),
        ] {
            let answer = ask(&host, request);
            assert_eq!(answer.status, 401);
            assert_eq!(answer.json(), expected);
        }
    }

    #[test]
    fn an_outage_is_no_unknown_user() {
        let host = host();
        let (_, token) = sign_up(&host);
        host.fail_always(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        let answer = ask(&host, get("/getUserByEmail?emailId=ann@example.com").token(&token));
        assert_eq!(answer.status, 503);
    }
}
