//! The name that was probably meant.

/// The known name with the fewest edits from `wanted`, if it is near enough to be a slip: at most
/// a third of the longer name's letters, and no more than three.
pub(crate) fn nearest<'k>(wanted: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|&name| (edits(&wanted.to_lowercase(), name), name))
        .filter(|&(edits, name)| edits <= 3 && edits * 3 <= wanted.len().max(name.len()))
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions, changes and swaps of neighbours (optimal string alignment), by three
/// rows of the table at a time.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (number, letter) in left.chars().enumerate() {
        let mut row = vec![number + 1];
        for (column, &other) in right.iter().enumerate() {
            let changed = at(&above, column) + usize::from(letter != other);
            let mut fewest = changed.min(at(&above, column + 1) + 1).min(at(&row, column) + 1);
            let swapped =
                column > 0 && last == Some(other) && right.get(column - 1) == Some(&letter);
            if swapped {
                fewest = fewest.min(at(&before, column - 1) + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn counts_edits() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("memory", "memory"), 0);
        assert_eq!(edits("memroy", "memory"), 1);
        assert_eq!(edits("ca", "abc"), 3);
    }

    #[test]
    fn names_a_slip_and_nothing_else() {
        let known = ["memory", "wall_time", "concurrency"];
        assert_eq!(nearest("concurency", &known), Some("concurrency"));
        assert_eq!(nearest("Memory", &known), Some("memory"));
        assert_eq!(nearest("walltime", &known), Some("wall_time"));
        assert_eq!(nearest("kye", &["key"]), Some("key"));
        assert_eq!(nearest("colour", &known), None);
    }
}
