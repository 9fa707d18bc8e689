//! Changes to a document: what each does to a field, and which are impossible.

use crate::{
    Change, DocumentError, Value,
    draft::{Draft, Node},
    path::Path,
    raw::{invalid, kind},
};

/// Most changes in an update.
const MAX_CHANGES: usize = 200;

/// Checks that no two changes touch the same field, as MongoDB does.
pub(crate) fn check(changes: &[Change]) -> Result<Vec<Path>, DocumentError> {
    if changes.len() > MAX_CHANGES {
        return Err(invalid("an update has at most 200 changes"));
    }
    let paths =
        changes.iter().map(|change| Path::parse(path_of(change))).collect::<Result<Vec<_>, _>>()?;
    for (at, path) in paths.iter().enumerate() {
        if paths.iter().take(at).any(|other| path.overlaps(other)) {
            return Err(invalid(format!("two changes touch `{}`", path.names().join("."))));
        }
    }
    Ok(paths)
}

fn path_of(change: &Change) -> &str {
    match change {
        Change::Unset(path)
        | Change::Set(path, _)
        | Change::Increment(path, _)
        | Change::Max(path, _)
        | Change::Push(path, _)
        | Change::AddToSet(path, _)
        | Change::Pull(path, _)
        | Change::SetOnInsert(path, _) => path,
    }
}
/// Applies changes whose paths were checked. `inserting`: this is an upsert's insert.
pub(crate) fn apply(
    draft: &mut Draft<'_>,
    changes: &[Change],
    paths: &[Path],
    inserting: bool,
) -> Result<(), DocumentError> {
    for (change, path) in changes.iter().zip(paths) {
        match change {
            Change::Set(_, value) => draft.set(path, value)?,
            Change::SetOnInsert(_, value) if inserting => draft.set(path, value)?,
            Change::SetOnInsert(..) => {}
            Change::Unset(_) => draft.unset(path),
            Change::Increment(_, by) => increment(draft, path, *by)?,
            Change::Max(_, value) => {
                let new = Node::new(value)?;
                if draft.read(path).is_none_or(|old| new.key() > old.key()) {
                    draft.put(path, new)?;
                }
            }
            Change::Push(_, value) => draft.array(path)?.push(Node::new(value)?),
            Change::AddToSet(_, value) => {
                let new = Node::new(value)?;
                let mut array = draft.array(path)?;
                if !array.contains(&new.key()) {
                    array.push(new);
                }
            }
            Change::Pull(_, value) => {
                let key = Node::new(value)?.key();
                if draft.read(path).is_some() {
                    draft.array(path)?.remove(&key);
                }
            }
        }
    }
    Ok(())
}

fn increment(draft: &mut Draft<'_>, path: &Path, by: i64) -> Result<(), DocumentError> {
    let small = |value: i64| i32::try_from(value).map_or(Value::Int64(value), Value::Int32);
    let not_a_number = || invalid(format!("`{}` is no number to add to", path.names().join(".")));
    let overflow = || invalid(format!("`{}` would overflow", path.names().join(".")));
    let new = match draft.read(path) {
        None => small(by),
        Some(Node::Opened(..)) => return Err(not_a_number()),
        Some(Node::Whole(kind, bytes)) => match *kind {
            kind::INT32 => {
                let old = i32::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                small(i64::from(old).checked_add(by).ok_or_else(overflow)?)
            }
            kind::INT64 => {
                let old = i64::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                Value::Int64(old.checked_add(by).ok_or_else(overflow)?)
            }
            kind::DOUBLE => {
                let old = f64::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                #[allow(clippy::cast_precision_loss)]
                Value::Double(old + by as f64)
            }
            _ => return Err(not_a_number()),
        },
    };
    draft.set(path, &new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::{Document, doc};

    use super::*;

    fn apply(document: Document, changes: &[Change]) -> Result<Document, DocumentError> {
        let bytes = document.to_vec().unwrap();
        let paths = check(changes)?;
        let mut draft = Draft::of(&bytes);
        super::apply(&mut draft, changes, &paths, false)?;
        let out = draft.encode();
        crate::raw::check_document(&out)?;
        Ok(Document::from_reader(&out[..]).unwrap())
    }

    fn change(document: Document, change: Change) -> Document {
        apply(document, &[change]).unwrap()
    }

    fn set(path: &str, value: i32) -> Change {
        Change::Set(path.to_owned(), Value::Int32(value))
    }

    #[test]
    fn set_keeps_places_and_appends() {
        let document = doc! {"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2]};
        assert_eq!(
            apply(document.clone(), &[set("a", 9), set("b.x", 9), set("c.1", 9), set("d.e", 9)]),
            Ok(doc! {"a": 9, "b": {"x": 9, "y": 2}, "c": [1, 9], "d": {"e": 9}})
        );
        let grown = change(document.clone(), set("c.3", 9));
        assert_eq!(grown.get_array("c").unwrap().len(), 4);
        assert!(apply(document.clone(), &[set("a.x", 9)]).is_err());
        assert!(apply(document.clone(), &[set("c.x", 9)]).is_err());
        assert!(apply(document.clone(), &[set("c.99999999", 9)]).is_err());
        assert!(apply(document.clone(), &[set("b", 1), set("b.x", 1)]).is_err());
        assert!(apply(document, &[set("b", 1), Change::Unset("b".into())]).is_err());
    }

    #[test]
    fn untouched_fields_keep_their_bytes() {
        let document = doc! {"z": 1.0, "a": [{"q": 1_i64}], "m": {"b": 1, "a": 2}, "n": 1};
        let before = document.to_vec().unwrap();
        let changes = [set("n", 2)];
        let mut draft = Draft::of(&before);
        super::apply(&mut draft, &changes, &check(&changes).unwrap(), false).unwrap();
        let after = draft.encode();
        let mut expected = before.clone();
        // The last field's value: four bytes before the closing zero.
        let at = expected.len() - 5;
        expected.splice(at..at + 4, 2_i32.to_le_bytes());
        assert_eq!(after, expected);
    }

    #[test]
    fn numbers_increase() {
        let up = |document, by| change(document, Change::Increment("n".into(), by));
        assert_eq!(up(doc! {}, 2), doc! {"n": 2});
        assert_eq!(up(doc! {"n": 1}, 2), doc! {"n": 3});
        assert_eq!(up(doc! {"n": i32::MAX}, 1), doc! {"n": i64::from(i32::MAX) + 1});
        assert_eq!(up(doc! {"n": 1_i64}, 2), doc! {"n": 3_i64});
        assert_eq!(up(doc! {"n": 1.5}, 2), doc! {"n": 3.5});
        let bad = |document| apply(document, &[Change::Increment("n".into(), 1)]).is_err();
        assert!(bad(doc! {"n": "1"}) && bad(doc! {"n": null}) && bad(doc! {"n": i64::MAX}));
    }

    #[test]
    fn max_raises_only() {
        let max = |document, value| change(document, Change::Max("n".into(), value));
        assert_eq!(max(doc! {}, Value::Int32(1)), doc! {"n": 1});
        assert_eq!(max(doc! {"n": 5}, Value::Double(4.5)), doc! {"n": 5});
        assert_eq!(max(doc! {"n": 5}, Value::Double(5.5)), doc! {"n": 5.5});
        assert_eq!(max(doc! {"n": 5}, Value::Text("a".into())), doc! {"n": "a"});
    }

    #[test]
    fn arrays_grow_and_shrink() {
        let one =
            |kind: fn(String, Value) -> Change, value| kind("l".to_owned(), Value::Int32(value));
        assert_eq!(change(doc! {}, one(Change::Push, 1)), doc! {"l": [1]});
        assert_eq!(change(doc! {"l": [1]}, one(Change::Push, 1)), doc! {"l": [1, 1]});
        assert_eq!(change(doc! {"l": [1.0]}, one(Change::AddToSet, 1)), doc! {"l": [1.0]});
        assert_eq!(change(doc! {"l": [1]}, one(Change::AddToSet, 2)), doc! {"l": [1, 2]});
        assert_eq!(change(doc! {"l": [1, 2, 1.0]}, one(Change::Pull, 1)), doc! {"l": [2]});
        assert_eq!(change(doc! {}, one(Change::Pull, 1)), doc! {});
        for kind in [Change::Push, Change::AddToSet, Change::Pull] {
            assert!(apply(doc! {"l": 1}, &[kind("l".to_owned(), Value::Int32(1))]).is_err());
        }
    }

    #[test]
    fn unset_removes_or_empties() {
        let document = doc! {"a": 1, "b": {"c": 1, "d": 2}, "l": [1, 2]};
        let gone = |path: &str| change(document.clone(), Change::Unset(path.to_owned()));
        assert_eq!(gone("a"), doc! {"b": {"c": 1, "d": 2}, "l": [1, 2]});
        assert_eq!(gone("b.c"), doc! {"a": 1, "b": {"d": 2}, "l": [1, 2]});
        assert_eq!(gone("l.0"), doc! {"a": 1, "b": {"c": 1, "d": 2}, "l": [bson::Bson::Null, 2]});
        assert_eq!(gone("x.y"), document);
    }
}
