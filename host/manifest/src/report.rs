//! What each component is granted, for people: the text of `pingtalk check`.

use std::fmt::Write;

use crate::{
    component::Component,
    manifest::Manifest,
    units::{show_duration, show_size},
};

impl Manifest {
    /// A report of routes, grants and bounds, component by component. What does not stand there
    /// is not allowed.
    #[must_use]
    pub fn grant_report(&self) -> String {
        let mut report = Report(String::new());
        let application = &self.application;
        report.line(format_args!("{} {}", application.name, application.version));
        for (name, component) in &self.components {
            report.line(format_args!(""));
            report.line(format_args!("{name} ({})", component.source));
            self.component(&mut report, name, component);
        }
        report.0
    }

    fn component(&self, report: &mut Report, name: &str, component: &Component) {
        let host = &component.host;
        let routes = self.triggers.iter().filter(|trigger| trigger.component == name);
        report.row("serves", routes.map(|trigger| trigger.route.to_string()));
        if host.sockets.serve {
            report.row("sockets at", host.sockets.paths.iter().cloned());
        }
        report.row("direct port", host.direct_port.iter().map(|name| format!("${name}")));
        report.row(
            "consumes",
            host.consume
                .iter()
                .map(|queue| format!("{} <- {}", queue.name, queue.topics.join(" + "))),
        );
        report.row("documents", host.documents.iter().map(ToString::to_string));
        report.row("publishes", host.publish.iter().cloned());
        report.row("cache keys", host.cache.iter().map(|prefix| format!("{prefix}*")));
        report.row("blobs", host.blobs.iter().map(|container| self.container(container)));
        if host.sockets.emit {
            report.row("emits to", ["any room, user or socket".to_owned()]);
        }
        report.row("sends to", component.allowed_outbound_hosts.iter().map(ToString::to_string));
        report.row(
            "variables",
            component.variables.iter().map(|(name, template)| {
                let secret = template
                    .variables()
                    .any(|name| self.variables.get(name).is_some_and(|v| v.secret));
                if secret { format!("{name} (secret)") } else { name.clone() }
            }),
        );
        report.row("bounds", bounds(component, self));
    }

    fn container(&self, container: &str) -> String {
        let public = self.application.host.public_blobs.iter().any(|name| name == container);
        if public { format!("{container} (public)") } else { container.to_owned() }
    }
}

fn bounds(component: &Component, manifest: &Manifest) -> Vec<String> {
    let (http, budgets) = (&component.host.http, &component.host.budgets);
    let mut bounds = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        bounds.extend(value.map(|value| format!("{name} {value}")));
    };
    add("body", http.max_body.map(show_size));
    add("JSON", http.max_json.map(show_size));
    add("memory", budgets.memory.map(show_size));
    add("wall time", budgets.wall_time.map(show_duration));
    add("CPU time", budgets.cpu_time.map(show_duration));
    add("concurrency", budgets.concurrency.map(|n| n.to_string()));
    add("instances a core", budgets.max_instances.map(|n| n.to_string()));
    add("waiting", budgets.waiting.map(|n| n.to_string()));
    add("reuse", budgets.reuse.map(|n| n.to_string()));
    add("idle", budgets.idle.map(show_duration));
    add("handles", budgets.handles.map(|n| n.to_string()));
    let limit = http
        .rate_limit
        .as_ref()
        .and_then(|name| Some((name, manifest.application.host.rate_limits.get(name)?)));
    if let Some((name, limit)) = limit {
        add(
            "rate",
            Some(format!(
                "{}/s, burst {} (shared as `{name}`)",
                limit.requests_per_second, limit.burst
            )),
        );
    }
    bounds
}

struct Report(String);

impl Report {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{line}");
    }

    /// A label and its values, one a line; nothing when there are none.
    fn row(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        for value in values {
            self.line(format_args!("  {label:<12} {value}"));
            label = "";
        }
    }
}
