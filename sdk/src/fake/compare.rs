//! The order and equality of BSON values, as MongoDB compares them
//! (<https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>).

use std::cmp::Ordering;

use bson::Bson;

/// The rank of a value's kind. All numbers are one kind.
fn kind(value: &Bson) -> u8 {
    match value {
        Bson::Null | Bson::Undefined => 1,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => 2,
        Bson::String(_) => 3,
        Bson::Document(_) => 4,
        Bson::Array(_) => 5,
        Bson::Binary(_) => 6,
        Bson::ObjectId(_) => 7,
        Bson::Boolean(_) => 8,
        Bson::DateTime(_) => 9,
        _ => 10,
    }
}

/// A whole number, if the value is one.
fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss)] // As MongoDB does when a double is involved.
fn number(value: &Bson) -> f64 {
    match value {
        Bson::Double(value) => *value,
        other => integer(other).map_or(f64::NAN, |value| value as f64),
    }
}

/// True when both are of one kind, so that `lt` and its kin may compare them.
pub(super) fn comparable(left: &Bson, right: &Bson) -> bool {
    kind(left) == kind(right)
}

/// The order of any two values.
pub(super) fn order(left: &Bson, right: &Bson) -> Ordering {
    kind(left).cmp(&kind(right)).then_with(|| match (left, right) {
        (Bson::String(left), Bson::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Bson::ObjectId(left), Bson::ObjectId(right)) => left.bytes().cmp(&right.bytes()),
        (Bson::Boolean(left), Bson::Boolean(right)) => left.cmp(right),
        (Bson::DateTime(left), Bson::DateTime(right)) => left.cmp(right),
        (Bson::Array(left), Bson::Array(right)) => {
            let pairs = left.iter().zip(right).map(|(left, right)| order(left, right));
            first_difference(pairs).then_with(|| left.len().cmp(&right.len()))
        }
        (Bson::Document(left), Bson::Document(right)) => {
            let pairs = left.iter().zip(right).map(|((left_key, left), (right_key, right))| {
                kind(left)
                    .cmp(&kind(right))
                    .then_with(|| left_key.cmp(right_key))
                    .then_with(|| order(left, right))
            });
            first_difference(pairs).then_with(|| left.len().cmp(&right.len()))
        }
        (left, right) => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => number(left).partial_cmp(&number(right)).unwrap_or(Ordering::Equal),
        },
    })
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Equality: numbers by value, documents field by field in their order.
pub(super) fn equal(left: &Bson, right: &Bson) -> bool {
    order(left, right).is_eq()
}
