//! One line of the log: what was said, with the fields of the event and of every span that it happened in.

use serde_json::{Map, Value};
use std::fmt::{self, Write};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Collects a line and writes it by `write`, followed by a line break.
pub(super) struct Lines<W>(pub W);

/// What a line is made of.
pub(super) struct Line {
    /// RFC 3339, in UTC.
    pub time: String,
    pub level: Level,
    /// The module that said it.
    pub target: String,
    pub message: String,
    /// By name; what the event says itself goes before what its spans say.
    pub fields: Map<String, Value>,
}

impl<S, W> FormatEvent<S, JsonFields> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&Line) -> String + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<FormattedFields<JsonFields>>() {
                fields.extend(read(&of_span.fields));
            }
        }
        let mut own = String::new();
        context.field_format().format_fields(Writer::new(&mut own), event)?;
        fields.extend(read(&own));
        let line = Line::new(event.metadata(), fields)?;
        writeln!(writer, "{}", plain(&(self.0)(&line)))
    }
}

impl Line {
    fn new(metadata: &Metadata<'_>, mut fields: Map<String, Value>) -> Result<Self, fmt::Error> {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let message = match fields.remove("message") {
            Some(Value::String(message)) => message,
            other => other.map(|value| value.to_string()).unwrap_or_default(),
        };
        Ok(Self { time, level: *metadata.level(), target: metadata.target().to_owned(), message, fields })
    }
}

/// The fields of a span or an event, as [`JsonFields`] wrote them.
fn read(written: &str) -> Map<String, Value> {
    serde_json::from_str(written).unwrap_or_default()
}

/// Whether a terminal, or a reader's eye, takes it for more than a character: the end of a line, an escape sequence, a
/// change of the writing's direction.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const DELETE: char = '\u{7f}';

/// What serde leaves as it is and a terminal would not. Such characters stand inside of strings only, where their escapes
/// mean the same; the colours of a line for people are put on by ourselves, and begin with ESC.
fn plain(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in line.chars() {
        if is_deceptive(c) && (!c.is_ascii() || c == DELETE) {
            // A String takes whatever is written.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}
