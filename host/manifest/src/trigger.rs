//! `[[trigger.http]]`: which routes reach which component.

use std::fmt;

use crate::{
    finding::Severity,
    reader::{Node, Table},
};

/// A route, in Spin's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/health`: this path only.
    Exact(String),
    /// `/auth/...`: this path and all below it; held without the dots and the last slash, so that
    /// `/...` is the empty prefix.
    Below(String),
    /// `{ private = true }`: reachable from other components only.
    Private,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Below(prefix) => write!(f, "{prefix}/..."),
            Self::Private => f.write_str("(private)"),
        }
    }
}

/// One HTTP trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Its route.
    pub route: Route,
    /// The component's name.
    pub component: String,
}

/// Reads `[[trigger.http]]`; other triggers are told apart as not served here.
pub(crate) fn read_triggers(table: &Table<'_>) -> Vec<HttpTrigger> {
    let mut triggers = Vec::new();
    for (kind, node) in table.entries() {
        if kind == "http" {
            triggers = node.list().iter().filter_map(read_trigger).collect();
        } else {
            node.warn(
                format!("this host serves no `{kind}` triggers"),
                "only `[[trigger.http]]` has an effect here",
            );
        }
    }
    triggers
}

fn read_trigger(node: &Node<'_>) -> Option<HttpTrigger> {
    let table = node.table()?;
    table.only(
        &["id", "route", "component", "components", "executor", "dependencies"],
        Severity::Warning,
    );
    let route = table
        .require("route", "write a path, such as route = \"/auth/...\"")
        .and_then(|node| read_route(&node));
    let component = table.require("component", "write a component's name")?;
    if component.is_table() {
        component.error(
            "holds a whole component",
            "move it to [component.NAME] and write component = \"NAME\"",
        );
        return None;
    }
    Some(HttpTrigger { route: route?, component: component.name()?.to_owned() })
}

fn read_route(node: &Node<'_>) -> Option<Route> {
    if node.is_table() {
        let table = node.table()?;
        table.only(&["private"], Severity::Error);
        return table
            .require("private", "write { private = true }")?
            .boolean()
            .then_some(Route::Private);
    }
    let text = node.text()?;
    let (path, below) = match text.strip_suffix("/...") {
        Some(prefix) => (prefix, true),
        None => (text, false),
    };
    let segments = |path: &str| {
        path.split('/').skip(1).all(|segment| {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~".contains(&c);
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && !segment.contains("...")
                && segment.bytes().all(plain)
        })
    };
    let ok = match path {
        "" => below,
        "/" => !below,
        _ => path.starts_with('/') && segments(path),
    };
    if !ok {
        node.error(
            format!("`{text}` is not a route of this host"),
            "write a path of letters, digits and -_.~, such as \"/auth\" or \"/auth/...\"",
        );
        return None;
    }
    Some(if below { Route::Below(path.to_owned()) } else { Route::Exact(path.to_owned()) })
}
