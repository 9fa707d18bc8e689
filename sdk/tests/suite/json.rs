//! One struct, two forms: ObjectIds and Dates in documents, hex and ISO text in JSON.

use pingtalk_sdk::{documents::Value, fake::Host, prelude::*};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thing {
    #[serde(rename = "_id")]
    id: Id,
    owners: Vec<Id>,
    at: Date,
    note: Option<String>,
}

static THINGS: Collection<Thing> = Collection::new("testDB", "things");

fn thing(host: &Host) -> Thing {
    let at = Date::from_millis(1_709_164_800_123);
    Thing { id: host.new_id(), owners: vec![host.new_id(), host.new_id()], at, note: None }
}

#[test]
fn json_has_hex_and_iso_text() {
    let thing = thing(&Host::new());
    let json = serde_json(&thing);
    assert_eq!(json["_id"], thing.id.to_string());
    assert_eq!(json["owners"][1], thing.owners[1].to_string());
    assert_eq!(json["at"], "2024-02-29T00:00:00.123Z");
    let back: Thing = pingtalk_sdk::serde_json::from_value(json).unwrap();
    assert_eq!(back, thing);
}

fn serde_json(thing: &Thing) -> pingtalk_sdk::serde_json::Value {
    pingtalk_sdk::serde_json::to_value(thing).unwrap()
}

#[test]
fn documents_have_object_ids_and_dates() {
    let thing = thing(&Host::new());
    let document = THINGS.encode(&thing).unwrap();
    // BSON (bsonspec.org 1.1): type 0x07 is an ObjectId, 0x09 a UTC datetime.
    let mut id = vec![0x07];
    id.extend(b"_id\0");
    id.extend(thing.id.bytes());
    assert!(document.windows(id.len()).any(|window| window == id));
    let mut at = vec![0x09];
    at.extend(b"at\0");
    at.extend(thing.at.millis().to_le_bytes());
    assert!(document.windows(at.len()).any(|window| window == at));
    assert_eq!(THINGS.decode(&document).unwrap(), thing);
}

#[test]
fn a_document_of_another_shape_is_an_error_not_a_panic() {
    assert!(THINGS.decode(b"not bson").is_err());
    assert!(THINGS.decode(&[5, 0, 0, 0, 0]).is_err());
}

#[test]
fn any_struct_is_a_value() {
    let thing = thing(&Host::new());
    assert!(matches!(Value::of(&thing).unwrap(), Value::Document(_)));
    assert!(matches!(Value::of(&thing.owners).unwrap(), Value::Array(_)));
    assert_eq!(Value::of(&thing.id).unwrap(), Value::Id(thing.id));
    assert_eq!(Value::of(&thing.note).unwrap(), Value::Null);
    assert_eq!(Value::of(&thing.owners).unwrap(), Value::from(thing.owners));
}

#[test]
fn ids_are_24_hex_digits_and_nothing_else() {
    let upper = "0123456789ABCDEF01234567";
    assert_eq!(Id::parse(upper).unwrap().to_string(), upper.to_lowercase());
    for text in
        ["", "0123456789abcdef0123456", "0123456789abcdef0123456g", "0123456789abcdef012345678"]
    {
        assert_eq!(Id::parse(text), None, "{text}");
    }
    let host = Host::new();
    assert_ne!(host.new_id(), host.new_id());
}
