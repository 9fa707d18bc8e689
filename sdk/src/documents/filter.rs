//! Filters: which documents. A filter is "any of all of"; [`all`] and [`any`] combine filters
//! into that form.

use super::{Direction, Query, Value};

/// What a field must satisfy. On a field that holds an array a test passes when the whole array
/// or any one element does.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal.
    Eq(Value),
    /// Not equal; for an array: no element equal.
    Ne(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Lte(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Gte(Value),
    /// Equal to one of these.
    OneOf(Vec<Value>),
    /// Present (null counts) or absent.
    Present(bool),
    /// An array of exactly this many elements.
    Size(u32),
}

/// A test on the field at a path (names joined by dots).
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field.
    pub path: String,
    /// The test.
    pub test: Test,
}

/// Matches a document that satisfies every condition of any one alternative.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// The alternatives. None: nothing matches. One without conditions: everything does.
    pub any_of: Vec<Vec<Condition>>,
}

impl Filter {
    /// Matches every document.
    #[must_use]
    pub fn everything() -> Self {
        Self { any_of: vec![Vec::new()] }
    }

    /// Matches what both match.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let pairs = self.any_of.iter().flat_map(|left| {
            other.any_of.iter().map(move |right| left.iter().chain(right).cloned().collect())
        });
        Self { any_of: pairs.collect() }
    }

    /// Matches what either matches.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.any_of.extend(other.any_of);
        self
    }

    /// A query for what it matches, sorted.
    pub fn sort(self, path: impl Into<String>, direction: Direction) -> Query {
        Query::from(self).sort(path, direction)
    }

    /// A query for at most this many.
    #[must_use]
    pub fn limit(self, limit: u32) -> Query {
        Query::from(self).limit(limit)
    }

    /// A query that reads only these fields and `_id`.
    pub fn include<P: Into<String>>(self, paths: impl IntoIterator<Item = P>) -> Query {
        Query::from(self).include(paths)
    }

    /// A query that reads all but these fields.
    pub fn exclude<P: Into<String>>(self, paths: impl IntoIterator<Item = P>) -> Query {
        Query::from(self).exclude(paths)
    }
}

fn one(path: impl Into<String>, test: Test) -> Filter {
    Filter { any_of: vec![vec![Condition { path: path.into(), test }]] }
}

/// The field equals the value.
pub fn eq(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Eq(value.into()))
}

/// The field does not equal the value (and holds no element that does).
pub fn ne(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Ne(value.into()))
}

/// The field is less.
pub fn lt(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Lt(value.into()))
}

/// The field is less or equal.
pub fn lte(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Lte(value.into()))
}

/// The field is greater.
pub fn gt(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Gt(value.into()))
}

/// The field is greater or equal.
pub fn gte(path: impl Into<String>, value: impl Into<Value>) -> Filter {
    one(path, Test::Gte(value.into()))
}

/// The field equals one of the values.
pub fn one_of<V: Into<Value>>(
    path: impl Into<String>,
    values: impl IntoIterator<Item = V>,
) -> Filter {
    one(path, Test::OneOf(values.into_iter().map(Into::into).collect()))
}

/// The field is there (true; null counts) or absent (false).
pub fn present(path: impl Into<String>, present: bool) -> Filter {
    one(path, Test::Present(present))
}

/// The field is an array of exactly this many elements.
pub fn size(path: impl Into<String>, elements: u32) -> Filter {
    one(path, Test::Size(elements))
}

/// Matches what all of these match; everything if there are none.
pub fn all(filters: impl IntoIterator<Item = Filter>) -> Filter {
    filters.into_iter().fold(Filter::everything(), Filter::and)
}

/// Matches what any of these matches; nothing if there are none.
pub fn any(filters: impl IntoIterator<Item = Filter>) -> Filter {
    filters.into_iter().fold(Filter::default(), Filter::or)
}

#[cfg(test)]
mod tests {
    use super::{Filter, all, any, eq};

    #[test]
    fn all_distributes_over_any() {
        let filter = all([any([eq("a", 1), eq("b", 2)]), eq("c", 3)]);
        let paths: Vec<Vec<&str>> = filter
            .any_of
            .iter()
            .map(|alternative| alternative.iter().map(|c| c.path.as_str()).collect())
            .collect();
        assert_eq!(paths, [["a", "c"], ["b", "c"]]);
    }

    #[test]
    fn none_of_all_is_everything_and_none_of_any_is_nothing() {
        assert_eq!(all([]), Filter::everything());
        assert_eq!(any([]), Filter::default());
        assert_ne!(Filter::everything(), Filter::default());
    }
}
