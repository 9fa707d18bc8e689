//! What this component's unit tests start from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use pingtalk_sdk::{
    documents::{Date, Id},
    fake::{Answer, Host, Request, block_on},
    serde_json::{Value, json},
};

use crate::profile::{PROFILES, Profile};

/// Ann's id.
pub(crate) const ANN: Id = Id::from_bytes([7; 12]);

/// A host with the manifest's index.
pub(crate) fn host() -> Host {
    let host = Host::new();
    host.unique("profileDB", "profiles", &["userId"]);
    host
}

pub(crate) fn ask(host: &Host, request: Request) -> Answer {
    host.request(&crate::routes(), request)
}

/// Ann's profile as it is right after sign-up.
pub(crate) fn fresh() -> Profile {
    Profile {
        id: Id::from_bytes([9; 12]),
        user_id: ANN,
        first_name: Some("Ann".to_owned()),
        last_name: Some("Lee".to_owned()),
        about: None,
        profile_pic: None,
        age: None,
        gender: None,
        created_at: Some(Date::from_millis(0)),
        updated_at: Some(Date::from_millis(0)),
    }
}

/// A host on which Ann has a profile without gaps, and her token.
pub(crate) fn with_ann() -> (Host, String) {
    let host = host();
    let about = Some("Hello".to_owned());
    let profile =
        Profile { about, age: Some(30.into()), gender: Some("female".to_owned()), ..fresh() };
    host.insert(&PROFILES, &profile);
    let token = host.log_in(ANN);
    (host, token)
}

/// The only profile on a host.
pub(crate) fn only(host: &Host) -> Profile {
    let mut all = host.documents(&PROFILES);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// A picture's bytes.
pub(crate) fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(60, 80, image::Rgb([9, 90, 200])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Changes Ann's profile behind the service's back, as another request does.
pub(crate) fn set(host: &Host, field: &str, value: &str) {
    use pingtalk_sdk::documents::{Changes, Transaction, eq};
    let changes = Changes::new().set(field, value);
    let change = Transaction::new().update(&PROFILES, eq("userId", ANN), changes);
    block_on(host.platform().commit(change)).unwrap();
}

/// What an edit of Ann's own words sends.
pub(crate) fn edit() -> Value {
    json!({ "firstName": "Anna", "lastName": "Li", "about": "Hi", "gender": "other", "age": 31 })
}
