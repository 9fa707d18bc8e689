//! The fake store's meaning, which is the WIT's.

use pingtalk_sdk::{
    documents::{
        Direction::{Ascending, Descending},
        DocumentError, Outcome, Sequence, Value, size,
    },
    fake::{Failure, Host, block_on},
    prelude::*,
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<Id>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<Inner>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Inner {
    x: i64,
}

static ROWS: Collection<Row> = Collection::new("testDB", "rows");

fn row(name: &str, n: Option<i64>, tags: &[&str]) -> Row {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Row { name: name.to_owned(), n, tags, ..Row::default() }
}

fn host() -> Host {
    let host = Host::new();
    host.unique("testDB", "rows", &["name"]);
    host.insert(&ROWS, &row("a", Some(1), &["x"]));
    host.insert(&ROWS, &row("b", Some(2), &["x", "y"]));
    host.insert(&ROWS, &row("c", None, &[]));
    host
}

fn names(host: &Host, query: impl Into<Query>) -> Vec<String> {
    let rows = block_on(host.platform().documents().find(&ROWS, query)).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

fn commit(host: &Host, transaction: Transaction) -> Result<Vec<Outcome>, DocumentError> {
    block_on(host.platform().commit(transaction)).map(|outcomes| outcomes.0)
}

#[test]
fn filters() {
    let host = host();
    let found = |filter: Filter| names(&host, filter.sort("name", Ascending)).join("");
    assert_eq!(found(eq("name", "a")), "a");
    assert_eq!(found(eq("tags", "x")), "ab", "any element");
    assert_eq!(found(ne("tags", "y")), "ac", "no element");
    assert_eq!(found(eq("n", Value::Null)), "c", "missing equals null");
    assert_eq!(found(gt("n", 1)), "b");
    assert_eq!(found(gte("n", 1.0)), "ab", "all numbers are one kind");
    assert_eq!(found(lt("n", "z")), "", "of another kind");
    assert_eq!(found(present("n", false)), "c");
    assert_eq!(found(present("n", true)), "ab");
    assert_eq!(found(one_of("name", ["a", "c"])), "ac");
    assert_eq!(found(size("tags", 2)), "b");
    assert_eq!(found(any([eq("name", "a"), all([eq("n", 2), eq("tags", "y")])])), "ab");
    assert_eq!(found(Filter::everything()), "abc");
    assert_eq!(found(any([])), "");
}

#[test]
fn order_bound_and_projection() {
    let host = host();
    let everything = || Filter::everything().sort("n", Descending);
    assert_eq!(names(&host, everything()).join(""), "bac", "missing is least");
    assert_eq!(names(&host, everything().limit(1)).join(""), "b");
    let documents = |query: Query| block_on(host.platform().documents().find(&ROWS, query));
    let rows = documents(everything().limit(1).include(["n"])).unwrap();
    assert_eq!((rows[0].name.as_str(), rows[0].n, rows[0].tags.len()), ("", Some(2), 0));
    assert!(rows[0].id.is_some());
    let rows = documents(everything().limit(1).exclude(["tags"])).unwrap();
    assert_eq!((rows[0].name.as_str(), rows[0].tags.len()), ("b", 0));
    for query in [everything().limit(0), everything().limit(1_001)] {
        assert!(matches!(documents(query), Err(DocumentError::Invalid(_))));
    }
}

#[test]
fn changes() {
    let host = host();
    let changed = |changes: Changes| {
        let transaction = Transaction::new().update(&ROWS, eq("name", "b"), changes);
        block_on(host.platform().commit(transaction)).and_then(|outcomes| outcomes.first(&ROWS))
    };
    assert_eq!(changed(Changes::new().increment("n", 3)).unwrap().n, Some(5));
    assert_eq!(changed(Changes::new().max("n", 4)).unwrap().n, Some(5));
    assert_eq!(changed(Changes::new().max("n", 6)).unwrap().n, Some(6));
    assert_eq!(changed(Changes::new().unset("n")).unwrap().n, None);
    assert_eq!(changed(Changes::new().push("tags", "x")).unwrap().tags, ["x", "y", "x"]);
    assert_eq!(changed(Changes::new().add_to_set("tags", "x")).unwrap().tags.len(), 3);
    assert_eq!(changed(Changes::new().pull("tags", "x")).unwrap().tags, ["y"]);
    let inner = changed(Changes::new().set("inner.x", 7_i64)).unwrap().inner;
    assert_eq!(inner, Some(Inner { x: 7 }));
    let twice = Changes::new().push("tags", "a").pull("tags", "b");
    assert!(matches!(changed(twice), Err(DocumentError::Invalid(_))), "MongoDB refuses it");
    assert!(matches!(changed(Changes::new().push("name", "a")), Err(DocumentError::Invalid(_))));
    let taken = changed(Changes::new().set("name", "a"));
    assert_eq!(taken, Err(DocumentError::Conflict("name".to_owned())));
}

#[test]
fn the_first_write_decides() {
    let host = host();
    let late = |t: Transaction| t.update(&ROWS, eq("name", "zzz"), Changes::new().set("n", 1));
    let outcomes = commit(
        &host,
        late(Transaction::new().insert(&ROWS, &row("d", None, &[])).unwrap())
            .insert(&ROWS, &row("a", None, &[]))
            .unwrap()
            .delete(&ROWS, eq("name", "c"))
            .publish("rows.made", &json!({"name": "d"}))
            .unwrap(),
    )
    .unwrap();
    assert!(matches!(outcomes[0], Outcome::Inserted(_)));
    assert_eq!(outcomes[1..], [Outcome::Unmatched, Outcome::Conflicted, Outcome::Deleted(1)]);
    assert_eq!(host.published().len(), 1);

    // Refused: nothing happens, not even what follows.
    let refused = Transaction::new()
        .insert(&ROWS, &row("a", None, &[]))
        .unwrap()
        .delete(&ROWS, eq("name", "b"))
        .publish("rows.made", &json!({}))
        .unwrap();
    assert!(matches!(commit(&host, refused), Err(DocumentError::Conflict(_))));
    assert_eq!(commit(&host, late(Transaction::new())), Err(DocumentError::Unmatched));
    let gone = Transaction::new().delete_all(&ROWS, eq("name", "zzz"));
    assert_eq!(commit(&host, gone), Err(DocumentError::Unmatched));
    assert_eq!(names(&host, Filter::everything()).len(), 3);
    assert_eq!(host.published().len(), 1);
}

#[test]
fn an_id_commits_once() {
    let host = host();
    let again = || {
        let changes = Changes::new().increment("n", 1);
        commit(&host, Transaction::named("once").update(&ROWS, eq("name", "a"), changes)).unwrap()
    };
    assert_eq!(again(), again());
    assert_eq!(names(&host, eq("n", 2)).join(""), "ab");
}

#[test]
fn upserts_take_the_filters_equalities() {
    let host = host();
    let upsert = |n: i64| {
        let changes = Changes::new().set("n", n).set_on_insert("tags", Value::array(["new"]));
        let transaction = Transaction::new().upsert(&ROWS, eq("name", "d"), changes);
        block_on(host.platform().commit(transaction)).unwrap().first(&ROWS).unwrap()
    };
    let inserted = upsert(1);
    assert_eq!(
        (inserted.name.as_str(), inserted.n, inserted.tags[0].as_str()),
        ("d", Some(1), "new")
    );
    assert!(inserted.id.is_some());
    assert_eq!(upsert(2).n, Some(2));
    assert_eq!(names(&host, eq("name", "d")).len(), 1);
}

#[test]
fn numbers_have_no_gaps_within_their_group() {
    let host = Host::new();
    let insert = |name: &str| {
        let sequence = Sequence::new("n", ["name"]);
        let transaction = Transaction::new();
        let transaction = transaction.insert_numbered(&ROWS, &row(name, None, &[]), sequence);
        let outcomes = block_on(host.platform().commit(transaction.unwrap())).unwrap();
        outcomes.first(&ROWS).unwrap().n
    };
    assert_eq!([insert("a"), insert("a"), insert("b"), insert("a")], [1, 2, 1, 3].map(Some));
}

#[test]
fn a_sparse_index_leaves_out_what_lacks_its_fields() {
    let host = Host::new();
    host.unique_sparse("testDB", "rows", &["n"]);
    host.insert(&ROWS, &row("a", None, &[]));
    host.insert(&ROWS, &row("b", None, &[]));
    host.insert(&ROWS, &row("c", Some(1), &[]));
    let transaction = Transaction::new().insert(&ROWS, &row("d", Some(1), &[])).unwrap();
    assert_eq!(commit(&host, transaction), Err(DocumentError::Conflict("n".to_owned())));
}

#[test]
fn failures_come_when_they_are_asked_for() {
    let host = host();
    let insert = |name: &str| {
        commit(&host, Transaction::new().insert(&ROWS, &row(name, None, &[])).unwrap())
    };
    let down = DocumentError::Unavailable("down".to_owned());
    host.fail_next(Failure::Commit(down.clone()));
    assert_eq!(names(&host, eq("name", "a")).len(), 1, "a read is no commit");
    assert_eq!(insert("d"), Err(down));
    assert!(insert("d").is_ok());
    host.fail_next(Failure::LostOutcome);
    assert_eq!(insert("e"), Err(DocumentError::DeadlineExceeded));
    assert_eq!(names(&host, eq("name", "e")).len(), 1, "it happened all the same");
}

#[test]
fn a_race_can_be_staged() {
    let host = host();
    host.before_next_commit(|host| host.insert(&ROWS, &row("d", None, &[])));
    let transaction = Transaction::new().insert(&ROWS, &row("d", None, &[])).unwrap();
    assert!(matches!(commit(&host, transaction), Err(DocumentError::Conflict(_))));
}
