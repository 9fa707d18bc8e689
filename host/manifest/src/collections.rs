//! `[[application.tool.pingtalk.collections]]`: the documents an application keeps, and their
//! indexes. A collection that is not declared can't be used.

use crate::{finding::Severity, reader::Node};

/// An index besides the one on `_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The fields, in order.
    pub fields: Vec<String>,
    /// No two documents may agree on all fields.
    pub unique: bool,
    /// Documents that lack any of the fields are left out.
    pub sparse: bool,
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Its indexes.
    pub indexes: Vec<Index>,
}

/// True for what MongoDB and a file name both take: letters, digits, `_` and `-`.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 60
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
}

/// Reads the array of collections.
pub(crate) fn read_collections(node: &Node<'_>) -> Vec<Collection> {
    let mut collections: Vec<Collection> = Vec::new();
    for node in node.list() {
        let Some(collection) = read_collection(&node) else { continue };
        let Collection { database, name, .. } = &collection;
        if collections.iter().any(|earlier| earlier.database == *database && earlier.name == *name)
        {
            node.error(format!("`{database}.{name}` is declared twice"), "remove one");
        } else {
            collections.push(collection);
        }
    }
    collections
}

fn read_collection(node: &Node<'_>) -> Option<Collection> {
    let table = node.table()?;
    table.only(&["database", "name", "indexes"], Severity::Error);
    let part = |key: &str, fix: &str| {
        let node = table.require(key, fix)?;
        let name = node.name()?;
        if !is_name(name) {
            node.error(
                format!("`{name}` can't be a name"),
                "use up to 60 letters, digits, _ and -",
            );
            return None;
        }
        Some(name.to_owned())
    };
    let database = part("database", "write the database, such as database = \"authDB\"");
    let name = part("name", "write the collection's name, such as name = \"auths\"");
    let indexes = table
        .get("indexes")
        .map(|node| node.list().iter().filter_map(read_index).collect())
        .unwrap_or_default();
    Some(Collection { database: database?, name: name?, indexes })
}

fn read_index(node: &Node<'_>) -> Option<Index> {
    let table = node.table()?;
    table.only(&["fields", "unique", "sparse"], Severity::Error);
    let fields = table.require("fields", "write fields = [\"field\", …]")?;
    let names = fields.names();
    if names.is_empty() {
        fields.error("names no field", "write at least one");
        return None;
    }
    for name in &names {
        if name.starts_with('$') || name.split('.').any(str::is_empty) {
            fields.error(
                format!("`{name}` can't be a field"),
                "write names joined by single dots, without a leading $",
            );
        }
    }
    Some(Index {
        fields: names,
        unique: table.get("unique").is_some_and(|node| node.boolean()),
        sparse: table.get("sparse").is_some_and(|node| node.boolean()),
    })
}
