//! Traces and log lines for an OpenTelemetry collector, over OTLP (HTTP, protobuf).
//!
//! Batches wait in bounded queues and are sent by threads of the exporters' own: a collector that is
//! slow or away costs traces, never a request.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, bail};
use opentelemetry::{KeyValue, global::BoxedTracer, trace::TracerProvider as _};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    LogExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    logs::{SdkLogger, SdkLoggerProvider},
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use pingtalk_capabilities::trace;

use crate::{config::Config, crypto};

/// The name under which the host's spans are known to come from this code.
const SCOPE: &str = "pingtalk";
/// How long the last batch of each kind may take when the host stops.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The way to a collector. Ending it sends what still waits.
pub(crate) struct Telemetry {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Telemetry {
    /// Starts sending to the collector that the configuration names, if it names one.
    pub(crate) fn start(config: &Config) -> Result<Option<Self>> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
            bail!("otlp_endpoint must start with http:// or https://, but is `{endpoint}`");
        }
        let share = config.trace_share;
        if !(0.0..=1.0).contains(&share) {
            bail!("trace_share must lie between 0 and 1, but is {share}");
        }
        crypto::choose();
        let endpoint = endpoint.trim_end_matches('/');
        let headers: HashMap<String, String> = config
            .otlp_headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect();
        let resource = Resource::builder()
            .with_service_name("pingtalk")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", format!("{:016x}", rand::random::<u64>())),
            ])
            .build();

        let spans = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_headers(headers.clone())
            .build()
            .context("`otlp_endpoint`: the exporter of traces does not start")?;
        let traces = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
            .with_resource(resource.clone())
            .with_batch_exporter(spans)
            .build();
        let tracer = BoxedTracer::new(Box::new(traces.tracer(SCOPE)));
        trace::install(tracer, Box::new(TraceContextPropagator::new()), share);

        let lines = LogExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/logs"))
            .with_headers(headers)
            .build()
            .context("`otlp_endpoint`: the exporter of logs does not start")?;
        let logs =
            SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(lines).build();
        Ok(Some(Self { traces, logs }))
    }

    /// What hands log lines on.
    pub(crate) fn lines(&self) -> OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger> {
        OpenTelemetryTracingBridge::new(&self.logs)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // What could not be sent, each has already said.
        let _ = self.traces.shutdown_with_timeout(SHUTDOWN);
        let _ = self.logs.shutdown_with_timeout(SHUTDOWN);
    }
}
