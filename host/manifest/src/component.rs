//! `[component.NAME]` and what this host reads in its `tool.pingtalk`.

use std::collections::BTreeMap;

use crate::{
    budgets::{Budgets, read_budgets},
    finding::Severity,
    grants::{self, DocumentGrant, Queue},
    outbound::{OutboundHost, read_outbound},
    reader::{Node, Table},
    sockets::{SocketSettings, read_sockets},
    variables::{Template, read_templates},
};

/// How a component's file is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Commands, run one after the other.
    pub commands: Vec<String>,
    /// Where, relative to the manifest.
    pub workdir: Option<String>,
    /// Globs of the files it is made of, relative to `workdir`: what `up --watch` looks at.
    pub watch: Vec<String>,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The file, relative to the manifest.
    pub source: String,
    /// How it is made.
    pub build: Option<Build>,
    /// What it reads through `wasi:config/store`, by name.
    pub variables: BTreeMap<String, Template>,
    /// Where it may send requests.
    pub allowed_outbound_hosts: Vec<OutboundHost>,
    /// The imports that Spin meets with another component. This host meets a `pingtalk:*` import
    /// with its own capability instead, and ignores these.
    pub dependencies: Vec<Dependency>,
    /// What this host reads.
    pub host: ComponentSettings,
}

/// `[component.NAME.tool.pingtalk]`: the component's grants, and how it is served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentSettings {
    /// The variable that holds the component's direct port, such as `AUTH_SERVICE_PORT`. There
    /// its routes are served without the prefix.
    pub direct_port: Option<String>,
    /// Collections.
    pub documents: Vec<DocumentGrant>,
    /// Prefixes of cache keys, to read and to write.
    pub cache: Vec<String>,
    /// Topics it may publish, through a commit.
    pub publish: Vec<String>,
    /// Queues it consumes; it must export `pingtalk:events/handler`.
    pub consume: Vec<Queue>,
    /// Blob containers.
    pub blobs: Vec<String>,
    /// Sockets.
    pub sockets: SocketSettings,
    /// HTTP.
    pub http: HttpSettings,
    /// Bounds.
    pub budgets: Budgets,
    /// It does under Spin what this host does itself: left out here.
    pub spin_only: bool,
}

/// An import that Spin meets with another component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The import, such as `pingtalk:cache/store@0.1.0`.
    pub import: String,
    /// What meets it, for people.
    pub met_by: String,
}

/// `http = { max_body, max_json, rate_limit }`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Largest request body in bytes; none: the host's default, 1 MiB.
    pub max_body: Option<u64>,
    /// Largest JSON request body in bytes, if lower.
    pub max_json: Option<u64>,
    /// The bucket its requests count in; none: they are not limited.
    pub rate_limit: Option<String>,
}

/// Keys that Spin knows and this host has no use for are accepted.
const SPIN_KEYS: [&str; 17] = [
    "source",
    "build",
    "variables",
    "allowed_outbound_hosts",
    "dependencies",
    "tool",
    "description",
    "environment",
    "files",
    "exclude_files",
    "allowed_http_hosts",
    "key_value_stores",
    "sqlite_databases",
    "ai_models",
    "dependencies_inherit_configuration",
    "targets",
    "profile",
];

/// Reads all of `[component]`.
pub(crate) fn read_components(table: &Table<'_>) -> BTreeMap<String, Component> {
    let mut components = BTreeMap::new();
    for (name, node) in table.entries() {
        let letters = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !name.bytes().all(letters) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            node.error(
                format!("`{name}` can't name a component"),
                "use lower-case letters, digits and -, starting with a letter",
            );
        }
        // One with a mistake is still declared: those who refer to it have made none.
        if let Some(table) = node.table() {
            components.insert(name.to_owned(), read_component(&table));
        }
    }
    components
}

fn read_component(table: &Table<'_>) -> Component {
    table.only(&SPIN_KEYS, Severity::Warning);
    let source = table.require("source", "write the component's file, relative to the manifest");
    let source = source.and_then(|node| {
        if node.is_table() {
            node.error(
                "names a download",
                "this host loads files: write the file's path, relative to the manifest",
            );
            return None;
        }
        node.name().map(str::to_owned)
    });
    let dependencies = table
        .get("dependencies")
        .and_then(|node| node.table())
        .map(|table| table.entries().map(|(name, node)| read_dependency(name, &node)).collect())
        .unwrap_or_default();
    let host = table
        .get("tool")
        .and_then(|node| node.table())
        .and_then(|tools| tools.get("pingtalk"))
        .map(|node| read_settings(&node))
        .unwrap_or_default();
    Component {
        source: source.unwrap_or_default(),
        build: table.get("build").and_then(|node| read_build(&node)),
        variables: table.get("variables").map(|n| read_templates(&n)).unwrap_or_default(),
        allowed_outbound_hosts: table
            .get("allowed_outbound_hosts")
            .map(|node| read_outbound(&node))
            .unwrap_or_default(),
        dependencies,
        host,
    }
}

/// `"pingtalk:cache/store@0.1.0" = { component = "cache" }` or `{ path = "FILE" }`; whatever else Spin
/// takes there is named by its package.
fn read_dependency(import: &str, node: &Node<'_>) -> Dependency {
    let named = |key: &str| {
        let table = if node.is_table() { node.table()? } else { return None };
        table.get(key)?.text().map(str::to_owned)
    };
    let met_by = named("component")
        .map(|name| format!("component {name}"))
        .or_else(|| named("path"))
        .or_else(|| named("package"))
        .unwrap_or_else(|| "a package".to_owned());
    Dependency { import: import.to_owned(), met_by }
}

fn read_build(node: &Node<'_>) -> Option<Build> {
    let table = node.table()?;
    table.only(&["command", "workdir", "watch"], Severity::Warning);
    let command = table.require("command", "write the command that builds the component")?;
    // Spin takes one command or an array of them.
    let commands = match command.is_array() {
        true => command.list().iter().filter_map(|node| node.name()).map(str::to_owned).collect(),
        false => vec![command.name()?.to_owned()],
    };
    let workdir = table.get("workdir").and_then(|node| node.text()).map(str::to_owned);
    let watch = table.get("watch").map(|node| node.names()).unwrap_or_default();
    Some(Build { commands, workdir, watch })
}

fn read_settings(node: &Node<'_>) -> ComponentSettings {
    let Some(table) = node.table() else { return ComponentSettings::default() };
    table.only(
        &[
            "direct_port",
            "documents",
            "cache",
            "publish",
            "consume",
            "blobs",
            "sockets",
            "http",
            "budgets",
            "spin_only",
        ],
        Severity::Error,
    );
    ComponentSettings {
        direct_port: table.get("direct_port").and_then(|node| read_variable_name(&node)),
        documents: read(&table, "documents", grants::read_documents),
        cache: read(&table, "cache", grants::read_cache),
        publish: read(&table, "publish", grants::read_topics),
        consume: read(&table, "consume", grants::read_queues),
        blobs: read(&table, "blobs", grants::read_containers),
        sockets: read(&table, "sockets", read_sockets),
        http: read(&table, "http", read_http),
        budgets: read(&table, "budgets", read_budgets),
        spin_only: read(&table, "spin_only", |node| node.boolean()),
    }
}

/// The key's value, or the default when the key is absent.
fn read<T: Default>(table: &Table<'_>, key: &str, read: impl FnOnce(&Node<'_>) -> T) -> T {
    table.get(key).map(|node| read(&node)).unwrap_or_default()
}

/// The name of an environment variable: the port itself is the operator's to choose.
fn read_variable_name(node: &Node<'_>) -> Option<String> {
    let name = node.name()?;
    let letters = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    if !name.bytes().all(letters) || name.starts_with(|c: char| c.is_ascii_digit()) {
        node.error(
            format!("`{name}` is not the name of an environment variable"),
            "write a name such as \"AUTH_SERVICE_PORT\"; the operator sets the port",
        );
        return None;
    }
    Some(name.to_owned())
}

fn read_http(node: &Node<'_>) -> HttpSettings {
    let Some(table) = node.table() else { return HttpSettings::default() };
    table.only(&["max_body", "max_json", "rate_limit"], Severity::Error);
    let max_body = table.get("max_body").and_then(|node| node.size());
    let json = table.get("max_json");
    let max_json = json.as_ref().and_then(|node| node.size());
    if let (Some(node), Some(body), Some(json)) = (&json, max_body, max_json)
        && json > body
    {
        node.error("is over max_body", "write at most as much");
    }
    let rate_limit = table.get("rate_limit").and_then(|node| node.name()).map(str::to_owned);
    HttpSettings { max_body, max_json, rate_limit }
}
