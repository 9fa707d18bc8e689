//! Queries: filters, order and projections, translated one to one.
//!
//! A value always stands behind an operator of ours (`{path: {$eq: value}}`), so that a document
//! from a caller can't become one.

use bson::{Bson, Document, doc};
use pingtalk_capabilities::documents::{
    Condition, Direction, DocumentError, Filter, Query, SortKey, Test,
};

use crate::{
    error::invalid,
    path::{self, DELETING, MARKERS, overlap},
    value::bson,
};

/// Most conditions in a filter, and most values in a one-of.
const MAX_TERMS: usize = 1_000;
/// Most fields in a projection.
const MAX_FIELDS: usize = 200;
/// Most sort keys, as in MongoDB.
const MAX_SORT_KEYS: usize = 32;

/// A checked filter, in MongoDB's words. Documents that are being deleted are left out by whoever
/// uses it; see [`visible`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matcher(pub(crate) Document);

impl Matcher {
    /// Checks and translates.
    pub(crate) fn new(filter: &Filter) -> Result<Self, DocumentError> {
        if filter.any_of.len() > MAX_TERMS
            || filter.any_of.iter().map(Vec::len).sum::<usize>() > MAX_TERMS
        {
            return Err(invalid("a filter has at most 1,000 conditions"));
        }
        let mut alternatives = Vec::with_capacity(filter.any_of.len());
        for conditions in &filter.any_of {
            alternatives.push(all_of(conditions)?);
        }
        Ok(Self(match alternatives.len() {
            // No alternative: nothing matches.
            0 => doc! {"_id": {"$in": []}},
            1 => alternatives.pop().unwrap_or_default(),
            _ if alternatives.iter().any(Document::is_empty) => doc! {},
            _ => doc! {"$or": alternatives},
        }))
    }
}

/// A filter of conditions that must all hold.
pub(crate) fn all_of(conditions: &[Condition]) -> Result<Document, DocumentError> {
    let mut terms = conditions.iter().map(term).collect::<Result<Vec<_>, _>>()?;
    Ok(match terms.len() {
        0 => doc! {},
        1 => terms.pop().unwrap_or_default(),
        _ => doc! {"$and": terms},
    })
}

fn term(condition: &Condition) -> Result<Document, DocumentError> {
    let path = path::check(&condition.path)?;
    let test = match &condition.test {
        Test::Eq(value) => doc! {"$eq": bson(value)?},
        Test::Ne(value) => doc! {"$ne": bson(value)?},
        Test::Lt(value) => doc! {"$lt": bson(value)?},
        Test::Lte(value) => doc! {"$lte": bson(value)?},
        Test::Gt(value) => doc! {"$gt": bson(value)?},
        Test::Gte(value) => doc! {"$gte": bson(value)?},
        Test::OneOf(values) => {
            if values.len() > MAX_TERMS {
                return Err(invalid("a one-of has at most 1,000 values"));
            }
            doc! {"$in": values.iter().map(bson).collect::<Result<Vec<_>, _>>()?}
        }
        Test::Present(present) => doc! {"$exists": present},
        Test::Size(size) => doc! {"$size": i64::from(*size)},
    };
    Ok(doc! {path: test})
}

/// The `_id` a filter names, when it can match no other document.
pub(crate) fn named_id(filter: &Filter) -> Result<Option<Bson>, DocumentError> {
    let [conditions] = filter.any_of.as_slice() else { return Ok(None) };
    for condition in conditions {
        if condition.path == "_id"
            && let Test::Eq(value) = &condition.test
        {
            return bson(value).map(Some);
        }
    }
    Ok(None)
}

/// The filter of an upsert: the equalities of the only alternative as plain fields, which the server
/// copies into the document it makes, and the other conditions.
pub(crate) fn start(filter: &Filter) -> Result<Document, DocumentError> {
    // Only a single alternative says for sure what the document would have.
    let [conditions] = filter.any_of.as_slice() else { return Ok(doc! {}) };
    let (mut start, mut others) = (Document::new(), Vec::new());
    for condition in conditions {
        let only = match &condition.test {
            Test::Eq(value) => Some(value),
            Test::OneOf(values) => match values.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        };
        let Some(value) = only else {
            others.push(term(condition)?);
            continue;
        };
        let path = path::check(&condition.path)?;
        if start.keys().any(|other| overlap(other, path)) {
            return Err(invalid(format!("an upsert can't set `{path}` twice")));
        }
        // A document could be read as operators, so it stands behind one.
        let value = match bson(value)? {
            Bson::Document(value) => doc! {"$eq": value}.into(),
            other => other,
        };
        start.insert(path, value);
    }
    if !others.is_empty() {
        start.insert("$and", others);
    }
    Ok(start)
}

/// The filter, without documents that a decided commit is about to remove.
pub(crate) fn visible(filter: Document) -> Document {
    let present = doc! {DELETING: {"$exists": false}};
    if filter.is_empty() {
        present
    } else {
        doc! {"$and": [filter, present]}
    }
}

/// The order.
pub(crate) fn order(keys: &[SortKey]) -> Result<Document, DocumentError> {
    if keys.len() > MAX_SORT_KEYS {
        return Err(invalid("a query has at most 32 sort keys"));
    }
    let mut order = Document::new();
    for SortKey { path, direction } in keys {
        let direction = match direction {
            Direction::Ascending => 1,
            Direction::Descending => -1,
        };
        let path = path::check(path)?;
        // A key that comes twice decides the first time.
        if !order.contains_key(path) {
            order.insert(path, direction);
        }
    }
    Ok(order)
}

/// Leaves out what is the store's own.
pub(crate) fn hidden() -> Document {
    doc! {MARKERS: 0, DELETING: 0}
}

/// What to return of each document. Never the hidden fields.
pub(crate) fn projection(query: &Query) -> Result<Document, DocumentError> {
    match (query.include.is_empty(), query.exclude.is_empty()) {
        (true, true) => Ok(hidden()),
        (false, true) => fields(&query.include, 1),
        (true, false) => {
            let mut projection = fields(&query.exclude, 0)?;
            projection.extend(hidden());
            Ok(projection)
        }
        (false, false) => Err(invalid("a query has either `include` or `exclude`")),
    }
}

fn fields(paths: &[String], mark: i32) -> Result<Document, DocumentError> {
    if paths.len() > MAX_FIELDS {
        return Err(invalid("a projection has at most 200 fields"));
    }
    let mut fields = Document::new();
    for path in paths {
        path::check(path)?;
        // A shorter path swallows those below it; MongoDB would refuse the pair.
        let swallowed = paths.iter().any(|other| other.len() < path.len() && overlap(other, path));
        if !swallowed {
            fields.insert(path, mark);
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pingtalk_capabilities::documents::Value;

    use super::*;

    fn is(path: &str, test: Test) -> Condition {
        Condition { path: path.to_owned(), test }
    }

    fn translated(any_of: Vec<Vec<Condition>>) -> Document {
        Matcher::new(&Filter { any_of }).unwrap().0
    }

    #[test]
    fn filters_become_operators_around_values() {
        let one = || is("a", Test::Eq(Value::Int32(1)));
        let two = || is("b.c", Test::OneOf(vec![Value::Null, Value::Text("$ne".into())]));
        assert_eq!(translated(vec![]), doc! {"_id": {"$in": []}});
        assert_eq!(translated(vec![vec![]]), doc! {});
        assert_eq!(translated(vec![vec![one()], vec![]]), doc! {});
        assert_eq!(translated(vec![vec![one()]]), doc! {"a": {"$eq": 1}});
        assert_eq!(
            translated(vec![vec![one(), two()], vec![one()]]),
            doc! {"$or": [
                {"$and": [{"a": {"$eq": 1}}, {"b.c": {"$in": [null, "$ne"]}}]},
                {"a": {"$eq": 1}},
            ]}
        );
        // A document that looks like an operator stays a value.
        let hostile = doc! {"$gt": ""}.to_vec().unwrap();
        let hostile = is("a", Test::Eq(Value::Document(hostile.into())));
        assert_eq!(translated(vec![vec![hostile]]), doc! {"a": {"$eq": {"$gt": ""}}});
    }

    #[test]
    fn projections_hide_and_do_not_collide() {
        let own = |paths: &[&str]| paths.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let query = Query { exclude: own(&["a.b", "a", "ab"]), ..Query::default() };
        let expected = doc! {"a": 0, "ab": 0, "_commits": 0, "_deleting": 0};
        assert_eq!(projection(&query), Ok(expected));
        let query = Query { include: own(&["_commits"]), ..Query::default() };
        assert!(projection(&query).is_err());
    }
}
