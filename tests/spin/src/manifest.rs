//! A manifest for one component under test.

use std::{fmt::Write, path::Path};

use pingtalk_capabilities::documents::Collection;

/// Topics that the suite publishes.
const TOPICS: &str = r#"["a", "b", "t", "x", "y"]"#;

/// Writes `spin.toml` into a folder: the component `tested` with these collections, and one that
/// consumes what it publishes.
pub(crate) fn write(folder: &Path, collections: &[Collection]) {
    let mut text = String::from(
        "spin_manifest_version = 2\n[application]\nname = \"test\"\nversion = \"0.1.0\"\n",
    );
    for collection in collections {
        let index = |index: &pingtalk_capabilities::documents::Index| {
            format!(
                "{{ fields = {:?}, unique = {}, sparse = {} }}",
                index.fields, index.unique, index.sparse
            )
        };
        let indexes: Vec<String> = collection.indexes.iter().map(index).collect();
        write!(
            text,
            "[[application.tool.pingtalk.collections]]\ndatabase = {:?}\nname = {:?}\nindexes = [{}]\n",
            collection.database,
            collection.name,
            indexes.join(", ")
        )
        .unwrap();
    }
    let documents = if collections.is_empty() { "" } else { "\"testDB.*:write\", " };
    write!(
        text,
        // A grant for a database that has another collection, so that what the suite asks of it is
        // undeclared and not denied.
        "[[application.tool.pingtalk.collections]]\ndatabase = \"other\"\nname = \"unused\"\n\
         [component.tested]\nsource = \"tested.wasm\"\n[component.tested.tool.pingtalk]\n\
         documents = [{documents}\"other.*:write\"]\ncache = [\"granted:\"]\nblobs = [\"c\", \"other\"]\npublish = {TOPICS}\n\
         [component.consumer]\nsource = \"consumer.wasm\"\n[component.consumer.tool.pingtalk]\n\
         consume = [{{ queue = \"consumer.all\", topics = {TOPICS} }}]\n\
         [[trigger.http]]\nroute = \"/tested/...\"\ncomponent = \"tested\"\n"
    )
    .unwrap();
    std::fs::write(folder.join("spin.toml"), text).unwrap();
}
