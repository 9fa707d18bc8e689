//! Reading: filters, order, limits, projections.

use std::{sync::Arc, time::Instant};

use bson::{Bson, Document, doc};
use pingtalk_capabilities::documents::{
    Direction::{Ascending, Descending},
    DocumentError, DocumentsBackend, Filter, MAX_FIND_BYTES, Query, Test, Value,
};

use super::fixture::{
    DATABASE, Fixture, INDEXED, PLAIN, all, by_id, eq, is, open, soon, sort, transaction, value,
};

/// A store whose two collections hold the same documents: without and with indexes.
pub(super) async fn both(backend: &Arc<dyn DocumentsBackend>, documents: &[Document]) -> Fixture {
    let store = open(backend).await;
    store.insert(PLAIN, documents).await;
    store.insert(INDEXED, documents).await;
    store
}

/// Both collections must answer alike.
async fn ids(store: &Fixture, filter: Filter) -> Vec<i32> {
    let plain = store.ids(PLAIN, filter.clone()).await;
    assert_eq!(store.ids(INDEXED, filter.clone()).await, plain, "{filter:?}");
    plain
}

pub(super) async fn matching(store: &Fixture, path: &str, test: Test) -> Vec<i32> {
    ids(store, all(vec![is(path, test)])).await
}

/// A test on an array passes when an element or the whole does.
pub async fn equality_reaches_into_arrays(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "l": [1, 2]},
            doc! {"_id": 2, "l": 1},
            doc! {"_id": 3, "l": [2, 3]},
            doc! {"_id": 4, "l": []},
            doc! {"_id": 5, "l": ["1"]},
        ],
    )
    .await;
    let equal = |to: Bson| matching(&store, "l", Test::Eq(value(to)));
    assert_eq!(equal(1.into()).await, [1, 2]);
    assert_eq!(equal(vec![Bson::from(1), Bson::from(2)].into()).await, [1]);
    assert_eq!(equal(Bson::Array(vec![])).await, [4]);
    assert_eq!(equal("1".into()).await, [5]);
    assert_eq!(matching(&store, "l", Test::Ne(Value::Int32(1))).await, [3, 4, 5]);
    assert_eq!(matching(&store, "l.0", Test::Eq(Value::Int32(1))).await, [1]);
    assert_eq!(matching(&store, "l.1", Test::Eq(Value::Int32(3))).await, [3]);
}

/// A missing field equals null, and null counts as present.
pub async fn missing_equals_null(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1},
            doc! {"_id": 2, "n": null, "d": {}},
            doc! {"_id": 3, "n": 0, "d": {"x": 1}},
            doc! {"_id": 4, "n": [null], "d": [{"x": null}, {"x": 2}]},
        ],
    )
    .await;
    assert_eq!(matching(&store, "n", Test::Eq(Value::Null)).await, [1, 2, 4]);
    assert_eq!(matching(&store, "n", Test::Ne(Value::Null)).await, [3]);
    assert_eq!(
        matching(&store, "n", Test::OneOf(vec![Value::Null, Value::Int32(0)])).await,
        [1, 2, 3, 4]
    );
    assert_eq!(matching(&store, "n", Test::Present(true)).await, [2, 3, 4]);
    assert_eq!(matching(&store, "n", Test::Present(false)).await, [1]);
    assert_eq!(matching(&store, "d.x", Test::Eq(Value::Null)).await, [1, 2, 4]);
    assert_eq!(matching(&store, "o", Test::Eq(Value::Null)).await, [1, 2, 3, 4]);
}

/// All numbers are one kind, compared exactly.
pub async fn numbers_compare_whatever_their_type(backend: Arc<dyn DocumentsBackend>) {
    let beyond = (1_i64 << 53) + 1;
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "n": 5},
            doc! {"_id": 2, "n": 5_i64},
            doc! {"_id": 3, "n": 5.0},
            doc! {"_id": 4, "n": 5.5},
            doc! {"_id": 5, "n": beyond},
            doc! {"_id": 6, "n": (beyond - 1) as f64},
            doc! {"_id": 7, "n": "5"},
            doc! {"_id": 8, "n": -0.0},
        ],
    )
    .await;
    for five in [Value::Int32(5), Value::Int64(5), Value::Double(5.0)] {
        assert_eq!(matching(&store, "n", Test::Eq(five.clone())).await, [1, 2, 3]);
        assert_eq!(matching(&store, "n", Test::Gt(five)).await, [4, 5, 6]);
    }
    assert_eq!(matching(&store, "n", Test::Eq(Value::Int64(beyond))).await, [5]);
    assert_eq!(matching(&store, "n", Test::Lt(Value::Int64(beyond))).await, [1, 2, 3, 4, 6, 8]);
    assert_eq!(matching(&store, "n", Test::Eq(Value::Int32(0))).await, [8]);
}

/// Less and greater compare values of one kind only, for arrays by any element.
pub async fn order_tests_compare_one_kind(backend: Arc<dyn DocumentsBackend>) {
    let date = bson::DateTime::from_millis;
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "n": 1, "s": "a", "l": [1, 9]},
            doc! {"_id": 2, "n": 2, "s": "b", "l": [5]},
            doc! {"_id": 3, "n": date(1), "s": "ab", "l": []},
            doc! {"_id": 4, "n": date(2), "s": "", "l": ["x", 3]},
            doc! {"_id": 5, "n": null},
        ],
    )
    .await;
    assert_eq!(matching(&store, "n", Test::Gt(Value::Int32(1))).await, [2]);
    assert_eq!(matching(&store, "n", Test::Gte(Value::Int32(1))).await, [1, 2]);
    assert_eq!(matching(&store, "n", Test::Lt(Value::Int32(9))).await, [1, 2]);
    assert_eq!(matching(&store, "n", Test::Lte(Value::Date(1))).await, [3]);
    assert_eq!(matching(&store, "n", Test::Gt(Value::Date(0))).await, [3, 4]);
    assert_eq!(matching(&store, "s", Test::Gt(value("a"))).await, [2, 3]);
    assert_eq!(matching(&store, "s", Test::Lte(value("a"))).await, [1, 4]);
    assert_eq!(matching(&store, "l", Test::Gt(Value::Int32(5))).await, [1]);
    let between = vec![is("l", Test::Gt(Value::Int32(4))), is("l", Test::Lt(Value::Int32(2)))];
    assert_eq!(ids(&store, all(between)).await, [1], "by two different elements");
    let between = vec![is("n", Test::Gte(Value::Int32(1))), is("n", Test::Lt(Value::Int32(2)))];
    assert_eq!(ids(&store, all(between)).await, [1]);
}

/// One of, present, size.
pub async fn lists_presence_and_sizes(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "s": "a", "l": [1, 2], "o": 1},
            doc! {"_id": 2, "s": "b", "l": [3]},
            doc! {"_id": 3, "s": ["c", "a"], "l": [], "o": null},
            doc! {"_id": 4},
        ],
    )
    .await;
    let one_of = |values: &[&str]| Test::OneOf(values.iter().map(|it| value(*it)).collect());
    assert_eq!(matching(&store, "s", one_of(&["a", "b", "z"])).await, [1, 2, 3]);
    assert_eq!(matching(&store, "s", one_of(&["b"])).await, [2]);
    assert_eq!(matching(&store, "s", one_of(&[])).await, [0; 0]);
    assert_eq!(matching(&store, "o", Test::Present(true)).await, [1, 3]);
    assert_eq!(matching(&store, "o", Test::Present(false)).await, [2, 4]);
    assert_eq!(matching(&store, "l", Test::Size(2)).await, [1]);
    assert_eq!(matching(&store, "l", Test::Size(0)).await, [3]);
    assert_eq!(matching(&store, "s", Test::Size(1)).await, [0; 0]);
}

/// No alternative matches nothing, an empty one everything; each document comes once.
pub async fn any_of_all_of(backend: Arc<dyn DocumentsBackend>) {
    let documents: Vec<_> = (1..=6)
        .map(|at| doc! {"_id": at, "n": at % 3, "s": if at > 3 { "x" } else { "y" }})
        .collect();
    let store = both(&backend, &documents).await;
    assert_eq!(ids(&store, Filter::default()).await, [0; 0]);
    assert_eq!(ids(&store, all(vec![])).await, [1, 2, 3, 4, 5, 6]);
    let either = Filter { any_of: vec![vec![eq("n", 1)], vec![eq("s", "x")]] };
    assert_eq!(ids(&store, either).await, [1, 4, 5, 6]);
    let one = Filter { any_of: vec![vec![eq("n", 1), eq("s", "x")], vec![eq("_id", 2)]] };
    assert_eq!(ids(&store, one).await, [2, 4]);
    let everything = Filter { any_of: vec![vec![eq("n", 1)], vec![]] };
    assert_eq!(ids(&store, everything).await, [1, 2, 3, 4, 5, 6]);
}

/// Dots go into documents, and to arrays in them.
pub async fn paths_reach_nested_fields(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "d": {"x": 1}},
            doc! {"_id": 3, "d": {"x": [2, 3]}},
            doc! {"_id": 4, "d": 1},
            doc! {"_id": 5, "d": {"x": {"y": 2}}},
        ],
    )
    .await;
    let x = |to: i32| matching(&store, "d.x", Test::Eq(Value::Int32(to)));
    assert_eq!(x(1).await, [1]);
    assert_eq!(x(2).await, [3]);
    assert_eq!(matching(&store, "d.x", Test::Eq(value(doc! {"y": 2}))).await, [5]);
    assert_eq!(matching(&store, "d", Test::Eq(value(doc! {"x": 1}))).await, [1]);
}

/// null and missing, numbers, text, documents, ids, booleans, dates; of an array its smallest or
/// greatest element.
pub async fn sorting_follows_the_order_of_types(backend: Arc<dyn DocumentsBackend>) {
    let mut documents = vec![
        doc! {"_id": 1, "n": bson::DateTime::from_millis(5)},
        doc! {"_id": 2, "n": true},
        doc! {"_id": 3, "n": bson::oid::ObjectId::new()},
        doc! {"_id": 4, "n": {"a": 1}},
        doc! {"_id": 5, "n": "text"},
        doc! {"_id": 6, "n": 7.5},
        doc! {"_id": 7, "n": -3},
        doc! {"_id": 8},
    ];
    let store = both(&backend, &documents).await;
    for collection in [PLAIN, INDEXED] {
        let up = store.sorted(collection, vec![sort("n", Ascending)]).await;
        assert_eq!(up, [8, 7, 6, 5, 4, 3, 2, 1]);
        let down = store.sorted(collection, vec![sort("n", Descending)]).await;
        assert_eq!(down, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
    documents = vec![doc! {"_id": 9, "n": [-9, "zebra"]}];
    store.insert(PLAIN, &documents).await;
    store.insert(INDEXED, &documents).await;
    for collection in [PLAIN, INDEXED] {
        let up = store.sorted(collection, vec![sort("n", Ascending)]).await;
        assert_eq!(up, [8, 9, 7, 6, 5, 4, 3, 2, 1], "{collection}: by -9");
        let down = store.sorted(collection, vec![sort("n", Descending)]).await;
        assert_eq!(down, [1, 2, 3, 4, 9, 5, 6, 7, 8], "{collection}: by zebra");
    }
}

/// Several keys compare in turn, each in its direction.
pub async fn sorting_takes_several_keys(backend: Arc<dyn DocumentsBackend>) {
    let store = both(
        &backend,
        &[
            doc! {"_id": 1, "s": "b", "n": 1},
            doc! {"_id": 2, "s": "a", "n": 2},
            doc! {"_id": 3, "s": "b", "n": 3},
            doc! {"_id": 4, "s": "a", "n": 1},
        ],
    )
    .await;
    for collection in [PLAIN, INDEXED] {
        let by = |keys| store.sorted(collection, keys);
        assert_eq!(by(vec![sort("s", Ascending), sort("n", Ascending)]).await, [4, 2, 1, 3]);
        assert_eq!(by(vec![sort("s", Descending), sort("n", Descending)]).await, [3, 1, 2, 4]);
        assert_eq!(by(vec![sort("s", Ascending), sort("n", Descending)]).await, [2, 4, 3, 1]);
        assert_eq!(by(vec![sort("n", Ascending), sort("_id", Descending)]).await, [4, 1, 2, 3]);
    }
}

/// The limit cuts after sorting; a first match heeds the order and no limit.
pub async fn limits_and_first_matches(backend: Arc<dyn DocumentsBackend>) {
    let documents: Vec<_> =
        (0..40).map(|at| doc! {"_id": at, "n": (at * 7) % 40, "s": "same"}).collect();
    let store = both(&backend, &documents).await;
    for collection in [PLAIN, INDEXED] {
        let query = Query {
            filter: all(vec![eq("s", "same")]),
            sort: vec![sort("n", Descending)],
            limit: 3,
            ..Query::default()
        };
        let found = store.find(collection, query.clone()).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|it| it.get_i32("n").unwrap()).collect();
        assert_eq!(numbers, [39, 38, 37]);
        let query = Query { limit: 0, ..query };
        let first = store.0.documents.find_one(DATABASE, collection, query, soon()).await.unwrap();
        assert_eq!(super::fixture::parse(&first.unwrap()).get_i32("n").unwrap(), 39);
    }
    assert_eq!(store.get(PLAIN, 99).await, None);
}

/// Projections keep `_id` and the order of the fields.
pub async fn projections_leave_out(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let whole = doc! {"_id": 1, "a": 1, "file": {"data": "xxx", "size": 3}, "l": [{"p": 1, "q": 2}], "z": 9};
    store.insert(PLAIN, &[whole]).await;
    let project = async |include: &[&str], exclude: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let (include, exclude) = (own(include), own(exclude));
        let query = Query { filter: by_id(1), limit: 1, include, exclude, ..Query::default() };
        store.find(PLAIN, query).await.map(|mut found| found.remove(0))
    };
    assert_eq!(
        project(&[], &["file.data"]).await,
        Ok(doc! {"_id": 1, "a": 1, "file": {"size": 3}, "l": [{"p": 1, "q": 2}], "z": 9})
    );
    assert_eq!(
        project(&["z", "file.size"], &[]).await,
        Ok(doc! {"_id": 1, "file": {"size": 3}, "z": 9})
    );
    assert_eq!(project(&["l.q"], &[]).await, Ok(doc! {"_id": 1, "l": [{"q": 2}]}));
    assert_eq!(
        project(&[], &["l.p", "file", "a"]).await,
        Ok(doc! {"_id": 1, "l": [{"q": 2}], "z": 9})
    );
    assert_eq!(project(&["absent"], &[]).await, Ok(doc! {"_id": 1}));
    assert!(matches!(project(&["a"], &["z"]).await, Err(DocumentError::Invalid(_))));
}

/// Counting stops at the limit.
pub async fn counts_to_a_limit(backend: Arc<dyn DocumentsBackend>) {
    let documents: Vec<_> = (0..30).map(|at| doc! {"_id": at, "n": at % 2}).collect();
    let store = both(&backend, &documents).await;
    for collection in [PLAIN, INDEXED] {
        let count = async |filter, limit| {
            store.0.documents.count(DATABASE, collection, filter, limit, soon()).await.unwrap()
        };
        assert_eq!(count(all(vec![eq("n", 1)]), 1_000).await, 15);
        assert_eq!(count(all(vec![eq("n", 1)]), 4).await, 4);
        assert_eq!(count(all(vec![]), 1_000).await, 30);
        assert_eq!(count(Filter::default(), 9).await, 0);
    }
}

/// Limits out of bounds and paths that could be operators are the caller's fault.
pub async fn bad_queries_are_invalid(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let find = |query| store.find(PLAIN, query);
    for limit in [0, 1_001] {
        let query = Query { filter: all(vec![]), limit, ..Query::default() };
        assert!(matches!(find(query).await, Err(DocumentError::Invalid(_))), "{limit}");
    }
    for path in ["", "$where", "a.$gt", "a..b", ".a", "a.", "a\0b"] {
        let filter = all(vec![eq(path, 1)]);
        let query = Query { filter, limit: 1, ..Query::default() };
        assert!(matches!(find(query).await, Err(DocumentError::Invalid(_))), "{path:?}");
        let sort = vec![sort(path, Ascending)];
        let query = Query { filter: all(vec![]), sort, limit: 1, ..Query::default() };
        assert!(matches!(find(query).await, Err(DocumentError::Invalid(_))), "{path:?}");
        let exclude = vec![path.to_owned()];
        let query = Query { filter: all(vec![]), exclude, limit: 1, ..Query::default() };
        assert!(matches!(find(query).await, Err(DocumentError::Invalid(_))), "{path:?}");
    }
    let broken = Value::Document(bytes::Bytes::from_static(b"\x09\0\0\0nonsense"));
    let query =
        Query { filter: all(vec![is("a", Test::Eq(broken))]), limit: 1, ..Query::default() };
    assert!(matches!(find(query).await, Err(DocumentError::Invalid(_))));
}

/// Every kind of value comes back as it was, and is found by itself.
pub async fn types_survive(backend: Arc<dyn DocumentsBackend>) {
    let values: Vec<Bson> = vec![
        Bson::Null,
        true.into(),
        i32::MIN.into(),
        i64::MAX.into(),
        f64::MIN_POSITIVE.into(),
        "ünï\u{1F600}code".into(),
        bson::oid::ObjectId::new().into(),
        bson::DateTime::from_millis(-1).into(),
        doc! {"nested": {"deep": [1, "two", {"three": 3.0}]}}.into(),
        vec![Bson::from(1), Bson::Null, doc! {}.into()].into(),
    ];
    let document = |(at, it): (usize, &Bson)| doc! {"_id": at as i32, "n": it.clone()};
    let documents: Vec<_> = values.iter().enumerate().map(document).collect();
    let store = both(&backend, &documents).await;
    for (at, it) in values.iter().enumerate() {
        let at = at as i32;
        assert_eq!(store.get(PLAIN, at).await, Some(doc! {"_id": at, "n": it.clone()}));
        assert!(matching(&store, "n", Test::Eq(value(it.clone()))).await.contains(&at), "{it:?}");
    }
}

/// 5 MB of file come back; over 16 MiB is refused.
pub async fn large_documents_survive(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let data = "R0lGODlh".repeat(7 * 1024 * 1024 / 8);
    let document = doc! {"_id": 1, "n": 1, "file": {"data": data, "size": 5}};
    store.insert(PLAIN, std::slice::from_ref(&document)).await;
    assert_eq!(store.get(PLAIN, 1).await, Some(document));
    let exclude = vec!["file.data".to_owned()];
    let query = Query { filter: by_id(1), limit: 1, exclude, ..Query::default() };
    let small = store.find(PLAIN, query).await.unwrap();
    assert_eq!(small, [doc! {"_id": 1, "n": 1, "file": {"size": 5}}]);
    let huge = doc! {"_id": 2, "data": "x".repeat(16 * 1024 * 1024)};
    let refused = store.commit(vec![super::fixture::insert(PLAIN, &huge)]).await;
    assert!(matches!(refused, Err(DocumentError::Invalid(_))), "{:?}", refused.err());
}

/// What would go beyond the bound in bytes is left out, from the end.
pub async fn an_answer_has_at_most_32_mib(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let data = "x".repeat(9 * 1024 * 1024);
    for at in 0..5 {
        store.insert(PLAIN, &[doc! {"_id": at, "data": data.clone()}]).await;
    }
    let sort = vec![sort("_id", Descending)];
    let query = Query { filter: all(vec![]), sort, limit: 10, ..Query::default() };
    let found = store.find(PLAIN, query.clone()).await.unwrap();
    let ids: Vec<_> = found.iter().map(|it| it.get_i32("_id").unwrap()).collect();
    assert_eq!(ids, [4, 3, 2]);
    assert!(found.len() * data.len() <= MAX_FIND_BYTES);
    let query = Query { exclude: vec!["data".to_owned()], ..query };
    assert_eq!(store.find(PLAIN, query).await.unwrap().len(), 5);
}

/// A call whose deadline has passed says so.
pub async fn late_calls_are_told_so(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await.0;
    let now = Instant::now();
    let query = Query { filter: all(vec![]), limit: 1, ..Query::default() };
    let found = store.documents.find(DATABASE, PLAIN, query.clone(), now).await;
    assert_eq!(found, Err(DocumentError::DeadlineExceeded));
    let found = store.documents.find_one(DATABASE, PLAIN, query, now).await;
    assert_eq!(found, Err(DocumentError::DeadlineExceeded));
    let counted = store.documents.count(DATABASE, PLAIN, all(vec![]), 1, now).await;
    assert_eq!(counted, Err(DocumentError::DeadlineExceeded));
    let insert = super::fixture::insert(PLAIN, &doc! {"_id": 1});
    let committed = store.documents.commit(transaction(vec![insert], vec![]), now).await;
    assert_eq!(committed, Err(DocumentError::DeadlineExceeded));
}
