//! Whether a document matches: the one place that decides.
//!
//! Indexes only narrow down which documents are looked at; each is then checked here. Values
//! are compared by their keys ([`crate::key`]).

use crate::{
    DocumentError, Filter, Test, Value,
    key::{self, rank},
    path::{Path, Reached, visit},
    raw::{self, Elements, Raw, invalid, kind},
};

/// Most conditions in a filter, and most values in a one-of.
const MAX_TERMS: usize = 1_000;

/// A checked filter, with its values as keys.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    /// Any of these.
    pub(crate) alternatives: Vec<Vec<Term>>,
}

/// A condition on a path.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) path: Path,
    pub(crate) check: Check,
}

/// A test, with its values as keys.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Equal(Vec<u8>),
    NotEqual(Vec<u8>),
    Ordered(Order, Vec<u8>),
    /// Ascending, distinct.
    OneOf(Vec<Vec<u8>>),
    Present(bool),
    Size(usize),
}

/// How a field must compare with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Matcher {
    /// Checks a filter.
    pub(crate) fn new(filter: &Filter) -> Result<Self, DocumentError> {
        if filter.any_of.len() > MAX_TERMS
            || filter.any_of.iter().map(Vec::len).sum::<usize>() > MAX_TERMS
        {
            return Err(invalid("a filter has at most 1,000 conditions"));
        }
        let term = |condition: &crate::Condition| {
            Ok(Term { path: Path::parse(&condition.path)?, check: Check::new(&condition.test)? })
        };
        let alternatives = filter
            .any_of
            .iter()
            .map(|conditions| conditions.iter().map(term).collect())
            .collect::<Result<_, DocumentError>>()?;
        Ok(Self { alternatives })
    }

    /// True when the document satisfies every term of any alternative.
    pub(crate) fn matches(&self, document: &[u8]) -> bool {
        let mut scratch = Vec::new();
        self.alternatives
            .iter()
            .any(|terms| terms.iter().all(|term| term.matches(document, &mut scratch)))
    }
}

/// The key of a value from a caller.
pub(crate) fn key_of(value: &Value) -> Result<Vec<u8>, DocumentError> {
    let (kind, bytes) = raw::encode(value)?;
    Ok(key::key(Raw { kind, bytes: &bytes }))
}

impl Check {
    fn new(test: &Test) -> Result<Self, DocumentError> {
        Ok(match test {
            Test::Eq(value) => Self::Equal(key_of(value)?),
            Test::Ne(value) => Self::NotEqual(key_of(value)?),
            Test::Lt(value) => Self::Ordered(Order::Less, key_of(value)?),
            Test::Lte(value) => Self::Ordered(Order::LessOrEqual, key_of(value)?),
            Test::Gt(value) => Self::Ordered(Order::Greater, key_of(value)?),
            Test::Gte(value) => Self::Ordered(Order::GreaterOrEqual, key_of(value)?),
            Test::OneOf(values) => {
                if values.len() > MAX_TERMS {
                    return Err(invalid("a one-of has at most 1,000 values"));
                }
                let mut keys = values.iter().map(key_of).collect::<Result<Vec<_>, _>>()?;
                keys.sort_unstable();
                keys.dedup();
                Self::OneOf(keys)
            }
            Test::Present(present) => Self::Present(*present),
            Test::Size(size) => Self::Size(usize::try_from(*size).unwrap_or(usize::MAX)),
        })
    }
}

impl Term {
    fn matches(&self, document: &[u8], scratch: &mut Vec<u8>) -> bool {
        let names = self.path.names();
        match &self.check {
            Check::Equal(wanted) => reaches(document, names, scratch, wanted, |key| key == wanted),
            Check::NotEqual(wanted) => {
                !reaches(document, names, scratch, wanted, |key| key == wanted)
            }
            Check::Ordered(order, bound) => {
                reaches(document, names, scratch, bound, |key| order.holds(key, bound))
            }
            Check::OneOf(wanted) => visit(document, names, true, &mut |reached| {
                let kind = reached_kind(reached);
                wanted.iter().any(|wanted| wanted.first() == Some(&key::rank_of(kind)))
                    && wanted
                        .binary_search_by(|wanted| wanted.as_slice().cmp(fill(scratch, reached)))
                        .is_ok()
            }),
            Check::Present(wanted) => {
                let found = visit(document, names, false, &mut |reached| {
                    !matches!(reached, Reached::Missing)
                });
                found == *wanted
            }
            Check::Size(wanted) => visit(document, names, false, &mut |reached| {
                matches!(reached, Reached::Value(value) if value.kind == kind::ARRAY
                    && Elements::of(value.bytes).take(wanted.saturating_add(1)).count() == *wanted)
            }),
        }
    }
}

/// True when a value at the path is of the operand's type and `holds`.
fn reaches(
    document: &[u8],
    names: &[String],
    scratch: &mut Vec<u8>,
    operand: &[u8],
    holds: impl Fn(&[u8]) -> bool,
) -> bool {
    let wanted = operand.first().copied().unwrap_or(rank::NULL);
    visit(document, names, true, &mut |reached| {
        // The type alone usually decides, so that a big value is not encoded for nothing.
        key::rank_of(reached_kind(reached)) == wanted && holds(fill(scratch, reached))
    })
}

fn reached_kind(reached: Reached<'_>) -> u8 {
    match reached {
        Reached::Missing => kind::NULL,
        Reached::Value(value) | Reached::Element(value) | Reached::Whole(value) => value.kind,
    }
}

/// The key of what was reached, in a buffer used again and again.
fn fill<'s>(scratch: &'s mut Vec<u8>, reached: Reached<'_>) -> &'s [u8] {
    scratch.clear();
    match reached {
        Reached::Missing => scratch.extend_from_slice(key::NULL),
        Reached::Value(value) | Reached::Element(value) | Reached::Whole(value) => {
            key::append(scratch, value);
        }
    }
    scratch
}

impl Order {
    /// Compares keys of one type. NaN is neither less nor greater than a number, only equal to
    /// itself, as in MongoDB.
    fn holds(self, key: &[u8], bound: &[u8]) -> bool {
        if key == key::NAN || bound == key::NAN {
            return key == bound && matches!(self, Self::LessOrEqual | Self::GreaterOrEqual);
        }
        match self {
            Self::Less => key < bound,
            Self::LessOrEqual => key <= bound,
            Self::Greater => key > bound,
            Self::GreaterOrEqual => key >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::Condition;
    use bson::{Document, doc};
    use bytes::Bytes;

    use super::*;

    fn matches(document: &Document, path: &str, test: Test) -> bool {
        let filter = Filter { any_of: vec![vec![Condition { path: path.to_owned(), test }]] };
        Matcher::new(&filter).unwrap().matches(&document.to_vec().unwrap())
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn equality_reaches_elements_wholes_and_missing_fields() {
        let document = doc! {"n": 5, "l": [1, "x", [7]], "e": [], "z": null, "d": [{"a": 1}, {}]};
        let is = |path, value| matches(&document, path, Test::Eq(value));
        assert!(is("n", Value::Double(5.0)));
        assert!(!is("n", text("5")));
        assert!(is("l", text("x")));
        assert!(!is("l", Value::Int32(7)));
        let seven = doc! {"0": 7}.to_vec().unwrap();
        assert!(is("l", Value::Array(Bytes::from(seven))));
        assert!(is("l.1", text("x")));
        assert!(is("z", Value::Null));
        assert!(is("absent.deep", Value::Null));
        assert!(!is("n", Value::Null));
        assert!(!is("e", Value::Null));
        assert!(is("d.a", Value::Int32(1)));
        assert!(is("d.a", Value::Null));
        assert!(!is("l.q", Value::Null), "no element of l could have the field");
        let not = |path, value| matches(&document, path, Test::Ne(value));
        assert!(!not("l", text("x")));
        assert!(not("l", text("y")));
        assert!(not("absent", text("y")));
        assert!(!not("absent", Value::Null));
    }

    #[test]
    fn order_compares_within_one_kind() {
        let document = doc! {"n": 5, "l": [1, 9], "s": "m", "nan": f64::NAN};
        let is = |path: &str, test| matches(&document, path, test);
        assert!(is("n", Test::Lt(Value::Double(5.5))));
        assert!(!is("n", Test::Lt(Value::Int32(5))));
        assert!(is("n", Test::Lte(Value::Int64(5))));
        assert!(!is("s", Test::Gt(Value::Int32(1))));
        assert!(is("s", Test::Gte(text("m"))));
        assert!(is("l", Test::Gt(Value::Int32(8))));
        assert!(is("l", Test::Lt(Value::Int32(2))));
        assert!(!is("nan", Test::Lt(Value::Int32(2))));
        assert!(!is("nan", Test::Gt(Value::Int32(2))));
        assert!(is("nan", Test::Lte(Value::Double(f64::NAN))));
        assert!(is("absent", Test::Lte(Value::Null)));
        assert!(!is("absent", Test::Lt(Value::Int32(0))));
    }

    #[test]
    fn one_of_present_and_size() {
        let document = doc! {"n": 5, "l": [1, 9], "e": [], "z": null, "d": [{"a": [1]}, {}]};
        let is = |path: &str, test| matches(&document, path, test);
        assert!(is("n", Test::OneOf(vec![text("x"), Value::Int64(5)])));
        assert!(!is("n", Test::OneOf(vec![])));
        assert!(is("l", Test::OneOf(vec![Value::Int32(9)])));
        assert!(is("absent", Test::OneOf(vec![Value::Null])));
        assert!(is("z", Test::Present(true)));
        assert!(is("e", Test::Present(true)));
        assert!(is("absent", Test::Present(false)));
        assert!(is("d.a", Test::Present(true)));
        assert!(is("l", Test::Size(2)));
        assert!(!is("l", Test::Size(1)));
        assert!(is("e", Test::Size(0)));
        assert!(!is("n", Test::Size(1)));
        assert!(is("d.a", Test::Size(1)));
    }

    #[test]
    fn any_of_all_of() {
        let document = doc! {"a": 1}.to_vec().unwrap();
        let a = |value| Condition { path: "a".to_owned(), test: Test::Eq(Value::Int32(value)) };
        let matches = |any_of| Matcher::new(&Filter { any_of }).unwrap().matches(&document);
        assert!(!matches(vec![]));
        assert!(matches(vec![vec![]]));
        assert!(matches(vec![vec![a(2)], vec![a(1)]]));
        assert!(!matches(vec![vec![a(2), a(1)]]));
    }
}
