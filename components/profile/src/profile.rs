//! A profile as it is stored in `profileDB.profiles`, cached, and answered.

use pingtalk_sdk::{
    Platform,
    documents::{Collection, Date, DocumentError, Id, eq},
    serde::{Deserialize, Deserializer, Serialize},
    serde_json::Number,
};

/// Profiles. The manifest declares the unique index on `userId`.
pub(crate) static PROFILES: Collection<Profile> = Collection::new("profileDB", "profiles");

/// One user's profile. Fields that were never set are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
pub(crate) struct Profile {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) user_id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile_pic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "number")]
    pub(crate) age: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<Date>,
}

/// JavaScript knows one kind of number, and may have stored 30 as a double: it goes out as 30.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    Ok(number.map(|number| match number.as_f64() {
        // Ages are far below 2^53, where every whole double is that integer.
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 1e15 => {
            Number::from(value as i64)
        }
        _ => number,
    }))
}

/// A user's profile from the store.
///
/// # Errors
/// Those of the store.
pub(crate) async fn stored(
    platform: &Platform,
    user: Id,
) -> Result<Option<Profile>, DocumentError> {
    platform.documents().find_one(&PROFILES, eq("userId", user)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pingtalk_sdk::{
        fake::{Host, block_on},
        serde_json::{self, json},
    };

    #[test]
    fn reads_what_the_original_wrote() {
        #[derive(Serialize)]
        #[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
        struct Original {
            #[serde(rename = "_id")]
            id: Id,
            user_id: Id,
            about: Option<String>,
            profile_pic: &'static str,
            age: f64,
            __v: i32,
            created_at: Date,
        }
        let host = Host::new();
        let id = host.new_id();
        for (age, expected) in [(30.0, json!(30)), (30.5, json!(30.5))] {
            let user = host.new_id();
            let original = Original {
                id: host.new_id(),
                user_id: user,
                about: None,
                profile_pic: "",
                age,
                __v: 0,
                created_at: Date::from_millis(1),
            };
            host.insert(&PROFILES.view(), &original);
            let profile = block_on(stored(&host.platform(), user)).unwrap().unwrap();
            let expected = json!({
                "_id": original.id,
                "userId": user,
                "profilePic": "",
                "age": expected,
                "createdAt": "1970-01-01T00:00:00.001Z",
            });
            assert_eq!(serde_json::to_value(&profile).unwrap(), expected);
            // And back, from the cache.
            assert_eq!(serde_json::from_value::<Profile>(expected).unwrap(), profile);
        }
        assert!(block_on(stored(&host.platform(), id)).unwrap().is_none());
    }
}
