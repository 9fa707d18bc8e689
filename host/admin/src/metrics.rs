//! A status as Prometheus reads it: the text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write as _};

use crate::status::{HostStatus, LATENCY_BOUNDS_MS, RouteStatus};

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text being written, family by family.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (key, value)) in labels.iter().enumerate() {
            let _ = write!(
                self.0,
                "{}{key}=\"{}\"",
                if index == 0 { '{' } else { ',' },
                Escaped(value)
            );
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// A label's value: back-slash, quote and line feed are escaped.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

pub(crate) fn render(status: &HostStatus) -> String {
    let mut page = Page(String::with_capacity(4_096 + status.tenants.len() * 8_192));
    page.family("pingtalk_build_info", "gauge", "The binary.");
    page.sample("pingtalk_build_info", &[("version", &status.version)], 1);
    page.single("process_resident_memory_bytes", "gauge", "Resident memory.", status.memory_bytes);
    page.single("process_cpu_seconds_total", "counter", "CPU time.", status.cpu_seconds);
    page.single("pingtalk_uptime_seconds", "gauge", "Since the start.", status.uptime_seconds);
    page.single(
        "pingtalk_tenants_known",
        "gauge",
        "Tenants in the control store.",
        status.tenants_known,
    );
    page.single("pingtalk_tenants_open", "gauge", "Tenants open here.", status.tenants.len());
    tenants(&mut page, status);
    gateway(&mut page, status);
    routes(&mut page, status);
    components(&mut page, status);
    sockets(&mut page, status);
    queues(&mut page, status);
    page.0
}

fn tenants(page: &mut Page, status: &HostStatus) {
    type Read = fn(&crate::status::TenantStatus) -> u64;
    let families: [(&str, &str, Read); 3] = [
        ("pingtalk_tenant_memory_bytes", "Linear memory of all instances.", |t| t.memory_bytes),
        ("pingtalk_tenant_stored_documents", "Documents, as measured last.", |t| {
            t.stored_documents
        }),
        ("pingtalk_tenant_stored_bytes", "Documents, indexes and blobs, as measured last.", |t| {
            t.stored_bytes
        }),
    ];
    for (name, help, read) in families {
        page.family(name, "gauge", help);
        for tenant in &status.tenants {
            page.sample(name, &[("tenant", &tenant.name)], read(tenant));
        }
    }
}

fn gateway(page: &mut Page, status: &HostStatus) {
    let it = &status.gateway;
    for (name, help, value) in [
        ("pingtalk_gateway_connections", "Connections open now.", it.connections),
        ("pingtalk_gateway_requests_in_flight", "Requests being answered.", it.in_flight),
    ] {
        page.single(name, "gauge", help, value);
    }
    for (name, help, value) in [
        ("pingtalk_gateway_connections_total", "Connections accepted.", it.accepted),
        ("pingtalk_gateway_connections_refused_total", "Connections over the bound.", it.refused),
        ("pingtalk_gateway_unrouted_total", "Requests that reached no route.", it.unrouted),
        ("pingtalk_gateway_rate_limited_total", "Requests over a rate limit.", it.rate_limited),
        ("pingtalk_gateway_overdue_total", "Connections that were too slow.", it.overdue),
    ] {
        page.single(name, "counter", help, value);
    }
}

fn routes(page: &mut Page, status: &HostStatus) {
    const RESPONSES: &str = "pingtalk_http_responses_total";
    page.family(RESPONSES, "counter", "Responses by class of status.");
    let each = || status.tenants.iter().flat_map(|t| t.routes.iter().map(move |r| (t, r)));
    for (tenant, route) in each() {
        for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(route.responses) {
            if count > 0 {
                page.sample(RESPONSES, &labelled(&tenant.name, route, ("status", class)), count);
            }
        }
    }
    const SECONDS: &str = "pingtalk_http_response_seconds";
    page.family(SECONDS, "histogram", "Time to the head of a response.");
    for (tenant, route) in each() {
        let mut below = 0;
        let bounds = LATENCY_BOUNDS_MS.iter().map(|bound| (bound / 1_000.0).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&route.latency) {
            below += count;
            let labels = labelled(&tenant.name, route, ("le", &bound));
            page.sample("pingtalk_http_response_seconds_bucket", &labels, below);
        }
        let labels = &labelled(&tenant.name, route, ("", ""))[..3];
        page.sample("pingtalk_http_response_seconds_sum", labels, route.seconds);
        page.sample("pingtalk_http_response_seconds_count", labels, below);
    }
}

fn labelled<'a>(
    tenant: &'a str,
    route: &'a RouteStatus,
    last: (&'a str, &'a str),
) -> [(&'a str, &'a str); 4] {
    let component = route.component.as_deref().unwrap_or_default();
    [("tenant", tenant), ("route", &route.route), ("component", component), last]
}

fn components(page: &mut Page, status: &HostStatus) {
    type Read = fn(&crate::status::ComponentStatus) -> f64;
    #[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
    let families: [(&str, &str, &str, Read); 14] = [
        ("pingtalk_component_instances", "gauge", "Live instances.", |c| c.instances as f64),
        ("pingtalk_component_memory_bytes", "gauge", "Linear memory.", |c| c.memory_bytes as f64),
        ("pingtalk_component_calls_in_flight", "gauge", "Calls being served.", |c| {
            c.in_flight as f64
        }),
        ("pingtalk_component_calls_waiting", "gauge", "Calls that wait.", |c| c.waiting as f64),
        ("pingtalk_component_cpu_seconds_total", "counter", "CPU time.", |c| c.cpu_seconds),
        (
            "pingtalk_component_throttled_seconds_total",
            "counter",
            "Time that instances waited because their tenant had used its CPU time.",
            |c| c.throttled_seconds,
        ),
        ("pingtalk_component_host_calls_total", "counter", "Calls of capabilities.", |c| {
            c.host_calls as f64
        }),
        ("pingtalk_component_calls_total", "counter", "Calls taken.", |c| c.calls as f64),
        ("pingtalk_component_overloaded_total", "counter", "Calls refused.", |c| {
            c.overloaded as f64
        }),
        (
            "pingtalk_component_deadline_exceeded_total",
            "counter",
            "Calls that took too long.",
            |c| c.deadline_exceeded as f64,
        ),
        (
            "pingtalk_component_failed_total",
            "counter",
            "Calls that trapped or went over a budget.",
            |c| c.failed as f64,
        ),
        ("pingtalk_component_lost_total", "counter", "Calls lost with an instance.", |c| {
            c.lost as f64
        }),
        ("pingtalk_component_instances_started_total", "counter", "Instances started.", |c| {
            c.started as f64
        }),
        (
            "pingtalk_component_instances_killed_total",
            "counter",
            "Instances ended for a trap or an overrun.",
            |c| c.killed as f64,
        ),
    ];
    for (name, kind, help, read) in families {
        page.family(name, kind, help);
        for tenant in &status.tenants {
            for component in &tenant.components {
                let labels = [
                    ("tenant", tenant.name.as_str()),
                    ("component", component.component.as_str()),
                    ("release", component.release.as_str()),
                ];
                page.sample(name, &labels, read(component));
            }
        }
    }
}

fn sockets(page: &mut Page, status: &HostStatus) {
    type Read = fn(&crate::status::SocketStatus) -> usize;
    let families: [(&str, &str, Read); 4] = [
        ("pingtalk_socket_connections", "Engine.IO connections.", |s| s.connections),
        ("pingtalk_sockets", "Sockets.", |s| s.sockets),
        ("pingtalk_socket_users", "Users with a socket.", |s| s.users),
        ("pingtalk_socket_queued_bytes", "Bytes that wait to be sent.", |s| s.queued_bytes),
    ];
    for (name, help, read) in families {
        page.family(name, "gauge", help);
        for tenant in &status.tenants {
            page.sample(name, &[("tenant", &tenant.name)], read(&tenant.sockets));
        }
    }
}

fn queues(page: &mut Page, status: &HostStatus) {
    type Read = fn(&crate::status::QueueStatus) -> Option<u64>;
    let families: [(&str, &str, Read); 2] = [
        ("pingtalk_queue_waiting", "Events that wait.", |queue| queue.waiting),
        ("pingtalk_queue_dead_letters", "Events that no consumer could handle.", |queue| {
            queue.dead
        }),
    ];
    for (name, help, read) in families {
        page.family(name, "gauge", help);
        for tenant in &status.tenants {
            for queue in &tenant.queues {
                if let Some(value) = read(queue) {
                    let labels =
                        [("tenant", tenant.name.as_str()), ("queue", queue.queue.as_str())];
                    page.sample(name, &labels, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ComponentStatus, QueueStatus, TenantStatus};

    #[test]
    fn samples_are_lines_and_labels_are_escaped() {
        let latency = (0..=LATENCY_BOUNDS_MS.len()).map(|at| match at {
            0 => 2,
            3 => 1,
            _ => 0,
        });
        let latency = latency.collect();
        let status = HostStatus {
            version: "1".to_owned(),
            tenants: vec![TenantStatus {
                name: "shop".to_owned(),
                routes: vec![RouteStatus {
                    route: "/a\"b\\\n".to_owned(),
                    component: Some("auth".to_owned()),
                    responses: [0, 2, 0, 1, 0],
                    seconds: 0.5,
                    latency,
                }],
                components: vec![ComponentStatus {
                    component: "auth".to_owned(),
                    release: "abc".to_owned(),
                    calls: 3,
                    ..ComponentStatus::default()
                }],
                queues: vec![QueueStatus { queue: "q".to_owned(), waiting: Some(4), dead: None }],
                ..TenantStatus::default()
            }],
            ..HostStatus::default()
        };
        let text = render(&status);
        let has = |line: &str| assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        has("pingtalk_build_info{version=\"1\"} 1");
        has(
            "pingtalk_http_responses_total{tenant=\"shop\",route=\"/a\\\"b\\\\\\n\",component=\"auth\",status=\"2xx\"} 2",
        );
        has(
            "pingtalk_http_response_seconds_bucket{tenant=\"shop\",route=\"/a\\\"b\\\\\\n\",component=\"auth\",le=\"0.00025\"} 2",
        );
        has(
            "pingtalk_http_response_seconds_bucket{tenant=\"shop\",route=\"/a\\\"b\\\\\\n\",component=\"auth\",le=\"0.0025\"} 3",
        );
        has(
            "pingtalk_http_response_seconds_bucket{tenant=\"shop\",route=\"/a\\\"b\\\\\\n\",component=\"auth\",le=\"+Inf\"} 3",
        );
        has(
            "pingtalk_http_response_seconds_count{tenant=\"shop\",route=\"/a\\\"b\\\\\\n\",component=\"auth\"} 3",
        );
        has("pingtalk_component_calls_total{tenant=\"shop\",component=\"auth\",release=\"abc\"} 3");
        has("pingtalk_queue_waiting{tenant=\"shop\",queue=\"q\"} 4");
        assert!(!text.contains("pingtalk_queue_dead_letters{"));
        // Each family is told once, before its samples.
        let mut families: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let all = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), all);
        assert!(text.lines().all(|line| line.starts_with('#') || line.contains(' ')));
    }
}
