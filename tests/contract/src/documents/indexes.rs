//! Indexes: what they forbid, and that they otherwise change nothing but time.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use pingtalk_capabilities::documents::{
    Condition,
    Direction::{Ascending, Descending},
    DocumentError, DocumentsBackend, Filter, Operation, Query, Test, Value,
};

use super::fixture::{
    DATABASE, Fixture, INDEXED, PLAIN, all, by_id, collection, collections, eq, index, insert, is,
    open, set, soon, sort, update, value, write,
};
use crate::tenant;

/// A conflict names its index; updates are held to it as inserts are; equal numbers are equal.
pub async fn a_unique_index_refuses_duplicates(backend: Arc<dyn DocumentsBackend>) {
    let tenant = tenant();
    let pairs = collection("pairs", vec![index(&["a", "b"], true, false)]);
    let store = Fixture(backend.open(&tenant, &[pairs]).await.unwrap());
    store
        .insert("pairs", &[doc! {"_id": 1, "a": 1, "b": "x"}, doc! {"_id": 2, "a": 1, "b": "y"}])
        .await;
    let duplicate = insert("pairs", &doc! {"_id": 3, "a": 1.0, "b": "x"});
    let result = store.commit(vec![duplicate]).await;
    let Err(DocumentError::Conflict(_)) = result else { panic!("{result:?}") };
    let result = store.commit(vec![update("pairs", by_id(2), vec![set("b", "x")])]).await;
    assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    // Its own key is no conflict, nor is one that was given up.
    store.commit(vec![update("pairs", by_id(2), vec![set("b", "y"), set("c", 1)])]).await.unwrap();
    store.commit(vec![update("pairs", by_id(1), vec![set("b", "z")])]).await.unwrap();
    store.commit(vec![update("pairs", by_id(2), vec![set("b", "x")])]).await.unwrap();
    assert_eq!(store.ids("pairs", all(vec![eq("a", 1), eq("b", "x")])).await, [2]);
}

/// In a sparse unique index any number of documents may lack the field, and are found all the same.
pub async fn a_sparse_index_leaves_out_missing_fields(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let documents: Vec<_> = (0..5).map(|at| doc! {"_id": at, "o": at}).collect();
    store.insert(INDEXED, &documents).await;
    store.insert(INDEXED, &[doc! {"_id": 5, "u": "x"}]).await;
    let result = store.commit(vec![insert(INDEXED, &doc! {"_id": 6, "u": "x"})]).await;
    assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    assert_eq!(store.ids(INDEXED, all(vec![eq("u", Bson::Null)])).await, [0, 1, 2, 3, 4]);
    assert_eq!(store.ids(INDEXED, all(vec![is("u", Test::Ne(value("x")))])).await, [0, 1, 2, 3, 4]);
    let by_u = store.sorted(INDEXED, vec![sort("u", Descending), sort("_id", Ascending)]).await;
    assert_eq!(by_u, [5, 0, 1, 2, 3, 4]);
    // Of several fields it is enough to lack one.
    let one = |id: i32| doc! {"_id": id, "group": "g"};
    let both = |id: i32| doc! {"_id": id, "group": "g", "seq": 1};
    store.insert(INDEXED, &[one(10), one(11), both(12)]).await;
    let result = store.commit(vec![insert(INDEXED, &both(13))]).await;
    assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
}

/// A reproducible source of choices (Knuth's MMIX generator).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn scalar(&mut self) -> Bson {
        match self.below(8) {
            0 => Bson::Null,
            1 => "a".into(),
            2 => "b".into(),
            3 => 1.5.into(),
            4 => (self.below(4) as i64).into(),
            5 => bson::DateTime::from_millis(self.below(3) as i64).into(),
            _ => (self.below(5) as i32).into(),
        }
    }

    fn document(&mut self, id: i32) -> Document {
        let mut document = doc! {"_id": id};
        for field in ["n", "s", "o"] {
            if self.below(4) > 0 {
                document.insert(field, self.scalar());
            }
        }
        // One field of each index may hold arrays: n shares two indexes, so it never does.
        if self.below(3) > 0 {
            let count = self.below(4);
            let list: Vec<Bson> = (0..count).map(|_| self.scalar()).collect();
            document.insert("l", list);
        }
        match self.below(4) {
            0 => drop(document.insert("d", doc! {"x": self.scalar()})),
            1 => {
                let list: Vec<Bson> =
                    (0..self.below(3)).map(|_| doc! {"x": self.scalar()}.into()).collect();
                document.insert("d", list);
            }
            2 => drop(document.insert("d", self.scalar())),
            _ => {}
        }
        document
    }

    fn condition(&mut self) -> Condition {
        let path = ["n", "s", "l", "d.x", "o", "_id", "d"][self.below(7)];
        let operand = value(self.scalar());
        let test = match self.below(12) {
            0 => Test::Ne(operand),
            1 => Test::Lt(operand),
            2 => Test::Lte(operand),
            3 => Test::Gt(operand),
            4 => Test::Gte(operand),
            5 => Test::OneOf((0..self.below(4)).map(|_| value(self.scalar())).collect()),
            6 => Test::Present(self.below(2) == 0),
            7 => Test::Size(self.below(3) as u32),
            _ => Test::Eq(operand),
        };
        is(path, test)
    }

    fn query(&mut self) -> Query {
        let conditions = |choices: &mut Self| {
            (0..choices.below(3) + 1).map(|_| choices.condition()).collect::<Vec<_>>()
        };
        let any_of = (0..self.below(5).saturating_sub(2) + 1).map(|_| conditions(self)).collect();
        let direction = if self.below(2) == 0 { Ascending } else { Descending };
        let mut keys = vec![];
        for path in [["n", "s", "l", "d.x", "o"][self.below(5)], ["n", "s"][self.below(2)]] {
            if self.below(3) > 0
                && keys
                    .iter()
                    .all(|key: &pingtalk_capabilities::documents::SortKey| key.path != path)
            {
                keys.push(sort(path, direction));
            }
        }
        // Makes the order a total one.
        keys.push(sort("_id", direction));
        Query {
            filter: Filter { any_of },
            sort: keys,
            limit: self.below(40) as u32 + 1,
            ..Query::default()
        }
    }
}

/// Hundreds of queries over hundreds of documents: the same answers with indexes and without, also
/// after updates and deletes.
pub async fn indexes_do_not_change_answers(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let mut choices = Choices(42);
    let documents: Vec<_> = (0..200).map(|id| choices.document(id)).collect();
    store.insert(PLAIN, &documents).await;
    store.insert(INDEXED, &documents).await;
    for round in 0..3 {
        for _ in 0..150 {
            let query = choices.query();
            let plain = store.find(PLAIN, query.clone()).await.unwrap();
            let indexed = store.find(INDEXED, query.clone()).await.unwrap();
            assert_eq!(plain, indexed, "round {round}: {query:?}");
            let count = async |collection| {
                let filter = query.filter.clone();
                store.0.documents.count(DATABASE, collection, filter, 500, soon()).await.unwrap()
            };
            assert_eq!(count(PLAIN).await, count(INDEXED).await, "round {round}: {query:?}");
        }
        for _ in 0..40 {
            let id = choices.below(200) as i32;
            let new = choices.document(id);
            for collection in [PLAIN, INDEXED] {
                let delete = write(collection, Operation::DeleteAll(by_id(id)));
                let writes = vec![insert(PLAIN, &doc! {}), delete, insert(collection, &new)];
                store.commit(writes).await.unwrap();
                let marker =
                    all(vec![is("_id", Test::Gt(value(bson::oid::ObjectId::from_bytes([0; 12]))))]);
                store.commit(vec![write(PLAIN, Operation::DeleteAll(marker))]).await.unwrap();
                if id % 3 == 0 {
                    let changes = vec![set("s", "b"), set("n", id % 7)];
                    store.commit(vec![update(collection, by_id(id), changes)]).await.unwrap();
                }
            }
        }
    }
}

/// An index declared later covers what is there; one that can't be met changes nothing; one left
/// out no longer forbids.
pub async fn indexes_come_and_go(backend: Arc<dyn DocumentsBackend>) {
    let tenant = tenant();
    let declare = |indexes| vec![collection("c", indexes)];
    let old = Fixture(backend.open(&tenant, &declare(vec![])).await.unwrap());
    old.insert("c", &[doc! {"_id": 1, "a": 1, "b": 1}, doc! {"_id": 2, "a": 1, "b": 2}]).await;
    let refused = backend.open(&tenant, &declare(vec![index(&["a"], true, false)])).await;
    assert!(matches!(refused.map(|_| ()), Err(DocumentError::Conflict(_))));
    let new = backend.open(&tenant, &declare(vec![index(&["b"], true, false)])).await;
    let new = Fixture(new.unwrap());
    assert_eq!(new.ids("c", all(vec![eq("b", 2)])).await, [2]);
    for store in [&old, &new] {
        let result = store.commit(vec![insert("c", &doc! {"_id": 3, "b": 2})]).await;
        assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    }
    let back = Fixture(backend.open(&tenant, &declare(vec![])).await.unwrap());
    back.insert("c", &[doc! {"_id": 3, "b": 2}]).await;
    for store in [&old, &new, &back] {
        assert_eq!(store.ids("c", all(vec![eq("b", 2)])).await, [2, 3]);
    }
}

/// A collection that was not declared can't be used.
pub async fn undeclared_collections_are_invalid(backend: Arc<dyn DocumentsBackend>) {
    let tenant = tenant();
    let store = Fixture(backend.open(&tenant, &collections()[..1]).await.unwrap());
    let query = Query { filter: all(vec![]), limit: 1, ..Query::default() };
    for name in [INDEXED, "sqlite_master", "c'; DROP TABLE x"] {
        let result = store.find(name, query.clone()).await;
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{result:?}");
        let result = store.commit(vec![insert(PLAIN, &doc! {}), insert(name, &doc! {})]).await;
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{result:?}");
        let result = store.0.documents.count("other", PLAIN, all(vec![]), 1, soon()).await;
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{result:?}");
    }
    assert_eq!(store.ids(PLAIN, all(vec![is("_id", Test::Ne(Value::Null))])).await, [0; 0]);
}
