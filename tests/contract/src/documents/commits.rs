//! Writing: inserts, updates, deletes, what decides, what is left out, and races.

use std::{collections::BTreeSet, sync::Arc};

use bson::{Bson, Document, doc};
use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Change, DocumentError, DocumentsBackend, MAX_EVENT_BYTES, MAX_EVENTS, MAX_WRITES, Operation,
    Outcome, Query, Sequence, Test, Transaction, Value, Write,
};

use super::fixture::{
    DATABASE, Fixture, INDEXED, PLAIN, all, by_id, bytes, commit_id, eq, event, insert, is, open,
    parse, set, soon, transaction, update, upsert, value, write,
};

fn inserted(outcome: &Outcome) -> Document {
    let Outcome::Inserted(document) = outcome else { panic!("{outcome:?}") };
    parse(document)
}

fn updated(outcome: &Outcome) -> Document {
    let Outcome::Updated(document) = outcome else { panic!("{outcome:?}") };
    parse(document)
}

/// A document without an `_id` gets an ObjectId; one with an `_id` keeps it.
pub async fn an_insert_gets_an_id(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let writes = vec![insert(PLAIN, &doc! {"a": 1}), insert(PLAIN, &doc! {"a": 1, "_id": "own"})];
    let outcomes = store.commit(writes).await.unwrap();
    let made = inserted(&outcomes[0]);
    let id = made.get_object_id("_id").unwrap();
    assert_eq!(made.get("a"), Some(&Bson::from(1)));
    assert_eq!(store.get(PLAIN, id).await, Some(made));
    let own = inserted(&outcomes[1]);
    assert_eq!(own.get("_id"), Some(&Bson::from("own")));
    assert_eq!(store.get(PLAIN, "own").await, Some(own));
}

/// When the first write conflicts or matches nothing, nothing has happened.
pub async fn the_first_write_decides(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(INDEXED, &[doc! {"_id": 1, "u": "taken"}]).await;
    let second = || insert(PLAIN, &doc! {"_id": 9});
    let absent = || by_id(404);
    let unmatched =
        [update(INDEXED, absent(), vec![set("a", 1)]), write(INDEXED, Operation::Delete(absent()))];
    for first in unmatched {
        let result = store.commit(vec![first, second()]).await;
        assert_eq!(result, Err(DocumentError::Unmatched));
    }
    let conflicting = [
        insert(INDEXED, &doc! {"_id": 1}),
        insert(INDEXED, &doc! {"_id": 2, "u": "taken"}),
        upsert(INDEXED, by_id(2), vec![set("u", "taken")]),
    ];
    for first in conflicting {
        let result = store.commit(vec![first, second()]).await;
        assert!(matches!(result, Err(DocumentError::Conflict(_))), "{result:?}");
    }
    assert_eq!(store.get(PLAIN, 9).await, None);
    assert_eq!(store.ids(INDEXED, all(vec![])).await, [1]);
}

/// A later write that conflicts or matches nothing is left out, the others happen.
pub async fn later_writes_are_left_out_alone(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(INDEXED, &[doc! {"_id": 1, "u": "taken"}, doc! {"_id": 2, "u": "mine"}]).await;
    let outcomes = store
        .commit(vec![
            insert(PLAIN, &doc! {"_id": 1}),
            insert(INDEXED, &doc! {"_id": 3, "u": "taken"}),
            update(INDEXED, by_id(2), vec![set("u", "taken"), set("s", "lost")]),
            update(INDEXED, by_id(404), vec![set("a", 1)]),
            write(INDEXED, Operation::Delete(by_id(404))),
            update(INDEXED, by_id(2), vec![set("n", 7)]),
            insert(PLAIN, &doc! {"_id": 2}),
        ])
        .await
        .unwrap();
    assert_eq!(outcomes[1], Outcome::Conflicted);
    assert_eq!(outcomes[2], Outcome::Conflicted);
    assert_eq!(outcomes[3], Outcome::Unmatched);
    assert_eq!(outcomes[4], Outcome::Unmatched);
    assert_eq!(updated(&outcomes[5]), doc! {"_id": 2, "u": "mine", "n": 7});
    assert_eq!(store.ids(PLAIN, all(vec![])).await, [1, 2]);
    assert_eq!(store.ids(INDEXED, all(vec![])).await, [1, 2]);
}

/// The same commit id again: the first outcomes, no second effect, no second event.
pub async fn a_repeated_commit_does_nothing(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "n": 0, "file": "x".repeat(100_000)}]).await;
    let increment = Change::Increment("n".to_owned(), 1);
    let writes = vec![
        update(PLAIN, by_id(1), vec![increment]),
        insert(PLAIN, &doc! {"a": "small"}),
        insert(PLAIN, &doc! {"a": "large", "b": "y".repeat(50_000)}),
        update(PLAIN, by_id(404), vec![set("a", 1)]),
        write(PLAIN, Operation::DeleteAll(all(vec![eq("_id", "nobody")]))),
    ];
    let commit = transaction(writes, vec![event("t", "{}")]);
    let first = store.0.documents.commit(commit.clone(), soon()).await.unwrap();
    let attempts = (0..8).map(|_| {
        let (store, commit) = (store.clone(), commit.clone());
        tokio::spawn(async move { store.0.documents.commit(commit, soon()).await })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        assert_eq!(attempt.await.unwrap().unwrap(), first);
    }
    assert_eq!(store.get(PLAIN, 1).await.unwrap().get("n").and_then(number), Some(1.0));
    let count = store.0.documents.count(DATABASE, PLAIN, all(vec![]), 99, soon()).await;
    assert_eq!(count, Ok(3));
    assert_eq!(store.0.outbox.unpublished(99).await.unwrap().len(), 1);
    // A commit that was refused has not happened: its id is free.
    let refused = Transaction {
        id: commit_id(),
        ..transaction(vec![insert(PLAIN, &doc! {"_id": 1})], vec![])
    };
    assert!(matches!(
        store.0.documents.commit(refused.clone(), soon()).await,
        Err(DocumentError::Conflict(_))
    ));
    store.commit(vec![write(PLAIN, Operation::Delete(by_id(1)))]).await.unwrap();
    assert!(store.0.documents.commit(refused, soon()).await.is_ok());
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(it) => Some(f64::from(*it)),
        Bson::Int64(it) => Some(*it as f64),
        Bson::Double(it) => Some(*it),
        _ => None,
    }
}

/// Of several matches one changes; the outcome is the document after it.
pub async fn an_update_changes_one_document(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    for collection in [PLAIN, INDEXED] {
        let documents: Vec<_> = (0..5).map(|at| doc! {"_id": at, "n": 1}).collect();
        store.insert(collection, &documents).await;
        let filter = all(vec![eq("n", 1)]);
        let outcomes = store.commit(vec![update(collection, filter, vec![set("n", 2)])]).await;
        let after = updated(&outcomes.unwrap()[0]);
        assert_eq!(after.get("n"), Some(&Bson::from(2)));
        assert_eq!(store.ids(collection, all(vec![eq("n", 1)])).await.len(), 4);
        let changed = store.ids(collection, all(vec![eq("n", 2)])).await;
        assert_eq!(changed, [after.get_i32("_id").unwrap()]);
    }
}

/// An upsert makes a document of the filter's equalities and the changes.
pub async fn an_upsert_inserts_when_nothing_matches(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let filter = || all(vec![eq("k", "key"), eq("d.x", 5), is("z", Test::Ne(Value::Int32(1)))]);
    let changes = || {
        vec![
            Change::Increment("n".to_owned(), 2),
            Change::SetOnInsert("made".to_owned(), Value::Boolean(true)),
        ]
    };
    let first = store.commit(vec![upsert(PLAIN, filter(), changes())]).await.unwrap();
    let made = updated(&first[0]);
    let id = made.get_object_id("_id").unwrap();
    assert_eq!(made.get("k"), Some(&Bson::from("key")));
    assert_eq!(made.get("d"), Some(&Bson::from(doc! {"x": 5})));
    assert_eq!(made.get("made"), Some(&Bson::from(true)));
    assert_eq!(made.get("n").and_then(number), Some(2.0));
    assert!(!made.contains_key("z"));
    store.commit(vec![update(PLAIN, by_id(id), vec![Change::Unset("made".into())])]).await.unwrap();
    let second = store.commit(vec![upsert(PLAIN, filter(), changes())]).await.unwrap();
    let again = updated(&second[0]);
    assert_eq!(again.get("_id"), Some(&Bson::from(id)));
    assert_eq!(again.get("n").and_then(number), Some(4.0));
    assert!(!again.contains_key("made"));
    let own = store.commit(vec![upsert(PLAIN, by_id("own"), vec![set("a", 1)])]).await.unwrap();
    assert_eq!(updated(&own[0]), doc! {"_id": "own", "a": 1});
}

/// Delete removes one match, delete-all each of them.
pub async fn deletes_one_or_all(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    for collection in [PLAIN, INDEXED] {
        let document = |at| doc! {"_id": at, "n": at % 2, "l": [at, at + 1], "u": at};
        store.insert(collection, &(0..10).map(document).collect::<Vec<_>>()).await;
        let odd = || all(vec![eq("n", 1)]);
        let one = store.commit(vec![write(collection, Operation::Delete(odd()))]).await;
        assert_eq!(one, Ok(vec![Outcome::Deleted(1)]));
        let rest = store.commit(vec![write(collection, Operation::DeleteAll(odd()))]).await;
        assert_eq!(rest, Ok(vec![Outcome::Deleted(4)]));
        assert_eq!(store.ids(collection, all(vec![])).await, [0, 2, 4, 6, 8]);
        assert_eq!(store.ids(collection, all(vec![eq("l", 1)])).await, [0]);
        // What was deleted is free again.
        store.insert(collection, &[document(1)]).await;
        assert_eq!(store.ids(collection, all(vec![eq("l", 1)])).await, [0, 1]);
    }
}

/// Bounds, bad BSON and bad paths are the caller's fault, and none of the writes happens.
pub async fn bad_commits_are_invalid_and_change_nothing(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let fine = || insert(PLAIN, &doc! {"a": 1});
    let raw = |document: &[u8]| {
        let document = Bytes::copy_from_slice(document);
        write(PLAIN, Operation::Insert { document, sequence: None })
    };
    let mut cut = bytes(&doc! {"a": "text"}).to_vec();
    cut.truncate(9);
    let mut liar = bytes(&doc! {"a": "text"}).to_vec();
    liar[0] += 1;
    let mut not_utf8 = bytes(&doc! {"a": "text"}).to_vec();
    not_utf8[11] = 0xff;
    let bad_writes: Vec<Vec<Write>> = vec![
        vec![],
        vec![fine(); MAX_WRITES + 1],
        vec![fine(), raw(b"")],
        vec![fine(), raw(&cut)],
        vec![fine(), raw(&liar)],
        vec![fine(), raw(&not_utf8)],
        vec![fine(), insert(PLAIN, &doc! {"_id": [1]})],
        vec![fine(), update(PLAIN, all(vec![]), vec![set("$a", 1)])],
        vec![fine(), update(PLAIN, all(vec![eq("$or", 1)]), vec![set("a", 1)])],
    ];
    for (at, writes) in bad_writes.into_iter().enumerate() {
        let result = store.commit(writes).await;
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{at}: {result:?}");
    }
    let commit = |id: &str, events| {
        let commit = Transaction { id: id.to_owned(), writes: vec![fine()], events };
        store.0.documents.commit(commit, soon())
    };
    let large = "x".repeat(MAX_EVENT_BYTES + 1);
    for result in [
        commit("", vec![]).await,
        commit(&"x".repeat(65), vec![]).await,
        commit("many", vec![event("t", "{}"); MAX_EVENTS + 1]).await,
        commit("large", vec![event("t", &large)]).await,
    ] {
        assert!(matches!(result, Err(DocumentError::Invalid(_))), "{result:?}");
    }
    assert!(store.0.outbox.unpublished(9).await.unwrap().is_empty());
    let count = store.0.documents.count(DATABASE, PLAIN, all(vec![]), 9, soon()).await;
    assert_eq!(count, Ok(0));
    store.commit(vec![fine(); MAX_WRITES]).await.unwrap();
}

/// No increment is lost.
pub async fn concurrent_increments_all_count(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "n": 0, "l": []}]).await;
    let tasks = (0..60).map(|at| {
        let store = store.clone();
        let changes =
            vec![Change::Increment("n".into(), 1), Change::AddToSet("l".into(), value(at))];
        tokio::spawn(async move { store.commit(vec![update(PLAIN, by_id(1), changes)]).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    let document = store.get(PLAIN, 1).await.unwrap();
    assert_eq!(document.get("n").and_then(number), Some(60.0));
    assert_eq!(document.get_array("l").unwrap().len(), 60);
}

/// Of many who change a document only if it is as they saw it, one does.
pub async fn a_compare_and_set_has_one_winner(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1, "status": "pending"}]).await;
    let tasks = (0..30).map(|at| {
        let store = store.clone();
        tokio::spawn(async move {
            let pending = all(vec![eq("_id", 1), eq("status", "pending")]);
            let writes = vec![
                update(PLAIN, pending, vec![set("status", "done"), set("by", at)]),
                insert(PLAIN, &doc! {"_id": 100 + at}),
            ];
            (at, store.commit(writes).await)
        })
    });
    let mut winners = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            (at, Ok(_)) => winners.push(at),
            (_, Err(error)) => assert_eq!(error, DocumentError::Unmatched),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.get(PLAIN, 1).await.unwrap().get("by"), Some(&Bson::from(winners[0])));
    assert_eq!(store.ids(PLAIN, all(vec![])).await, [1, 100 + winners[0]]);
}

/// Simultaneous upserts of one unique key make one document; the losers change it or conflict.
pub async fn crossing_upserts_make_one_document(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let tasks = (0..30).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let changes = vec![Change::Increment("n".into(), 1)];
            store.commit(vec![upsert(INDEXED, all(vec![eq("u", "pair")]), changes)]).await
        })
    });
    let mut counted = 0.0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => counted += 1.0,
            Err(error) => assert!(matches!(error, DocumentError::Conflict(_)), "{error:?}"),
        }
    }
    let query = Query { filter: all(vec![eq("u", "pair")]), limit: 9, ..Query::default() };
    let found = store.find(INDEXED, query).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("n").and_then(number), Some(counted));
}

fn numbered(document: &Document) -> Write {
    let sequence = Sequence { field: "seq".to_owned(), within: vec!["group".to_owned()] };
    write(INDEXED, Operation::Insert { document: bytes(document), sequence: Some(sequence) })
}

/// Concurrent inserts get the numbers from 1, each once, without gaps; each group its own; refused
/// ones use none up.
pub async fn numbers_are_gapless(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(INDEXED, &[doc! {"_id": 0, "u": "taken"}]).await;
    let tasks = (0..40).map(|at| {
        let store = store.clone();
        tokio::spawn(async move {
            let group = if at % 2 == 0 { "even" } else { "odd" };
            let unique = if at % 10 == 3 { "taken".to_owned() } else { format!("{at}") };
            store.commit(vec![numbered(&doc! {"group": group, "u": unique})]).await
        })
    });
    let mut numbers = [BTreeSet::new(), BTreeSet::new()];
    for task in tasks.collect::<Vec<_>>() {
        let Ok(outcomes) = task.await.unwrap() else { continue };
        let document = inserted(&outcomes[0]);
        let odd = usize::from(document.get("group") == Some(&Bson::from("odd")));
        let seq = document.get("seq").and_then(number).unwrap() as i64;
        assert!(numbers[odd].insert(seq), "twice: {seq}");
    }
    assert_eq!(numbers[0], (1..=20).collect());
    assert_eq!(numbers[1], (1..=16).collect());
    let next = store.commit(vec![
        numbered(&doc! {"group": "even", "seq": 999}),
        numbered(&doc! {"group": "even"}),
    ]);
    let next = next.await.unwrap();
    let seq = |at: usize| inserted(&next[at]).get("seq").and_then(number);
    assert_eq!((seq(0), seq(1)), (Some(21.0), Some(22.0)));
}

/// Without a unique index on group and field there is no numbering.
pub async fn numbering_needs_its_index(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let Write { operation, .. } = numbered(&doc! {"group": "g"});
    let result = store.commit(vec![write(PLAIN, operation)]).await;
    assert!(matches!(result, Err(DocumentError::Invalid(_))), "{result:?}");
}

/// One tenant's documents and events are not another's.
pub async fn tenants_have_their_own_documents(backend: Arc<dyn DocumentsBackend>) {
    let (one, two): (Fixture, Fixture) = (open(&backend).await, open(&backend).await);
    let commit =
        transaction(vec![insert(INDEXED, &doc! {"_id": 1, "u": 1})], vec![event("t", "{}")]);
    one.0.documents.commit(commit.clone(), soon()).await.unwrap();
    assert_eq!(two.get(INDEXED, 1).await, None);
    assert!(two.0.outbox.unpublished(9).await.unwrap().is_empty());
    two.0.documents.commit(commit, soon()).await.unwrap();
    assert_eq!(two.ids(INDEXED, all(vec![])).await, [1]);
}
