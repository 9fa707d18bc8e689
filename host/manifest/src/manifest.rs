//! The manifest as a whole.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::{
    application::{Application, read_application},
    component::{Component, read_components},
    finding::{Finding, Findings, Location, Severity},
    reader::{Reader, Table},
    settings,
    trigger::{HttpTrigger, read_triggers},
    variables::{MissingVariable, Variable, read_variables},
};

/// A manifest that holds no error.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The application.
    pub application: Application,
    /// Its variables.
    pub variables: BTreeMap<String, Variable>,
    /// Its HTTP routes, in the file's order.
    pub triggers: Vec<HttpTrigger>,
    /// Its components, by name.
    pub components: BTreeMap<String, Component>,
    /// Every value as it stands in the file, by its path: the keys to it, joined by dots.
    pub settings: BTreeMap<String, String>,
    pub(crate) file: String,
    pub(crate) locations: BTreeMap<String, Location>,
    found_while_reading: Vec<Finding>,
}

impl Manifest {
    /// Reads a manifest. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings, when at least one of them is an error. Mere warnings are kept and come out
    /// of [`Manifest::check`].
    pub fn parse(file: &str, text: &str) -> Result<Self, Findings> {
        let reader = Reader::new(file, text);
        let document = DeTable::parse(text);
        let read = match &document {
            Ok(document) => Some(read_root(&reader.root(document.get_ref()))),
            Err(error) => {
                let offset = error.span().map(|span| span.start);
                let problem = error.message().lines().collect::<Vec<_>>().join(", ");
                reader.report(Severity::Error, offset, "", problem, "put the TOML right");
                None
            }
        };
        let (findings, locations) = reader.finish();
        let Some(Parts { application, variables, triggers, components }) = read else {
            return Err(Findings(findings));
        };
        let manifest = Self {
            application,
            variables,
            triggers,
            components,
            settings: settings::flatten(text),
            file: file.to_owned(),
            locations,
            found_while_reading: findings,
        };
        let findings = manifest.check();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(Findings(findings));
        }
        Ok(manifest)
    }

    /// The part that this host serves: without what stands in only for Spin, and without the way to
    /// it.
    #[must_use]
    pub fn for_this_host(mut self) -> Self {
        self.components.retain(|_, component| !component.host.spin_only);
        let components = &self.components;
        self.triggers.retain(|trigger| components.contains_key(&trigger.component));
        for component in self.components.values_mut() {
            component.allowed_outbound_hosts.retain(|host| !host.is_spins_own());
        }
        self
    }

    /// Everything worth telling about the manifest, in the file's order.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = self.found_while_reading.clone();
        let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
        let references = self.check_references().into_iter();
        // What was not understood is missing elsewhere: that deserves no warning of its own.
        findings.extend(references.filter(|f| !broken || f.severity == Severity::Error));
        findings.sort_by_key(|finding| finding.location);
        findings
    }

    /// The values of a component's variables: the operator's, else the defaults.
    ///
    /// # Errors
    /// Names the first required variable that `set` has no value for.
    pub fn resolve_variables(
        &self,
        component: &Component,
        set: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, MissingVariable> {
        let value = |name: &str| {
            set(name).or_else(|| self.variables.get(name).and_then(|v| v.default.clone()))
        };
        component
            .variables
            .iter()
            .map(|(name, template)| Ok((name.clone(), template.resolve(value)?)))
            .collect()
    }
}

struct Parts {
    application: Application,
    variables: BTreeMap<String, Variable>,
    triggers: Vec<HttpTrigger>,
    components: BTreeMap<String, Component>,
}

fn read_root(root: &Table<'_>) -> Parts {
    root.only(
        &["spin_manifest_version", "application", "variables", "trigger", "component"],
        Severity::Warning,
    );
    if let Some(node) = root.require("spin_manifest_version", "write spin_manifest_version = 2") {
        node.number(2..=2);
    }
    let application = root
        .require("application", "write [application] with the application's name")
        .and_then(|node| node.table())
        .map(|table| read_application(&table))
        .unwrap_or_default();
    let variables = root
        .get("variables")
        .and_then(|node| node.table())
        .map(|table| read_variables(&table))
        .unwrap_or_default();
    let triggers = root
        .require("trigger", "write at least one [[trigger.http]]")
        .and_then(|node| node.table())
        .map(|table| read_triggers(&table))
        .unwrap_or_default();
    let components = root
        .require("component", "write at least one [component.NAME]")
        .and_then(|node| node.table())
        .map(|table| read_components(&table))
        .unwrap_or_default();
    Parts { application, variables, triggers, components }
}
