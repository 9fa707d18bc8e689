//! Changes to documents in memory.

use bson::{Bson, Document};

use super::{
    compare::{equal, order},
    matching::{bson, remove},
};
use crate::documents::{Change, DocumentError};

/// Makes a change.
///
/// # Errors
/// `Invalid` when the field is of a type that it can't be made to.
pub(super) fn apply(
    document: &mut Document,
    change: &Change,
    inserting: bool,
) -> Result<(), DocumentError> {
    match change {
        Change::Set(path, value) => put(document, path, bson(value)),
        Change::SetOnInsert(path, value) if inserting => put(document, path, bson(value)),
        Change::SetOnInsert(..) => Ok(()),
        Change::Unset(path) => {
            remove(document, path);
            Ok(())
        }
        Change::Increment(path, by) => {
            let slot = slot(document, path, || Bson::Int64(0))?;
            *slot = match slot {
                Bson::Int32(value) => {
                    i32::try_from(*by).ok().and_then(|by| value.checked_add(by)).map_or_else(
                        || Bson::Int64(i64::from(*value).saturating_add(*by)),
                        Bson::Int32,
                    )
                }
                Bson::Int64(value) => Bson::Int64(value.saturating_add(*by)),
                #[allow(clippy::cast_precision_loss)] // A double is what the field holds.
                Bson::Double(value) => Bson::Double(*value + *by as f64),
                _ => return Err(invalid(path, "is not a number")),
            };
            Ok(())
        }
        Change::Max(path, value) => {
            let value = bson(value);
            let slot = slot(document, path, || value.clone())?;
            if order(slot, &value).is_lt() {
                *slot = value;
            }
            Ok(())
        }
        Change::Push(path, value) => {
            array(document, path)?.push(bson(value));
            Ok(())
        }
        Change::AddToSet(path, value) => {
            let value = bson(value);
            let array = array(document, path)?;
            if !array.iter().any(|element| equal(element, &value)) {
                array.push(value);
            }
            Ok(())
        }
        Change::Pull(path, value) => {
            let value = bson(value);
            if super::matching::value(document, path).is_some() {
                array(document, path)?.retain(|element| !equal(element, &value));
            }
            Ok(())
        }
    }
}

fn invalid(path: &str, what: &str) -> DocumentError {
    DocumentError::Invalid(format!("{path} {what}"))
}

fn put(document: &mut Document, path: &str, value: Bson) -> Result<(), DocumentError> {
    *slot(document, path, || Bson::Null)? = value;
    Ok(())
}

fn array<'d>(document: &'d mut Document, path: &str) -> Result<&'d mut Vec<Bson>, DocumentError> {
    match slot(document, path, || Bson::Array(Vec::new()))? {
        Bson::Array(array) => Ok(array),
        _ => Err(invalid(path, "is not an array")),
    }
}

/// The place at a path, made if it is missing, embedded documents included.
fn slot<'d>(
    document: &'d mut Document,
    path: &str,
    missing: impl FnOnce() -> Bson,
) -> Result<&'d mut Bson, DocumentError> {
    match path.split_once('.') {
        None => Ok(document.entry(path.to_owned()).or_insert_with(missing)),
        Some((first, rest)) => {
            let inner = document.entry(first.to_owned()).or_insert_with(|| Document::new().into());
            match inner {
                Bson::Document(inner) => slot(inner, rest, missing),
                Bson::Array(elements) => {
                    let element = rest.parse::<usize>().ok().and_then(|at| elements.get_mut(at));
                    element.ok_or_else(|| invalid(path, "names no element"))
                }
                _ => Err(invalid(path, "leads through a scalar")),
            }
        }
    }
}

/// Refuses two changes of one field (MongoDB's error 40).
pub(super) fn check_distinct(changes: &[Change]) -> Result<(), DocumentError> {
    let path = |change: &Change| match change {
        Change::Set(path, _)
        | Change::Unset(path)
        | Change::Increment(path, _)
        | Change::Max(path, _)
        | Change::Push(path, _)
        | Change::AddToSet(path, _)
        | Change::Pull(path, _)
        | Change::SetOnInsert(path, _) => path.clone(),
    };
    let mut paths: Vec<String> = changes.iter().map(path).collect();
    paths.sort();
    for pair in paths.windows(2) {
        if let [left, right] = pair
            && (left == right
                || right.strip_prefix(left.as_str()).is_some_and(|r| r.starts_with('.')))
        {
            return Err(invalid(right, "is changed twice in one write"));
        }
    }
    Ok(())
}
