//! Spans for a collector, by the OpenTelemetry protocol over HTTP: what was worked on and how long it took, by the ids
//! that the log has. Only in a build with the feature `otlp`.
//!
//! Nobody waits for the collector: a span goes into a bounded queue, a thread of its own sends what is there, and what
//! finds the queue full is dropped. What was said meanwhile stays in the log.

use super::{SpanLayer, Unsendable};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter as Exporter,
};
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;

/// Where a collector takes spans, below its address.
const PATH: &str = "/v1/traces";

/// So many spans wait for the collector; what comes on top is dropped.
const WAITING_MAX: usize = 8192;
const TOGETHER_MAX: usize = 512;
const SENT_EVERY: Duration = Duration::from_secs(5);
/// For one request, while the process goes on.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// For all that still waits when the process ends.
const FLUSHED_WITHIN: Duration = Duration::from_secs(2);

/// Sends spans until it is dropped; then what waits is sent, for a bounded time.
pub(super) struct Sending(SdkTracerProvider);

impl Drop for Sending {
    fn drop(&mut self) {
        // What could not be sent was told by `Telling`, or is lost with a collector that does not answer.
        let _ = self.0.shutdown_with_timeout(FLUSHED_WITHIN);
    }
}

/// Begins to send to the collector at `endpoint`, which is not connected to yet.
///
/// Whatever matters is set here: the library would take it from the process's environment. From there come only the
/// headers that a collector wants (`OTEL_EXPORTER_OTLP_HEADERS`), since they hold its key.
pub(super) fn start(endpoint: &str) -> Result<(SpanLayer, Sending), Unsendable> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client()?)
        .with_endpoint(format!("{endpoint}{PATH}"))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SENT_WITHIN)
        .build()
        .map_err(|err| Unsendable::Refused { why: err.to_string() })?;
    let queue = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING_MAX)
        .with_max_export_batch_size(TOGETHER_MAX)
        .with_scheduled_delay(SENT_EVERY)
        .build();
    let telling = Telling { exporter, is_failing: AtomicBool::new(false) };
    let us = Resource::builder_empty()
        .with_service_name("renewd")
        .with_attribute(KeyValue::new("service.version", crate::version::NUMBER))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(telling).with_batch_config(queue).build())
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(us)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("renewd"))
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_filter(filter_fn(is_sent));
    Ok((Box::new(layer), Sending(provider)))
}

/// No redirects and no proxies, as everywhere here. A client that blocks cannot be made on a thread of the runtime.
fn client() -> Result<Client, Unsendable> {
    let making = || Client::builder().redirect(Policy::none()).no_proxy().timeout(SENT_WITHIN).build();
    let made = std::thread::spawn(making).join();
    let made = made.map_err(|_| Unsendable::Refused { why: "the HTTP client cannot be made".to_owned() })?;
    made.map_err(|err| Unsendable::Refused { why: err.to_string() })
}

/// Our spans. Not what is said in them: that is the log's. Not the HTTP client's: sending spans would make spans.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("renewd")
}

/// Makes `span` part of the trace that a request came with: `traceparent: VERSION-TRACE-PARENT-FLAGS`. Anybody may send
/// one: what is no such header changes nothing.
pub fn join(span: &Span, traceparent: &str) {
    let mut ids = traceparent.split('-').skip(1);
    let trace = ids.next().and_then(|id| TraceId::from_hex(id).ok());
    let parent = ids.next().and_then(|id| SpanId::from_hex(id).ok());
    let (Some(trace), Some(parent)) = (trace, parent) else {
        return;
    };
    let caller = SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, TraceState::NONE);
    if caller.is_valid() {
        // An error says that no collector is set: there is no trace to join.
        let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    }
}

/// Says once when spans are lost, and once when the collector takes them again.
#[derive(Debug)]
struct Telling<E> {
    exporter: E,
    is_failing: AtomicBool,
}

impl<E: Exporter> Exporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(err) if !was_failing => tracing::warn!(
                error = %err,
                "the collector at log.otlp_endpoint takes no spans: they are dropped until it does; no charge waits for it"
            ),
            Ok(()) if was_failing => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
