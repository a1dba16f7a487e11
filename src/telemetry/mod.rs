//! Logs: lines on stderr, text for people and JSON for collectors, stamped in UTC.
//!
//! A line has its own fields and those of the spans around it: whatever is said while a renewal is charged, by whichever
//! module, has the ids of the run, the renewal, the attempt and the payment. What does not live here: what is logged. An
//! error is logged once, where it is handled.
//!
//! The spans themselves go to a collector where one is set (`otlp`).

mod json;
mod line;
#[cfg_attr(not(feature = "otlp"), path = "without_otlp.rs")]
mod otlp;
mod text;

pub use json::TRACE_FIELD;
pub use otlp::join;

use line::{Line, Lines};
use std::io;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{CollectorUrl, LogFormat};

/// Modules of other people that talk too much at our level; the settings can still raise each of them. The options of
/// PostgreSQL's driver would tell of a parameter that it does not know, which may be the rest of a mistyped password.
const QUIET: &str = "sqlx=warn,sqlx::postgres::notice=error,sqlx_postgres::options=error,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// The single steps of a charge are spans only for a collector: no line needs them.
const STEPS: &str = "renewd::engine::spans=debug";

/// What hands spans to the collector.
type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a level, nor levels of modules.
    #[error("log.level = {level:?} cannot be used")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    /// `init` ran before in this process.
    #[error("logging is set up already")]
    Again { source: tracing_subscriber::util::TryInitError },
}

/// Why no spans are sent.
#[derive(Debug, thiserror::Error)]
enum Unsendable {
    #[error("{0}")]
    Address(&'static str),
    #[cfg(not(feature = "otlp"))]
    #[error("this build sends none: unset it, or build with `cargo build --features otlp`")]
    NotBuilt,
    #[cfg(feature = "otlp")]
    #[error("{why}")]
    Refused { why: String },
}

/// What sends spans to the collector, if there is one, until it is dropped: then the last ones are sent, for two seconds
/// at most.
#[must_use = "no span is sent after it is dropped"]
pub struct Spans {
    _sending: Option<otlp::Sending>,
}

/// Sends logs to stderr, for the rest of the process, and spans to the collector, if one is set.
///
/// `level` is a level, then levels of single modules: `info,renewd::engine=debug`.
///
/// # Errors
/// A level that cannot be used, or a second call. No collector is worth a renewal: what is wrong with that is a warning.
pub fn init(level: &str, look: &Look) -> Result<Spans, TelemetryError> {
    let (spans, sending, why_none) = match look.collector.as_ref().map(start) {
        None => (None, None, None),
        Some(Ok((layer, sending))) => (Some(layer), Some(sending), None),
        Some(Err(why)) => (None, None, Some(why)),
    };
    subscriber(level, look, spans, io::stderr)?.try_init().map_err(|source| TelemetryError::Again { source })?;
    if let Some(why) = why_none {
        tracing::warn!("log.otlp_endpoint is set, and no spans are sent: {why}");
    }
    Ok(Spans { _sending: sending })
}

fn start(collector: &CollectorUrl) -> Result<(SpanLayer, otlp::Sending), Unsendable> {
    otlp::start(collector.address().map_err(Unsendable::Address)?)
}

/// How lines are written.
#[derive(Clone, Debug)]
pub struct Look {
    pub format: LogFormat,
    pub stderr_is_terminal: bool,
    /// The Google Cloud project that traces are kept in.
    pub google_project: Option<String>,
    /// Who collects spans.
    pub collector: Option<CollectorUrl>,
}

/// The subscriber behind [`init`], writing to `writer`.
fn subscriber<W>(
    level: &str,
    look: &Look,
    spans: Option<SpanLayer>,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Ours first: a later directive for the same module replaces an earlier one.
    let ours = if spans.is_some() { format!("{QUIET},{STEPS}") } else { QUIET.to_owned() };
    let filter = EnvFilter::try_new(format!("{ours},{level}"))
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })?;
    let Look { format, stderr_is_terminal, google_project, .. } = look.clone();
    let as_json = is_json(format, stderr_is_terminal);
    let write = move |line: &Line| match as_json {
        true => json::write(line, google_project.as_deref()),
        false => text::write(line, stderr_is_terminal),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = lines.fmt_fields(JsonFields::new()).event_format(Lines(write));
    Ok(Box::new(tracing_subscriber::registry().with(spans).with(lines).with(filter)))
}

fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

#[cfg(test)]
mod tests;
