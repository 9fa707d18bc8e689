//! What MongoDB does to the letter and a stand-in for it in tests (FerretDB) does not: data it
//! refuses or alters, paths through arrays, and unique indexes over arrays and missing fields. Every store that is meant
//! for use runs these.

use std::sync::Arc;

use bson::{Bson, doc};
use pingtalk_capabilities::documents::{DocumentError, DocumentsBackend, Test, Value};

use super::{
    fixture::{Fixture, INDEXED, PLAIN, all, collection, eq, index, insert, open, set, value},
    queries::{both, matching},
};
use crate::tenant;

/// An array in an array is one element; a position may be a number in a path.
pub async fn arrays_nest(backend: Arc<dyn DocumentsBackend>) {
    let store =
        both(&backend, &[doc! {"_id": 1, "l": [1, 2]}, doc! {"_id": 3, "l": [[1, 2], 3]}]).await;
    let equal = |to: Bson| matching(&store, "l", Test::Eq(value(to)));
    assert_eq!(equal(1.into()).await, [1]);
    assert_eq!(equal(vec![Bson::from(1), Bson::from(2)].into()).await, [1, 3]);
    assert_eq!(matching(&store, "l", Test::Ne(Value::Int32(1))).await, [3]);
    assert_eq!(matching(&store, "l.0", Test::Eq(Value::Int32(1))).await, [1, 3]);
    assert_eq!(matching(&store, "l.1", Test::Eq(Value::Int32(3))).await, [3]);
}

/// Dots go through arrays into their documents.
pub async fn paths_go_through_arrays(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "d": {"x": 1}},
            doc! {"_id": 2, "d": [{"x": 1}, {"x": 2}]},
            doc! {"_id": 3, "d": {"x": [2, 3]}},
        ],
    )
    .await;
    let x = |to: i32| matching(&store, "d.x", Test::Eq(Value::Int32(to)));
    assert_eq!(x(1).await, [1, 2]);
    assert_eq!(x(2).await, [2, 3]);
    assert_eq!(matching(&store, "d.1.x", Test::Eq(Value::Int32(2))).await, [2]);
    assert_eq!(matching(&store, "d", Test::Eq(value(doc! {"x": 1}))).await, [1, 2]);
}

/// A field whose name holds a dot is stored, and not what a path with a dot reaches.
pub async fn dots_in_names_are_no_paths(backend: Arc<dyn DocumentsBackend>) {
    let store =
        both(&backend, &[doc! {"_id": 1, "d": {"x": 1}}, doc! {"_id": 4, "d": 1, "d.x": 1}]).await;
    assert_eq!(matching(&store, "d.x", Test::Eq(Value::Int32(1))).await, [1]);
    assert_eq!(store.get(PLAIN, 4).await, Some(doc! {"_id": 4, "d": 1, "d.x": 1}));
}

/// Of a negative zero that no change names the sign stays.
pub async fn negative_zero_stays(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "z": -0.0, "n": 1}]).await;
    let after = store.change(1, vec![set("n", 2)]).await;
    assert!(after.get_f64("z").unwrap().is_sign_negative());
}

/// Two documents that lack a field agree on it.
pub async fn a_unique_index_sees_missing_fields_as_null(backend: Arc<dyn DocumentsBackend>) {
    let tenant = tenant();
    let one = collection("one", vec![index(&["a"], true, false)]);
    let store = Fixture(backend.open(&tenant, &[one]).await.unwrap());
    store.insert("one", &[doc! {"_id": 1}]).await;
    for second in [doc! {"_id": 2}, doc! {"_id": 2, "a": null}] {
        let result = store.commit(vec![insert("one", &second)]).await;
        assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    }
}

/// Of a unique field that holds arrays, no element may be in two documents, but twice in one.
pub async fn a_unique_array_belongs_to_one_document(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(INDEXED, &[doc! {"_id": 1, "u": ["a", "b", "a"]}]).await;
    for other in [doc! {"_id": 2, "u": "b"}, doc! {"_id": 2, "u": ["c", "a"]}] {
        let result = store.commit(vec![insert(INDEXED, &other)]).await;
        assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    }
    store.insert(INDEXED, &[doc! {"_id": 2, "u": ["c"]}]).await;
    assert_eq!(store.ids(INDEXED, all(vec![eq("u", "b")])).await, [1]);
}
