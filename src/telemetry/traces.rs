//! Traces by OTLP, where an endpoint is configured: one span a request, and below it one a statement.
//!
//! sqlx tells of each statement when it is over, with how long it took; that becomes a span which began then. Statements hold
//! no values but the ids and switches that say who asks: the others are bound.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context as Trace, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The span around each request, as `http` opens it.
const REQUEST: &str = "request";
/// Where sqlx tells of statements.
const STATEMENTS: &str = "sqlx::query";

/// What collects spans and sends them on, from a thread of its own. To be shut down at the end, so that none is lost.
pub fn provider(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build()?;
    let resource = Resource::builder()
        .with_service_name("voicehive-identity")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Makes spans of requests and statements.
pub struct Traces(SdkTracer);

impl Traces {
    pub fn new(provider: &SdkTracerProvider) -> Self {
        Self(provider.tracer("voicehive-identity"))
    }

    /// What it has to be told of.
    pub fn wants(metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() { metadata.name() == REQUEST } else { metadata.target() == STATEMENTS }
    }

    fn begin_request(&self, fields: &mut Fields) -> Trace {
        let mut text = |name: &str| fields.0.remove(name).unwrap_or_default();
        let (method, route, id) = (text("method"), text("route"), text("request_id"));
        let carrier = HashMap::from([("traceparent".to_owned(), text("traceparent"))]);
        let parent = TraceContextPropagator::new().extract_with_context(&Trace::new(), &carrier);
        let attributes = [
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("http.route", route.clone()),
            KeyValue::new("voicehive.request_id", id),
        ];
        let builder = SpanBuilder::from_name(format!("{method} {route}"));
        let builder = builder.with_kind(SpanKind::Server).with_attributes(attributes);
        parent.with_span(self.0.build_with_context(builder, &parent))
    }

    fn add_statement(&self, request: &Trace, fields: &mut Fields) {
        let end = SystemTime::now();
        let mut text = |name: &str| fields.0.remove(name).unwrap_or_default();
        let summary = text("summary");
        let statement = text("db.statement");
        let took = text("elapsed_secs").parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let attributes = [
            KeyValue::new("db.system.name", "postgresql"),
            // A short statement is its own summary.
            KeyValue::new("db.query.text", if statement.is_empty() { summary.clone() } else { statement }),
            KeyValue::new("db.response.returned_rows", text("rows_returned").parse().unwrap_or(0_i64)),
        ];
        let builder = SpanBuilder::from_name(summary)
            .with_kind(SpanKind::Client)
            .with_start_time(took.and_then(|took| end.checked_sub(took)).unwrap_or(end))
            .with_attributes(attributes);
        let mut span = self.0.build_with_context(builder, request);
        opentelemetry::trace::Span::end_with_timestamp(&mut span, end);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(self.begin_request(&mut fields));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        let extensions = span.extensions();
        let Some(trace) = extensions.get::<Trace>() else { return };
        if let Some(user) = fields.0.remove("user_id") {
            trace.span().set_attribute(KeyValue::new("user.id", user));
        }
        if let Some(status) = fields.0.remove("status").and_then(|status| status.parse::<i64>().ok()) {
            trace.span().set_attribute(KeyValue::new("http.response.status_code", status));
            if status >= 500 {
                trace.span().set_status(Status::error(""));
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(scope) = context.event_scope(event) else { return };
        for span in scope {
            if let Some(request) = span.extensions().get::<Trace>() {
                let mut fields = Fields::default();
                event.record(&mut fields);
                self.add_statement(request, &mut fields);
                return;
            }
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if let Some(trace) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Trace>()) {
            trace.span().end();
        }
    }
}

/// The fields of a span or an event, as texts.
#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
