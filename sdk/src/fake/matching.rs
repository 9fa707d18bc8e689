//! Filters, orders and projections on documents in memory.

use std::cmp::Ordering;

use bson::{Bson, Document};

use super::compare::{comparable, equal, order};
use crate::documents::{Direction, Filter, SortKey, Test, Value};

/// A typed value as BSON.
pub(super) fn bson(value: &Value) -> Bson {
    // A fake's input was encoded by the sdk itself.
    Bson::try_from(value.clone().into_raw()).unwrap_or(Bson::Null)
}

/// All values at a path; an array on the way contributes each element's.
fn values<'d>(document: &'d Document, path: &str) -> Vec<&'d Bson> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(f, r)| (f, Some(r)));
    let Some(value) = document.get(first) else { return Vec::new() };
    match (value, rest) {
        (value, None) => vec![value],
        (Bson::Document(inner), Some(rest)) => values(inner, rest),
        (Bson::Array(elements), Some(rest)) => {
            let (index, below) = rest.split_once('.').map_or((rest, None), |(f, r)| (f, Some(r)));
            if let Ok(index) = index.parse::<usize>() {
                return match (elements.get(index), below) {
                    (Some(element), None) => vec![element],
                    (Some(Bson::Document(inner)), Some(below)) => values(inner, below),
                    _ => Vec::new(),
                };
            }
            elements.iter().filter_map(Bson::as_document).flat_map(|d| values(d, rest)).collect()
        }
        _ => Vec::new(),
    }
}

/// The candidates a test looks at: each value, and each element of a value that is an array.
fn candidates(found: Vec<&Bson>) -> Vec<&Bson> {
    found
        .into_iter()
        .flat_map(|value| {
            let elements = value.as_array().into_iter().flatten();
            std::iter::once(value).chain(elements)
        })
        .collect()
}

fn passes(document: &Document, path: &str, test: &Test) -> bool {
    let found = values(document, path);
    let equals = |wanted: &Value, candidates: &[&Bson]| {
        let wanted = bson(wanted);
        candidates.iter().any(|value| equal(value, &wanted))
            || (wanted == Bson::Null && candidates.is_empty())
    };
    let compares = |wanted: &Value, accepted: fn(Ordering) -> bool, candidates: &[&Bson]| {
        let wanted = bson(wanted);
        candidates.iter().any(|value| comparable(value, &wanted) && accepted(order(value, &wanted)))
    };
    match test {
        Test::Present(wanted) => found.is_empty() != *wanted,
        Test::Size(size) => found.iter().any(|value| {
            value.as_array().is_some_and(|a| u32::try_from(a.len()).is_ok_and(|len| len == *size))
        }),
        Test::Eq(value) => equals(value, &candidates(found)),
        Test::Ne(value) => !equals(value, &candidates(found)),
        Test::OneOf(values) => {
            let candidates = candidates(found);
            values.iter().any(|value| equals(value, &candidates))
        }
        Test::Lt(value) => compares(value, Ordering::is_lt, &candidates(found)),
        Test::Lte(value) => compares(value, Ordering::is_le, &candidates(found)),
        Test::Gt(value) => compares(value, Ordering::is_gt, &candidates(found)),
        Test::Gte(value) => compares(value, Ordering::is_ge, &candidates(found)),
    }
}

/// Whether a document matches.
pub(super) fn matches(document: &Document, filter: &Filter) -> bool {
    filter.any_of.iter().any(|alternative| {
        alternative.iter().all(|condition| passes(document, &condition.path, &condition.test))
    })
}

/// The order of two documents. Of an array the least element counts when ascending, the greatest
/// when descending; a missing field counts as null.
pub(super) fn sorted(left: &Document, right: &Document, keys: &[SortKey]) -> Ordering {
    let key = |document: &Document, key: &SortKey| {
        let found = values(document, &key.path);
        let mut elements: Vec<Bson> = found
            .into_iter()
            .flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]))
            .collect();
        elements.sort_by(order);
        let extreme = match key.direction {
            Direction::Ascending => elements.first(),
            Direction::Descending => elements.last(),
        };
        extreme.cloned().unwrap_or(Bson::Null)
    };
    keys.iter().fold(Ordering::Equal, |sum, sort| {
        sum.then_with(|| {
            let by = order(&key(left, sort), &key(right, sort));
            if sort.direction == Direction::Ascending { by } else { by.reverse() }
        })
    })
}

/// The document cut down to what a query asked for.
pub(super) fn projected(document: &Document, include: &[String], exclude: &[String]) -> Document {
    if include.is_empty() {
        let mut all = document.clone();
        for path in exclude {
            remove(&mut all, path);
        }
        return all;
    }
    pick(document, include.iter().map(String::as_str).chain(["_id"]).collect())
}

fn pick(document: &Document, paths: Vec<&str>) -> Document {
    let mut picked = Document::new();
    for (name, value) in document {
        let below: Vec<&str> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(name.as_str())?.strip_prefix('.'))
            .collect();
        if paths.contains(&name.as_str()) {
            picked.insert(name, value.clone());
        } else if let (Bson::Document(inner), false) = (value, below.is_empty()) {
            picked.insert(name, pick(inner, below));
        }
    }
    picked
}

/// Removes the field at a path.
pub(super) fn remove(document: &mut Document, path: &str) {
    match path.split_once('.') {
        None => {
            document.remove(path);
        }
        Some((first, rest)) => {
            if let Some(Bson::Document(inner)) = document.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}

/// The single value at a path, if there is one.
pub(super) fn value<'d>(document: &'d Document, path: &str) -> Option<&'d Bson> {
    values(document, path).into_iter().next()
}
