//! References between the parts of a manifest: every name that is used must be declared, once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Route,
    component::Component,
    finding::{Finding, Severity},
    grants::Access,
    manifest::Manifest,
    nearest::nearest,
};

impl Manifest {
    pub(crate) fn check_references(&self) -> Vec<Finding> {
        let mut checks = Checks { manifest: self, findings: Vec::new() };
        checks.triggers();
        checks.queues();
        checks.topics();
        checks.sockets();
        checks.collections_used();
        checks.public_blobs();
        for (name, component) in &self.components {
            checks.variables(name, component);
            checks.documents(name, component);
            checks.rate_limit(name, component);
        }
        checks.direct_ports();
        checks.findings
    }
}

struct Checks<'m> {
    manifest: &'m Manifest,
    findings: Vec<Finding>,
}

impl Checks<'_> {
    fn report(&mut self, severity: Severity, path: String, problem: String, fix: String) {
        let location = self.manifest.locations.get(&path).copied();
        let file = self.manifest.file.clone();
        self.findings.push(Finding { severity, file, location, path, problem, fix });
    }

    fn error(&mut self, path: String, problem: impl Into<String>, fix: impl Into<String>) {
        self.report(Severity::Error, path, problem.into(), fix.into());
    }

    fn warn(&mut self, path: String, problem: impl Into<String>, fix: impl Into<String>) {
        self.report(Severity::Warning, path, problem.into(), fix.into());
    }

    fn triggers(&mut self) {
        let mut routes: BTreeMap<String, usize> = BTreeMap::new();
        for (index, trigger) in self.manifest.triggers.iter().enumerate() {
            let path = format!("trigger.http[{index}]");
            let known: Vec<&str> = self.manifest.components.keys().map(String::as_str).collect();
            if !known.contains(&trigger.component.as_str()) {
                self.error(
                    format!("{path}.component"),
                    format!("there is no component `{}`", trigger.component),
                    suggest(&trigger.component, &known),
                );
            }
            if trigger.route == Route::Private {
                continue;
            }
            // Routes accept any letter case, so two that differ in case alone are one.
            let route = trigger.route.to_string();
            if let Some(earlier) = routes.insert(route.to_lowercase(), index) {
                self.error(
                    format!("{path}.route"),
                    format!("`{route}` is the route of trigger.http[{earlier}] already"),
                    "give one of them another route",
                );
            }
        }
        let served = |name: &str| self.manifest.triggers.iter().any(|t| t.component == name);
        let idle: Vec<String> = self
            .manifest
            .components
            .iter()
            .filter(|(name, component)| {
                !served(name)
                    && !component.host.spin_only
                    && component.host.consume.is_empty()
                    && !component.host.sockets.serve
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in idle {
            self.warn(
                format!("component.{name}"),
                "nothing calls it",
                "add a [[trigger.http]], a queue or sockets, or remove it",
            );
        }
    }

    fn variables(&mut self, name: &str, component: &Component) {
        let known: Vec<&str> = self.manifest.variables.keys().map(String::as_str).collect();
        for (key, template) in &component.variables {
            for variable in template.variables() {
                if !known.contains(&variable) {
                    self.error(
                        format!("component.{name}.variables.{key}"),
                        format!("there is no variable `{variable}`"),
                        suggest(variable, &known),
                    );
                }
            }
        }
    }

    fn documents(&mut self, name: &str, component: &Component) {
        let collections = &self.manifest.application.host.collections;
        let full: Vec<String> =
            collections.iter().map(|c| format!("{}.{}", c.database, c.name)).collect();
        let known: Vec<&str> = full.iter().map(String::as_str).collect();
        for (index, grant) in component.host.documents.iter().enumerate() {
            let declared = collections.iter().any(|collection| {
                collection.database == grant.database
                    && grant.collection.as_ref().is_none_or(|name| *name == collection.name)
            });
            if declared {
                continue;
            }
            let wanted =
                format!("{}.{}", grant.database, grant.collection.as_deref().unwrap_or("*"));
            self.error(
                format!("component.{name}.tool.pingtalk.documents[{index}]"),
                format!("`{wanted}` is not declared"),
                match nearest(&wanted, &known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "declare it in [[application.tool.pingtalk.collections]]".to_owned(),
                },
            );
        }
    }

    fn collections_used(&mut self) {
        let collections = &self.manifest.application.host.collections;
        let grants = || self.manifest.components.values().flat_map(|c| &c.host.documents);
        let unwritten: Vec<(usize, String)> = collections
            .iter()
            .enumerate()
            .filter(|(_, collection)| {
                !grants().any(|grant| {
                    grant.access == Access::Write
                        && grant.database == collection.database
                        && grant.collection.as_ref().is_none_or(|name| *name == collection.name)
                })
            })
            .map(|(index, collection)| {
                (index, format!("{}.{}", collection.database, collection.name))
            })
            .collect();
        for (index, name) in unwritten {
            self.warn(
                format!("application.tool.pingtalk.collections[{index}]"),
                format!("no component may write `{name}`"),
                "grant it, or remove the collection",
            );
        }
    }

    fn rate_limit(&mut self, name: &str, component: &Component) {
        let Some(bucket) = &component.host.http.rate_limit else { return };
        let limits = &self.manifest.application.host.rate_limits;
        let known: Vec<&str> = limits.keys().map(String::as_str).collect();
        if !known.contains(&bucket.as_str()) {
            self.error(
                format!("component.{name}.tool.pingtalk.http.rate_limit"),
                format!("there is no bucket `{bucket}`"),
                match nearest(bucket, &known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "declare it in [application.tool.pingtalk.rate_limits]".to_owned(),
                },
            );
        }
    }

    fn queues(&mut self) {
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        let mut twice = Vec::new();
        for (name, component) in &self.manifest.components {
            for (index, queue) in component.host.consume.iter().enumerate() {
                let path = format!("component.{name}.tool.pingtalk.consume[{index}]");
                if let Some(earlier) = seen.insert(&queue.name, name.clone()) {
                    twice.push((path, queue.name.clone(), earlier));
                }
            }
        }
        for (path, queue, earlier) in twice {
            self.error(
                path,
                format!("the queue `{queue}` is consumed by `{earlier}` already"),
                "give each consumer a queue of its own",
            );
        }
    }

    fn topics(&mut self) {
        let components = &self.manifest.components;
        let published: BTreeSet<&str> =
            components.values().flat_map(|c| &c.host.publish).map(String::as_str).collect();
        let known: Vec<&str> = published.iter().copied().collect();
        let mut unheard = Vec::new();
        for (name, component) in components {
            for (index, queue) in component.host.consume.iter().enumerate() {
                for topic in queue.topics.iter().filter(|t| !published.contains(t.as_str())) {
                    let path = format!("component.{name}.tool.pingtalk.consume[{index}]");
                    unheard.push((path, topic.clone()));
                }
            }
        }
        for (path, topic) in unheard {
            // Only a warning: a neighbour outside this application may publish it.
            self.warn(
                path,
                format!("no component here publishes `{topic}`"),
                match nearest(&topic, &known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "fine if a neighbour publishes it".to_owned(),
                },
            );
        }
    }

    fn sockets(&mut self) {
        let serving: Vec<String> = self
            .manifest
            .components
            .iter()
            .filter(|(_, component)| component.host.sockets.serve)
            .map(|(name, _)| name.clone())
            .collect();
        if let [first, rest @ ..] = serving.as_slice() {
            for name in rest {
                self.error(
                    format!("component.{name}.tool.pingtalk.sockets"),
                    format!("`{first}` serves the sockets already"),
                    "let one component serve them",
                );
            }
        }
        if serving.is_empty() {
            let emitting: Vec<String> = self
                .manifest
                .components
                .iter()
                .filter(|(_, component)| component.host.sockets.emit)
                .map(|(name, _)| name.clone())
                .collect();
            for name in emitting {
                self.error(
                    format!("component.{name}.tool.pingtalk.sockets"),
                    "emits to sockets that no component serves",
                    "write serve = true at the component that accepts them",
                );
            }
        }
    }

    fn public_blobs(&mut self) {
        let granted: BTreeSet<&str> = self
            .manifest
            .components
            .values()
            .flat_map(|component| &component.host.blobs)
            .map(String::as_str)
            .collect();
        let known: Vec<&str> = granted.iter().copied().collect();
        for container in &self.manifest.application.host.public_blobs {
            if !granted.contains(container.as_str()) {
                self.error(
                    "application.tool.pingtalk.public_blobs".to_owned(),
                    format!("no component has the container `{container}`"),
                    suggest(container, &known),
                );
            }
        }
    }

    fn direct_ports(&mut self) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut twice = Vec::new();
        for (name, component) in &self.manifest.components {
            if let Some(variable) = &component.host.direct_port
                && let Some(earlier) = seen.insert(variable, name)
            {
                twice.push((name.clone(), variable.clone(), earlier.to_owned()));
            }
        }
        for (name, variable, earlier) in twice {
            self.error(
                format!("component.{name}.tool.pingtalk.direct_port"),
                format!("`{variable}` is the port of `{earlier}` already"),
                "write another variable",
            );
        }
    }
}

fn suggest(wanted: &str, known: &[&str]) -> String {
    match nearest(wanted, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "declare it first".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    }
}
