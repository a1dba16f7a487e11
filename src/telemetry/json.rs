//! A line for machines: one JSON object, in the names that Google's Cloud Logging reads and other collectors take as well.

use super::line::Line;
use serde_json::{Map, Value};
use tracing::Level;

const LABELS: &str = "logging.googleapis.com/labels";
const TRACE: &str = "logging.googleapis.com/trace";

/// Under which the id of a request's trace stands among the fields.
pub const TRACE_FIELD: &str = "trace.id";

/// `project` is the Google Cloud project that traces are kept in.
pub(super) fn write(line: &Line, project: Option<&str>) -> String {
    let mut object = line.fields.clone();
    let labels: Map<String, Value> = line
        .fields
        .iter()
        .filter(|(name, _)| is_label(name))
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    if !labels.is_empty() {
        object.insert(LABELS.to_owned(), labels.into());
    }
    if let (Some(project), Some(Value::String(trace))) = (project, line.fields.get(TRACE_FIELD)) {
        object.insert(TRACE.to_owned(), format!("projects/{project}/traces/{trace}").into());
    }
    // Last: no field of an event may stand in their place.
    object.insert("time".to_owned(), line.time.as_str().into());
    object.insert("severity".to_owned(), severity(line.level).into());
    object.insert("message".to_owned(), line.message.as_str().into());
    object.insert("target".to_owned(), line.target.as_str().into());
    Value::Object(object).to_string()
}

/// What lines are looked for by: the ids, and the kind of an event.
fn is_label(name: &str) -> bool {
    (name.ends_with(".id") && name != TRACE_FIELD) || name == "event.kind"
}

/// Labels are texts.
fn text(value: &Value) -> Value {
    match value {
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        // There is none below.
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}
