//! Which index serves a query.
//!
//! A plan is a set of key ranges that together hold every document that could match, and whether
//! they come in the query's order. It need not be exact: [`crate::scan`] checks each document.

use std::sync::Arc;

use crate::{
    Direction,
    filter::{Check, Matcher, Order, Term},
    index::Index,
    key::{ABOVE, rank},
    path::Path,
    schema::Table,
};

/// Most ranges one alternative is split into.
const MAX_RANGES: usize = 256;

/// A sort key with its path taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    pub(crate) path: Path,
    pub(crate) direction: Direction,
}

/// How to find the documents.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Together they hold every match. None: look at the whole collection.
    pub(crate) branches: Option<Vec<Branch>>,
    /// They come in the query's order.
    pub(crate) ordered: bool,
}

/// Ranges of one index.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) index: Arc<Index>,
    /// In the order to walk them.
    pub(crate) ranges: Vec<Range>,
    pub(crate) descending: bool,
    /// The index's array fields as this plan knew them.
    pub(crate) arrays: u32,
    ordered: bool,
    score: usize,
}

/// The keys from `low` up to, not including, `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: Vec<u8>,
    pub(crate) high: Vec<u8>,
}

impl Plan {
    /// The best plan for a filter and an order.
    pub(crate) fn new(table: &Table, matcher: &Matcher, sort: &[Sort]) -> Self {
        if let [terms] = matcher.alternatives.as_slice() {
            return match best(table, terms, sort) {
                Some(branch) => Self { ordered: branch.ordered, branches: Some(vec![branch]) },
                None => Self { branches: None, ordered: sort.is_empty() },
            };
        }
        let branches = matcher.alternatives.iter().map(|terms| best(table, terms, &[])).collect();
        Self { branches, ordered: sort.is_empty() }
    }

    /// True when a document could come up twice.
    pub(crate) fn repeats(&self) -> bool {
        match self.branches.as_deref() {
            None | Some([]) => false,
            Some([only]) => only.ranges.len() > 1 || only.arrays != 0,
            Some(_) => true,
        }
    }

    /// True when one statement, and so one snapshot, yields everything in order.
    pub(crate) fn is_one_statement(&self) -> bool {
        let ranges = self
            .branches
            .as_ref()
            .map_or(1, |branches| branches.iter().map(|branch| branch.ranges.len()).sum::<usize>());
        self.ordered && ranges <= 1
    }

    /// True when an array has come up since where the plan counted on none. The plan must be
    /// made anew then.
    pub(crate) fn outdated(&self) -> bool {
        self.branches.iter().flatten().any(|branch| branch.index.arrays() != branch.arrays)
    }
}

fn best(table: &Table, terms: &[Term], sort: &[Sort]) -> Option<Branch> {
    let branches = table.indexes.iter().filter_map(|index| branch(index, terms, sort));
    // The first of equals: `_id`, then the order of declaration.
    branches.reduce(|best, next| if next.score > best.score { next } else { best })
}

fn branch(index: &Arc<Index>, terms: &[Term], sort: &[Sort]) -> Option<Branch> {
    if index.sparse && !index.paths.iter().all(|path| requires(terms, path)) {
        return None;
    }
    let arrays = index.arrays();
    let is_array = |at: usize| arrays & (1 << at) != 0;
    let mut starts = vec![Vec::new()];
    let mut fixed = 0;
    for path in &index.paths {
        let Some(keys) = points(terms, path) else { break };
        if starts.len().saturating_mul(keys.len()) > MAX_RANGES {
            break;
        }
        starts = starts
            .iter()
            .flat_map(|start| keys.iter().map(move |key| [start.as_slice(), key].concat()))
            .collect();
        fixed += 1;
    }
    let bounds = index.paths.get(fixed).and_then(|path| bounds(terms, path, is_array(fixed)));
    let direction = if starts.len() == 1 { order(index, fixed, sort, is_array) } else { None };
    let ordered = sort.is_empty() || direction.is_some();
    if fixed == 0 && bounds.is_none() && (sort.is_empty() || !ordered) {
        return None;
    }
    let descending = direction == Some(Direction::Descending);
    let mut ranges: Vec<Range> = starts
        .into_iter()
        .map(|start| match &bounds {
            Some(bounds) => Range {
                low: [start.as_slice(), &bounds.low].concat(),
                high: [start.as_slice(), &bounds.high].concat(),
            },
            None => Range { high: [start.as_slice(), &[ABOVE]].concat(), low: start },
        })
        .collect();
    ranges.sort_unstable_by(|one, two| one.low.cmp(&two.low));
    let at_most_one = index.unique && fixed == index.paths.len() && ranges.len() == 1;
    let score = usize::from(at_most_one) * 1_000
        + fixed * 10
        + usize::from(!sort.is_empty() && ordered) * 6
        + usize::from(bounds.is_some()) * 4;
    Some(Branch { index: Arc::clone(index), ranges, descending, arrays, ordered, score })
}

/// The keys a path must have, when the terms pin it to a few.
fn points<'t>(terms: &'t [Term], path: &Path) -> Option<&'t [Vec<u8>]> {
    // A whole array has no entry of its own, only its elements have.
    let indexed = |key: &Vec<u8>| key.first() != Some(&rank::ARRAY);
    let on_path = || terms.iter().filter(|term| term.path == *path);
    let equal = on_path().find_map(|term| match &term.check {
        Check::Equal(key) if indexed(key) => Some(std::slice::from_ref(key)),
        _ => None,
    });
    equal.or_else(|| {
        on_path().find_map(|term| match &term.check {
            Check::OneOf(keys) if keys.iter().all(indexed) => Some(keys.as_slice()),
            _ => None,
        })
    })
}

/// The range a path must lie in. Of a field with arrays one bound only: the other may be met by
/// another element.
fn bounds(terms: &[Term], path: &Path, array: bool) -> Option<Range> {
    let ranges = terms.iter().filter(|term| term.path == *path).filter_map(|term| {
        let Check::Ordered(order, key) = &term.check else { return None };
        let rank = *key.first().filter(|rank| **rank != rank::ARRAY)?;
        let above = || [key.as_slice(), &[ABOVE]].concat();
        // Only values of one kind compare: the kind's byte is the other end.
        Some(match order {
            Order::Less => Range { low: vec![rank], high: key.clone() },
            Order::LessOrEqual => Range { low: vec![rank], high: above() },
            Order::Greater => Range { low: above(), high: vec![rank + 1] },
            Order::GreaterOrEqual => Range { low: key.clone(), high: vec![rank + 1] },
        })
    });
    if array {
        return ranges.take(1).next();
    }
    ranges.reduce(|one, two| Range { low: one.low.max(two.low), high: one.high.min(two.high) })
}

/// The direction to walk an index whose first `fixed` fields are pinned, so that it yields this order;
/// None when it can't.
fn order(
    index: &Index,
    fixed: usize,
    sort: &[Sort],
    is_array: impl Fn(usize) -> bool,
) -> Option<Direction> {
    let pinned = |sort: &&Sort| {
        let at = index.paths.iter().take(fixed).position(|path| *path == sort.path);
        at.is_some_and(|at| !is_array(at))
    };
    let mut direction = None;
    for (at, key) in (fixed..).zip(sort.iter().filter(|sort| !pinned(sort))) {
        let path = index.paths.get(at)?;
        if *path != key.path || is_array(at) || direction.is_some_and(|one| one != key.direction) {
            return None;
        }
        direction = Some(key.direction);
    }
    Some(direction.unwrap_or(Direction::Ascending))
}

/// True when the terms hold only for documents that have the field.
fn requires(terms: &[Term], path: &Path) -> bool {
    let value = |key: &Vec<u8>| key.first() != Some(&rank::NULL);
    terms.iter().filter(|term| term.path == *path).any(|term| match &term.check {
        Check::Equal(key) | Check::Ordered(_, key) => value(key),
        Check::OneOf(keys) => keys.iter().all(value),
        Check::Present(present) => *present,
        Check::Size(_) => true,
        Check::NotEqual(_) => false,
    })
}
