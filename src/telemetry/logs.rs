//! Logs: one JSON object a line for programs, coloured lines for a person at a terminal.
//!
//! The message of an event is its name (`user_authenticated`); everything else stands in fields beside it, those of the
//! request it belongs to (`request_id`) included. Secrets are never passed to a log macro.

use std::fmt::{self, Debug};
use std::io::IsTerminal;

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

use super::traces::{self, Traces};
use crate::config::LogFormat;

/// Sends the logs of this process to standard error, and its traces to an OTLP endpoint where one is given; what sends them
/// is to be shut down at the end. `level` is a filter in the form of `RUST_LOG`. To be called outside of a runtime.
pub fn install(
    format: LogFormat,
    level: &str,
    otlp_endpoint: Option<&str>,
) -> Result<Option<SdkTracerProvider>, InstallError> {
    let filter = EnvFilter::try_new(level).map_err(|error| InstallError::Level(error.to_string()))?;
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        // What spans hold is kept as JSON, and by nobody else as text.
        SpanFields.and_then(lines.event_format(JsonLines).fmt_fields(NoFields)).boxed()
    } else {
        lines.with_target(false).boxed()
    };
    let provider = otlp_endpoint.map(traces::provider).transpose()?;
    let traces = provider.as_ref().map(|provider| Traces::new(provider).with_filter(filter_fn(Traces::wants)));
    // Where it happened; what it says may hold anything.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
    Registry::default().with(lines.with_filter(filter)).with(traces).try_init()?;
    Ok(provider)
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("log.level: {0}; give a level (error, warn, info, debug, trace) or target=level pairs")]
    Level(String),
    #[error("traces.otlp_endpoint: {0}; it looks like http://127.0.0.1:4318")]
    Endpoint(#[from] ExporterBuildError),
    #[error("logging is already set up: {0}")]
    Twice(#[from] TryInitError),
}

/// Keeps the fields of each span as JSON, for the events inside it.
struct SpanFields;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanFields {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = JsonFields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<JsonFields>()
        {
            values.record(fields);
        }
    }
}

struct NoFields;

impl<'writer> FormatFields<'writer> for NoFields {
    fn format_fields<R: RecordFields>(&self, _: Writer<'writer>, _: R) -> fmt::Result {
        Ok(())
    }
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
        line.insert("timestamp".into(), now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
        line.insert("level".into(), event.metadata().level().as_str().to_ascii_lowercase().into());
        let mut own = JsonFields::default();
        event.record(&mut own);
        line.insert("event".into(), own.0.remove("message").unwrap_or_else(|| event.metadata().name().into()));
        line.insert("target".into(), event.metadata().target().into());
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                if let Some(fields) = span.extensions().get::<JsonFields>() {
                    line.extend(fields.0.clone());
                }
            }
        }
        line.extend(own.0);
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct JsonFields(Map<String, Value>);

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        // A list of words reads like JSON, and becomes it.
        let list = text.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(&text).ok()).flatten();
        self.0.insert(field.name().into(), list.map_or_else(|| text.into(), Value::from));
    }
}
