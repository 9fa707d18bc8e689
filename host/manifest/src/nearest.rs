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

/// Levenshtein distance, by one row of the table at a time.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, left) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut behind = above + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(behind);
        for (&up, &right) in row.iter().skip(1).zip(&right) {
            behind = (diagonal + usize::from(left != right)).min(up + 1).min(behind + 1);
            diagonal = up;
            next.push(behind);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn counts_edits() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("memory", "memory"), 0);
        assert_eq!(edits("memroy", "memory"), 2);
    }

    #[test]
    fn names_a_slip_and_nothing_else() {
        let known = ["memory", "wall_time", "concurrency"];
        assert_eq!(nearest("concurency", &known), Some("concurrency"));
        assert_eq!(nearest("Memory", &known), Some("memory"));
        assert_eq!(nearest("walltime", &known), Some("wall_time"));
        assert_eq!(nearest("colour", &known), None);
    }
}
