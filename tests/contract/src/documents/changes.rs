//! Changes to a document's fields.

use std::sync::Arc;

use bson::{Bson, doc};
use pingtalk_capabilities::documents::{Change, DocumentError, DocumentsBackend, Value};

use super::fixture::{PLAIN, by_id, open, set, update, value};

fn unset(path: &str) -> Change {
    Change::Unset(path.to_owned())
}

/// Fields are replaced where they stand; new ones come last, with the documents on their way.
pub async fn fields_are_set_and_removed(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store
        .insert(PLAIN, &[doc! {"_id": 1, "a": 1, "d": {"x": 1, "y": 2}, "l": [1, 2], "z": 0}])
        .await;
    let after = store.change(1, vec![set("a", "one"), set("d.x", Bson::Null), set("l.1", 9)]).await;
    assert_eq!(after, doc! {"_id": 1, "a": "one", "d": {"x": null, "y": 2}, "l": [1, 9], "z": 0});
    let after = store.change(1, vec![set("new.deep.er", true)]).await;
    let last = after.iter().last().unwrap();
    assert_eq!(last, (&"new".to_owned(), &Bson::from(doc! {"deep": {"er": true}})));
    let after =
        store.change(1, vec![unset("d.x"), unset("absent"), unset("z"), unset("new")]).await;
    assert_eq!(after, doc! {"_id": 1, "a": "one", "d": {"y": 2}, "l": [1, 9]});
    let after = store.change(1, vec![set("_id", 1), set("d", doc! {"fresh": [1]})]).await;
    assert_eq!(after, doc! {"_id": 1, "a": "one", "d": {"fresh": [1]}, "l": [1, 9]});
    let after = store.change(1, vec![Change::SetOnInsert("s".into(), Value::Int32(1))]).await;
    assert!(!after.contains_key("s"));
}

/// Increments add to any number and start at 0; max raises and never lowers.
pub async fn numbers_grow(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "i": 1, "l": 5_i64, "d": 1.5, "top": i32::MAX}]).await;
    let add = |path: &str, by| Change::Increment(path.to_owned(), by);
    let after = store
        .change(1, vec![add("i", 2), add("l", -6), add("d", 1), add("fresh", 7), add("top", 1)])
        .await;
    let number = |path: &str| match after.get(path) {
        Some(Bson::Int32(it)) => f64::from(*it),
        Some(Bson::Int64(it)) => *it as f64,
        Some(Bson::Double(it)) => *it,
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(number("i"), 3.0);
    assert_eq!(number("l"), -1.0);
    assert_eq!(number("d"), 2.5);
    assert_eq!(number("fresh"), 7.0);
    assert_eq!(number("top"), 2_147_483_648.0);
    let max = |path: &str, to: Bson| Change::Max(path.to_owned(), value(to));
    let date = bson::DateTime::from_millis;
    let after = store.change(1, vec![max("i", 10.into()), max("at", date(5).into())]).await;
    assert_eq!(
        (after.get("i"), after.get("at")),
        (Some(&Bson::from(10)), Some(&Bson::from(date(5))))
    );
    let after = store.change(1, vec![max("i", 9.into()), max("at", date(4).into())]).await;
    assert_eq!(
        (after.get("i"), after.get("at")),
        (Some(&Bson::from(10)), Some(&Bson::from(date(5))))
    );
}

/// Push appends, add-to-set appends what is not there, pull removes what is equal.
pub async fn arrays_change(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "l": [1, "x", 1]}]).await;
    let push = |to: Bson| Change::Push("l".to_owned(), value(to));
    let add = |to: Bson| Change::AddToSet("l".to_owned(), value(to));
    let pull = |to: Bson| Change::Pull("l".to_owned(), value(to));
    let steps: Vec<(Change, Vec<Bson>)> = vec![
        (push(1.into()), vec![1.into(), "x".into(), 1.into(), 1.into()]),
        (add("x".into()), vec![1.into(), "x".into(), 1.into(), 1.into()]),
        (add(2.into()), vec![1.into(), "x".into(), 1.into(), 1.into(), 2.into()]),
        (pull(1.into()), vec!["x".into(), 2.into()]),
        (pull("absent".into()), vec!["x".into(), 2.into()]),
        (push(doc! {"a": 1}.into()), vec!["x".into(), 2.into(), doc! {"a": 1}.into()]),
        (add(doc! {"a": 1}.into()), vec!["x".into(), 2.into(), doc! {"a": 1}.into()]),
        (add(2.0.into()), vec!["x".into(), 2.into(), doc! {"a": 1}.into()]),
    ];
    for (change, expected) in steps {
        let label = format!("{change:?}");
        let after = store.change(1, vec![change]).await;
        assert_eq!(after.get("l"), Some(&Bson::from(expected)), "{label}");
    }
    let fresh = vec![
        Change::Push("p".to_owned(), Value::Int32(1)),
        Change::AddToSet("q".to_owned(), Value::Int32(1)),
        Change::Pull("r".to_owned(), Value::Int32(1)),
    ];
    let after = store.change(1, fresh).await;
    let one = Bson::from(vec![Bson::from(1)]);
    assert_eq!((after.get("p"), after.get("q")), (Some(&one), Some(&one)));
    assert!(!after.contains_key("r"));
}

/// What no change names keeps its type, its value and its place.
pub async fn untouched_fields_stay_as_they_are(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let before = doc! {
        "_id": 1, "z": 1.0, "a": 1_i64, "m": {"b": 1, "a": [null, {"q": -1.5}]},
        "n": 1, "t": bson::Timestamp { time: 1, increment: 2 },
        "bin": bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![7; 16] },
    };
    store.insert(PLAIN, std::slice::from_ref(&before)).await;
    let after = store.change(1, vec![set("n", 2)]).await;
    let mut expected = before;
    expected.insert("n", 2);
    assert_eq!(after.to_vec().unwrap(), expected.to_vec().unwrap());
}

/// A change that can't be made refuses the commit.
pub async fn impossible_changes_are_invalid(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let before = doc! {"_id": 1, "text": "x", "big": i64::MAX, "l": [1], "n": 1};
    store.insert(PLAIN, std::slice::from_ref(&before)).await;
    let one = || Value::Int32(1);
    let impossible: Vec<Vec<Change>> = vec![
        vec![Change::Increment("text".into(), 1)],
        vec![Change::Increment("big".into(), 1)],
        vec![Change::Push("text".into(), one())],
        vec![Change::AddToSet("text".into(), one())],
        vec![Change::Pull("text".into(), one())],
        vec![set("text.deeper", 1)],
        vec![set("l.name", 1)],
        vec![set("_id", 2)],
        vec![unset("_id")],
        vec![set("n", 5), Change::Increment("n".into(), 1)],
        vec![set("d", doc! {}), set("d.x", 1)],
        vec![set("", 1)],
        vec![set("a.$", 1)],
    ];
    for changes in impossible {
        let label = format!("{changes:?}");
        let result = store.commit(vec![update(PLAIN, by_id(1), changes)]).await;
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{label}: {result:?}");
    }
    assert_eq!(store.get(PLAIN, 1).await, Some(before));
}
