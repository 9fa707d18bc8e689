//! What a client wants changed in its profile: read from JSON or a form, checked field by field.
//!
//! A failure is a 400 that names the field, in the contract's order: unknown fields, then missing
//! ones, then wrong ones.

use pingtalk_sdk::{
    Context, Error, Fields, Result,
    bytes::Bytes,
    documents::Changes,
    multipart::{Bounds, Multipart},
    serde_json::Value,
};

use crate::{picture, profile::Profile};

/// Largest JSON body, in bytes: a picture comes as base64 within it.
const MAX_JSON_BYTES: usize = 10 * 1024 * 1024;
/// A form carries the six fields, the picture among them.
const FORM: Bounds =
    Bounds { max_parts: 8, max_file: picture::MAX_UPLOAD_BYTES, max_text: 16 * 1024 };

/// Everything a client may change.
const FIELDS: [&str; 6] = ["firstName", "lastName", "about", "profilePic", "age", "gender"];
/// What a profile has to have once it is edited, in the order in which gaps are told.
const REQUIRED: [&str; 5] = ["firstName", "lastName", "about", "gender", "age"];

const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 2..=100;
const MAX_ABOUT_CHARACTERS: usize = 750;
const AGES: std::ops::RangeInclusive<i32> = 0..=150;
/// Both spellings are in use.
const GENDERS: [&str; 5] = ["male", "female", "other", "Male", "Female"];

/// A request's fields, and the file if it came with one.
pub(crate) struct Update {
    fields: Fields,
    /// The bytes of a form's file `profilePic`.
    pub(crate) file: Option<Bytes>,
}

impl Update {
    /// Reads a request's body.
    ///
    /// # Errors
    /// 413 for a large one, 400 for a broken one or one with unknown fields.
    pub(crate) async fn read(cx: &Context) -> Result<Self> {
        let update = match cx.multipart(FORM).await? {
            Some(form) => Self::from_form(&form)?,
            None => Self { fields: cx.json_within(MAX_JSON_BYTES).await?, file: None },
        };
        if update.fields.names().all(|name| FIELDS.contains(&name)) {
            Ok(update)
        } else {
            Err(not_allowed())
        }
    }

    fn from_form(form: &Multipart) -> Result<Self> {
        if form.files().any(|(name, _)| name != "profilePic") {
            return Err(not_allowed());
        }
        let mut fields = Vec::new();
        for (name, _) in form.texts() {
            // By name, which refuses a repeated one.
            let text = form.text(name)?.unwrap_or_default();
            fields.push((name.to_owned(), Value::from(text)));
        }
        let file = form.file("profilePic")?.map(|file| file.bytes.clone());
        Ok(Self { fields: fields.into_iter().collect(), file })
    }

    /// The field `profilePic`; null and empty text count as absent.
    pub(crate) fn profile_pic(&self) -> Option<&Value> {
        self.fields.get("profilePic").filter(|value| !is_blank(value))
    }

    /// The changes to a stored profile, without the picture.
    ///
    /// # Errors
    /// 400 naming the fields.
    pub(crate) fn changes(&self, stored: &Profile) -> Result<Changes> {
        self.check_complete(stored)?;
        let mut changes = Changes::new();
        for field in ["firstName", "lastName"] {
            if let Some(name) = self.fields.text(field)? {
                changes = changes.set(field, checked_name(field, name)?);
            }
        }
        if let Some(about) = self.fields.text("about")? {
            if about.chars().count() > MAX_ABOUT_CHARACTERS {
                let text = format!("about must be at most {MAX_ABOUT_CHARACTERS} characters long");
                return Err(Error::bad_request(text));
            }
            changes = changes.set("about", about);
        }
        if let Some(gender) = self.fields.text("gender")? {
            if !GENDERS.contains(&gender) {
                let text = format!("gender must be one of {}", GENDERS.join(", "));
                return Err(Error::bad_request(text));
            }
            changes = changes.set("gender", gender);
        }
        if let Some(age) = self.fields.get("age") {
            changes = changes.set("age", checked_age(age)?);
        }
        Ok(changes)
    }

    fn check_complete(&self, stored: &Profile) -> Result<()> {
        let has = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let is_stored = |field: &str| match field {
            "firstName" => has(&stored.first_name),
            "lastName" => has(&stored.last_name),
            "about" => has(&stored.about),
            "gender" => has(&stored.gender),
            _ => stored.age.is_some(),
        };
        let is_missing = |field: &str| {
            if self.fields.contains(field) {
                self.fields.get(field).is_none_or(is_blank)
            } else {
                !is_stored(field)
            }
        };
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|field| is_missing(field)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::bad_request(format!("Missing required fields: {}", missing.join(", "))))
    }
}

fn not_allowed() -> Error {
    Error::bad_request("Update not allowed")
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn checked_name<'a>(field: &str, name: &'a str) -> Result<&'a str> {
    let name = name.trim();
    if NAME_CHARACTERS.contains(&name.chars().count()) {
        return Ok(name);
    }
    let (least, most) = (NAME_CHARACTERS.start(), NAME_CHARACTERS.end());
    Err(Error::bad_request(format!("{field} must be {least} to {most} characters long")))
}

/// Whole years, as a number or as text that is one.
fn checked_age(age: &Value) -> Result<i32> {
    let number = match age {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let years = AGES.into_iter().find(|years| Some(f64::from(*years)) == number);
    years.ok_or_else(|| {
        let (least, most) = (AGES.start(), AGES.end());
        Error::bad_request(format!("age must be a whole number from {least} to {most}"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        fixtures::{ANN, ask, edit, fresh, host, only, with_ann},
        profile::PROFILES,
    };
    use pingtalk_sdk::{
        fake::{Answer, Host, put},
        serde_json::json,
    };

    fn change(host: &Host, token: &str, body: &Value) -> Answer {
        ask(host, put("/patchProfile").json(body).token(token))
    }

    #[test]
    fn refuses_unknown_fields_first() {
        let (host, token) = with_ann();
        for field in ["userId", "_id", "emailId", "$set", "firstname", ""] {
            let answer = change(&host, &token, &json!({ field: "x", "about": null, "age": {} }));
            assert_eq!(answer.status, 400, "{field}");
            assert_eq!(answer.json(), json!({ "message": "Update not allowed" }));
        }
        let form = put("/patchProfile").form(&[("userId", "x")], None).token(&token);
        assert_eq!(ask(&host, form).message(), "Update not allowed");
        let form = put("/patchProfile").form(&[], Some(("avatar", "a.png", b"x"))).token(&token);
        assert_eq!(ask(&host, form).message(), "Update not allowed");
    }

    #[test]
    fn names_what_is_missing_in_order() {
        let host = host();
        host.insert(&PROFILES, &fresh());
        let token = host.log_in(ANN);
        for (body, missing) in [
            (json!({}), "about, gender, age"),
            (json!({ "age": 30, "gender": "" }), "about, gender"),
            (json!({ "lastName": null, "about": " ", "gender": "male" }), "lastName, about, age"),
            (
                json!({ "age": null, "gender": null, "about": null, "lastName": "", "firstName": "" }),
                "firstName, lastName, about, gender, age",
            ),
            // Before what is wrong.
            (json!({ "firstName": {}, "about": "x", "gender": 1 }), "age"),
        ] {
            let answer = change(&host, &token, &body);
            assert_eq!(answer.status, 400);
            let message = format!("Missing required fields: {missing}");
            assert_eq!(answer.json(), json!({ "message": message }), "{body}");
        }
        // A field that is stored but emptied is missing too.
        assert_eq!(change(&host, &token, &edit()).status, 200);
        let emptied = change(&host, &token, &json!({ "about": "" }));
        assert_eq!(emptied.message(), "Missing required fields: about");
    }

    #[test]
    fn names_what_is_wrong() {
        let (host, token) = with_ann();
        let names = "must be 2 to 100 characters long";
        let gender = "gender must be one of male, female, other, Male, Female";
        let age = "age must be a whole number from 0 to 150";
        for (field, value, message) in [
            ("firstName", json!({"$ne": 1}), "firstName must be a string".to_owned()),
            ("lastName", json!(["x"]), "lastName must be a string".to_owned()),
            ("firstName", json!(" A "), format!("firstName {names}")),
            ("lastName", json!("x".repeat(101)), format!("lastName {names}")),
            ("about", json!(1), "about must be a string".to_owned()),
            (
                "about",
                json!("é".repeat(751)),
                "about must be at most 750 characters long".to_owned(),
            ),
            ("gender", json!("MALE"), gender.to_owned()),
            ("gender", json!(true), "gender must be a string".to_owned()),
            ("age", json!(-1), age.to_owned()),
            ("age", json!(151), age.to_owned()),
            ("age", json!(30.5), age.to_owned()),
            ("age", json!("thirty"), age.to_owned()),
            ("age", json!("NaN"), age.to_owned()),
            ("age", json!([30]), age.to_owned()),
            ("age", json!({}), age.to_owned()),
            ("age", json!(true), age.to_owned()),
        ] {
            let answer = change(&host, &token, &json!({ field: value }));
            assert_eq!(answer.status, 400, "{field} {value}");
            assert_eq!(answer.json(), json!({ "message": message }), "{field} {value}");
        }
        assert_eq!(only(&host).about.as_deref(), Some("Hello"));
    }

    #[test]
    fn takes_what_is_right() {
        let (host, token) = with_ann();
        for (value, years) in [
            (json!(0), 0),
            (json!(150), 150),
            (json!(30.0), 30),
            (json!("42"), 42),
            (json!(" 42 "), 42),
            (json!("42.0"), 42),
        ] {
            let answer = change(&host, &token, &json!({ "age": value }));
            assert_eq!(answer.json().pointer("/data/age").unwrap(), &json!(years), "{value}");
        }
        for gender in GENDERS {
            let answer = change(&host, &token, &json!({ "gender": gender }));
            assert_eq!(answer.json().pointer("/data/gender").unwrap(), gender);
        }
        let body = json!({ "about": "é".repeat(750), "firstName": " Jo ", "profilePic": "" });
        assert_eq!(change(&host, &token, &body).status, 200);
        assert_eq!(only(&host).first_name.as_deref(), Some("Jo"));
        assert_eq!(only(&host).profile_pic, None);
    }

    #[test]
    fn reads_forms_as_well() {
        let (host, token) = with_ann();
        let texts = [("firstName", "Anna"), ("age", "44"), ("about", "über")];
        let answer = ask(&host, put("/patchProfile").form(&texts, None).token(&token));
        assert_eq!(answer.status, 200, "{}", answer.message());
        let profile = only(&host);
        assert_eq!(profile.first_name.as_deref(), Some("Anna"));
        assert_eq!(profile.age, Some(44.into()));
        let twice = put("/patchProfile").form(&[("age", "1"), ("age", "2")], None).token(&token);
        let answer = ask(&host, twice);
        assert_eq!(
            (answer.status.as_u16(), answer.message().as_str()),
            (400, "age must be given only once")
        );
        for (content_type, body) in [
            ("multipart/form-data", "x"),
            ("multipart/form-data; boundary=b", "--b\r\nbroken"),
            ("application/json", "{"),
            ("application/json", "[1]"),
        ] {
            let request = put("/patchProfile").body(content_type, body).token(&token);
            let answer = ask(&host, request);
            assert_eq!(answer.status, 400, "{content_type}");
            assert!(!answer.message().is_empty());
        }
    }

    #[test]
    fn bounds_the_body() {
        let (host, token) = with_ann();
        let large = json!({ "about": "x".repeat(MAX_JSON_BYTES) });
        assert_eq!(change(&host, &token, &large).status, 413);
        // What other routes refuse is within this one's bound.
        let body = json!({ "about": "x".repeat(1024 * 1024) });
        assert_eq!(change(&host, &token, &body).status, 400);
    }
}
