//! What a release changes against the one before, for an operator to look at.

use std::collections::{BTreeMap, BTreeSet};

use pingtalk_manifest::Manifest;
use pingtalk_runtime::Component;
use serde::Serialize;

use super::loader::LoadedRelease;

/// The difference of two releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Components that are new, changed or gone, by name.
    pub components: Vec<ComponentChange>,
    /// Lines of the grant report that are new: what the manifest newly allows or serves.
    pub granted: Vec<String>,
    /// Lines that are gone.
    pub withdrawn: Vec<String>,
    /// Other values of the manifest that are new, changed or gone.
    pub settings: Vec<SettingChange>,
}

/// One value of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Where it stands: the keys to it, joined by dots.
    pub path: String,
    /// The value before, as TOML; none when it is new.
    pub before: Option<String>,
    /// The value after; none when it is gone.
    pub after: Option<String>,
}

/// One component's difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComponentChange {
    /// Its name.
    pub name: String,
    /// The digest before; none when it is new.
    pub before: Option<String>,
    /// The digest after; none when it is gone.
    pub after: Option<String>,
    /// Interfaces it newly imports.
    pub imports_added: Vec<String>,
    /// Interfaces it imports no more.
    pub imports_removed: Vec<String>,
    /// Interfaces it newly exports.
    pub exports_added: Vec<String>,
    /// Interfaces it exports no more.
    pub exports_removed: Vec<String>,
}

impl Changes {
    /// Compares. Without a release before, everything is new.
    pub(super) fn between(before: Option<&LoadedRelease>, after: &LoadedRelease) -> Self {
        let none = BTreeMap::new();
        let old = before.map_or(&none, |before| &before.components);
        let names: BTreeSet<&String> = old.keys().chain(after.components.keys()).collect();
        let components = names
            .into_iter()
            .filter_map(|name| component(name, old.get(name), after.components.get(name)))
            .collect();
        let report = |release: &LoadedRelease| grants(&release.manifest.grant_report());
        let (old, new) = (before.map(report).unwrap_or_default(), report(after));
        Self {
            components,
            granted: new.difference(&old).cloned().collect(),
            withdrawn: old.difference(&new).cloned().collect(),
            settings: settings(before.map(|before| &*before.manifest), &after.manifest),
        }
    }

    /// True when nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
            && self.granted.is_empty()
            && self.withdrawn.is_empty()
            && self.settings.is_empty()
    }
}

fn component(
    name: &str,
    before: Option<&std::sync::Arc<Component>>,
    after: Option<&std::sync::Arc<Component>>,
) -> Option<ComponentChange> {
    let digest = |component: &std::sync::Arc<Component>| component.digest().to_owned();
    if before.map(digest) == after.map(digest) {
        return None;
    }
    let names = |names: Option<&[String]>| -> BTreeSet<String> {
        names.unwrap_or_default().iter().cloned().collect()
    };
    let imports = [before, after].map(|side| names(side.map(|component| component.imports())));
    let exports = [before, after].map(|side| names(side.map(|component| component.exports())));
    let minus =
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    let ([imports_before, imports_after], [exports_before, exports_after]) = (&imports, &exports);
    Some(ComponentChange {
        name: name.to_owned(),
        before: before.map(digest),
        after: after.map(digest),
        imports_added: minus(imports_after, imports_before),
        imports_removed: minus(imports_before, imports_after),
        exports_added: minus(exports_after, exports_before),
        exports_removed: minus(exports_before, exports_after),
    })
}

/// The values that differ, but those that the rows of the grant report tell.
fn settings(before: Option<&Manifest>, after: &Manifest) -> Vec<SettingChange> {
    // Of a first release everything is new: there is nothing to compare with.
    let Some(before) = before else { return Vec::new() };
    let paths: BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    let change = |path: &String| {
        let (old, new) = (before.settings.get(path), after.settings.get(path));
        let change =
            SettingChange { path: path.clone(), before: old.cloned(), after: new.cloned() };
        (old != new && !is_granted(path)).then_some(change)
    };
    paths.into_iter().filter_map(change).collect()
}

/// True for what a component's rows of the grant report say.
fn is_granted(path: &str) -> bool {
    let mut keys = path.split('.');
    matches!(
        (keys.next(), keys.next(), keys.next()),
        (Some("component"), Some(_), Some("tool" | "allowed_outbound_hosts"))
            | (Some("trigger"), _, _)
    )
}

/// The report's rows, each with its component and label: `chat: documents chatDB.chats:write`.
fn grants(report: &str) -> BTreeSet<String> {
    let (mut component, mut label) = (String::new(), String::new());
    let mut rows = BTreeSet::new();
    // The first line is the application's name.
    for line in report.lines().skip(1) {
        let Some(row) = line.strip_prefix("  ") else {
            component = line.split(" (").next().unwrap_or_default().to_owned();
            continue;
        };
        let (own, value) = row.split_at_checked(12).unwrap_or((row, ""));
        if !own.trim().is_empty() {
            own.trim().clone_into(&mut label);
        }
        rows.insert(format!("{component}: {label} {}", value.trim()));
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use pingtalk_manifest::Manifest;

    use super::{grants, settings};

    #[test]
    fn values_that_grant_nothing_are_compared_too() {
        let manifest = |version: &str, memory: &str, rest: &str| {
            let text = format!(
                "spin_manifest_version = 2\n[application]\nname = \"a\"\nversion = \"{version}\"\n\
                 [application.tool.pingtalk]\n{rest}\n\
                 [[trigger.http]]\nroute = \"/...\"\ncomponent = \"c\"\n\
                 [component.c]\nsource = \"c.wasm\"\n\
                 [component.c.tool.pingtalk]\nbudgets = {{ memory = \"{memory}\" }}\n"
            );
            Manifest::parse("spin.toml", &text).unwrap()
        };
        let before = manifest("1.0.0", "1MiB", "");
        let after = manifest("1.1.0", "2MiB", "cors_origins = [\"https://a.example\"]");
        let changes = settings(Some(&before), &after);
        let lines: Vec<_> = changes
            .iter()
            .map(|it| (it.path.as_str(), it.before.as_deref(), it.after.as_deref()))
            .collect();
        assert_eq!(
            lines,
            [
                ("application.tool.pingtalk.cors_origins", None, Some("[\"https://a.example\"]")),
                ("application.version", Some("\"1.0.0\""), Some("\"1.1.0\"")),
            ]
        );
        assert!(settings(Some(&before), &before).is_empty());
        assert!(settings(None, &before).is_empty());
    }

    #[test]
    fn a_report_becomes_rows_of_their_own() {
        let report = "app 1.0\n\nchat (chat.wasm)\n  serves       /chat/...\n  documents    a.b:read\n               a.c:write\n";
        let rows: Vec<String> = grants(report).into_iter().collect();
        assert_eq!(
            rows,
            ["chat: documents a.b:read", "chat: documents a.c:write", "chat: serves /chat/..."]
        );
    }
}
