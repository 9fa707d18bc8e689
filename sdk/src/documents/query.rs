//! Queries: a filter with order, bound and projection.

use super::Filter;

/// Most documents one `find` returns; the WIT's bound and the default.
pub const MAX_FIND: u32 = 1_000;

/// Sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The field.
    pub path: String,
    /// Its direction.
    pub direction: Direction,
}

/// Which documents to read, and how much of each. Made from a [`Filter`].
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which.
    pub filter: Filter,
    /// In which order; keys are compared in turn.
    pub sort: Vec<SortKey>,
    /// How many at most, 1 to 1,000.
    pub limit: u32,
    /// Only these fields and `_id`; empty: all.
    pub include: Vec<String>,
    /// All but these.
    pub exclude: Vec<String>,
}

impl Query {
    /// Adds a sort key.
    #[must_use]
    pub fn sort(mut self, path: impl Into<String>, direction: Direction) -> Self {
        self.sort.push(SortKey { path: path.into(), direction });
        self
    }

    /// Reads at most this many.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Reads only these fields and `_id`.
    #[must_use]
    pub fn include<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.include.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Reads all but these fields.
    #[must_use]
    pub fn exclude<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.exclude.extend(paths.into_iter().map(Into::into));
        self
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Self {
        Self { filter, sort: Vec::new(), limit: MAX_FIND, include: Vec::new(), exclude: Vec::new() }
    }
}
