//! PingTalk's hot queries use an index, in order, and read no more than they return.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use bson::doc;
use rusqlite::Connection;

use crate::{
    Collection, Condition, Direction, Filter, Index, Test, Value,
    filter::Matcher,
    path::Path,
    plan::{Plan, Sort},
    scan::scan,
    schema::{self, Schema},
};

fn index(fields: &[&str], unique: bool) -> Index {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Index { fields, unique, sparse: false }
}

fn schema(connection: &Connection) -> Schema {
    let collection = |name: &str, indexes| Collection {
        database: "chatDB".to_owned(),
        name: name.to_owned(),
        indexes,
    };
    let collections = [
        collection("auths", vec![index(&["emailId"], true)]),
        collection("chats", vec![index(&["participants", "updatedAt"], false)]),
        collection("messages", vec![index(&["chatId", "seq"], true)]),
        collection("connections", vec![index(&["user1", "user2"], true), index(&["user2"], false)]),
    ];
    schema::prepare(connection).unwrap();
    schema::declare(connection, &collections, &Schema::default()).unwrap()
}

fn fill(connection: &Connection, schema: &Schema) {
    let add = |name: &str, document: bson::Document| {
        let table = schema.table("chatDB", name).unwrap();
        let body = document.to_vec().unwrap();
        connection.execute(&table.sql.insert, [&body]).unwrap();
        let row = connection.last_insert_rowid();
        for (index, entries) in table.indexes.iter().zip(table.entries(&body).unwrap()) {
            index.replace(connection, row, &crate::index::Entries::default(), &entries).unwrap();
        }
    };
    for at in 0..600 {
        add("auths", doc! {"_id": at, "emailId": format!("{at}@example.com")});
        let participants = vec![at % 20, 20 + at % 7];
        add("chats", doc! {"_id": at, "participants": participants, "updatedAt": at * 31 % 600});
        add("messages", doc! {"_id": at, "chatId": at % 6, "seq": at / 6});
        add("connections", doc! {"_id": at, "user1": at % 30, "user2": 100 + at / 30});
    }
}

/// Runs a query; returns the index that served it, whether the plan is ordered, how SQLite
/// walks, the documents visited before `limit` matches, and those.
fn run(
    connection: &Connection,
    schema: &Schema,
    (name, any_of): (&str, Vec<Vec<Condition>>),
    sort: &[(&str, Direction)],
    limit: usize,
) -> (Option<String>, bool, usize, Vec<i64>) {
    let table = schema.table("chatDB", name).unwrap();
    let matcher = Matcher::new(&Filter { any_of }).unwrap();
    let sort: Vec<Sort> = sort
        .iter()
        .map(|(path, direction)| Sort { path: Path::parse(path).unwrap(), direction: *direction })
        .collect();
    let plan = Plan::new(table, &matcher, &sort);
    let mut used = None;
    for branch in plan.branches.iter().flatten() {
        used = Some(branch.index.name.clone());
        let sql = format!("EXPLAIN QUERY PLAN {}", branch.index.walk(branch.descending));
        let mut statement = connection.prepare(&sql).unwrap();
        let steps: Vec<String> = statement
            .query_map([&b""[..], &b""[..]], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let number = branch.index.number;
        assert_eq!(steps[0], "SEARCH i USING PRIMARY KEY (key>? AND key<?)", "i{number}");
        assert_eq!(steps[1], "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)");
        assert_eq!(steps.len(), 2, "nothing is sorted: {steps:?}");
    }
    let mut found = Vec::new();
    let everything = Matcher::new(&Filter { any_of: vec![vec![]] }).unwrap();
    let visited = Cell::new(0);
    let deadline = Instant::now() + Duration::from_secs(10);
    scan(connection, table, &plan, &everything, deadline, &mut |row, body| {
        visited.set(visited.get() + 1);
        if matcher.matches(body) {
            found.push(row);
        }
        found.len() < limit
    })
    .unwrap();
    (used, plan.ordered, visited.get(), found)
}

fn is(path: &str, test: Test) -> Condition {
    Condition { path: path.to_owned(), test }
}

fn eq(path: &str, value: i32) -> Condition {
    is(path, Test::Eq(Value::Int32(value)))
}

#[test]
fn hot_queries_walk_an_index_and_stop() {
    let connection = Connection::open_in_memory().unwrap();
    let schema = schema(&connection);
    fill(&connection, &schema);
    let query =
        |what, sort: &[(&str, Direction)], limit| run(&connection, &schema, what, sort, limit);
    let down = Direction::Descending;

    let email = is("emailId", Test::Eq(Value::Text("77@example.com".to_owned())));
    let (index, ordered, visited, found) = query(("auths", vec![vec![email]]), &[], 1);
    assert_eq!((index.as_deref(), ordered, visited, found), (Some("emailId"), true, 1, vec![78]));

    let (index, _, visited, _) = query(("auths", vec![vec![eq("_id", 5)]]), &[], 9);
    assert_eq!((index.as_deref(), visited), (Some("_id"), 1));

    let mine = ("chats", vec![vec![eq("participants", 3)]]);
    let (index, ordered, visited, found) = query(mine, &[("updatedAt", down)], 10);
    assert_eq!(index.as_deref(), Some("participants+updatedAt"));
    assert!(ordered);
    assert_eq!((visited, found.len()), (10, 10));

    let history = ("messages", vec![vec![eq("chatId", 2)]]);
    let (index, ordered, visited, found) = query(history, &[("seq", down)], 7);
    assert_eq!((index.as_deref(), ordered, visited), (Some("chatId+seq"), true, 7));
    // The last of the chat is the 99th of its kind.
    assert_eq!(found.first(), Some(&(99 * 6 + 3)));

    let page = vec![eq("chatId", 2), is("seq", Test::Lt(Value::Int64(50)))];
    let (index, ordered, visited, found) = query(("messages", vec![page]), &[("seq", down)], 7);
    assert_eq!((index.as_deref(), ordered, visited), (Some("chatId+seq"), true, 7));
    assert_eq!(found.first(), Some(&(49 * 6 + 3)));

    let range = vec![
        eq("chatId", 2),
        is("seq", Test::Gte(Value::Int32(10))),
        is("seq", Test::Lt(Value::Int32(20))),
    ];
    let (_, ordered, visited, found) =
        query(("messages", vec![range]), &[("chatId", down), ("seq", down)], 99);
    assert!(ordered);
    assert_eq!((visited, found.len()), (10, 10));

    let pair = |one, two| vec![eq("user1", one), eq("user2", two)];
    let (_, _, visited, found) = query(("connections", vec![pair(3, 105), pair(105, 3)]), &[], 99);
    assert_eq!((visited, found.len()), (1, 1));

    let either = vec![vec![eq("user1", 3)], vec![eq("user2", 105)]];
    let (_, ordered, visited, found) = query(("connections", either), &[], 99);
    assert!(ordered);
    assert_eq!((visited, found.len()), (49, 49), "20 and 30 of which one is both");

    let list = is("user1", Test::OneOf(vec![Value::Int32(1), Value::Int32(2)]));
    let (index, _, visited, found) = query(("connections", vec![vec![list]]), &[], 99);
    assert_eq!((index.as_deref(), visited, found.len()), (Some("user1+user2"), 40, 40));

    let nothing = vec![vec![is("updatedAt", Test::Gt(Value::Int32(590)))]];
    let (index, ordered, visited, _) = query(("chats", nothing), &[("updatedAt", down)], 999);
    assert_eq!((index, ordered, visited), (None, false, 600), "no index starts with updatedAt");
}
