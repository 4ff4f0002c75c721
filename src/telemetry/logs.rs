//! Logs: one JSON object a line for programs, coloured lines for a person at a terminal.
//!
//! The message of an event is its name (`user_authenticated`); everything else stands in fields beside it, those of the
//! request it belongs to (`request_id`) included. Secrets are never passed to a log macro.

use std::fmt::{self, Debug};
use std::io::IsTerminal;

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, span};
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
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
        let now = now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut own = JsonFields::default();
        event.record(&mut own);
        let name = own.take("message").unwrap_or_else(|| json(&metadata.name()));
        let target = json(&metadata.target());
        write!(writer, r#"{{"timestamp":"{now}","level":"{level}","event":{name},"target":{target}"#)?;
        for (name, value) in &own.0 {
            write!(writer, r#","{name}":{value}"#)?;
        }
        // From the innermost outwards: what an event says itself, or a span further in, counts.
        let mut said: Vec<_> = own.0.iter().map(|(name, _)| *name).collect();
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<JsonFields>() {
                for (name, value) in fields.0.iter().filter(|(name, _)| !said.contains(name)) {
                    write!(writer, r#","{name}":{value}"#)?;
                }
                said.extend(fields.0.iter().map(|(name, _)| *name));
            }
        }
        writeln!(writer, "}}")
    }
}

/// Names, which are ours, and values as JSON.
#[derive(Default)]
struct JsonFields(Vec<(&'static str, String)>);

impl JsonFields {
    fn put(&mut self, field: &Field, value: String) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, before)) => *before = value,
            None => self.0.push((field.name(), value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.remove(at).1)
    }
}

fn json(value: &impl Serialize) -> String {
    // Texts and numbers always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json(&value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json(&value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json(&value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json(&value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json(&value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        // A list of words reads like JSON, and becomes it.
        let is_list = text.starts_with('[') && serde_json::from_str::<Vec<String>>(&text).is_ok();
        self.put(field, if is_list { text } else { json(&text) });
    }
}
