//! A line for people: when, how bad, what, and then the fields.

use super::line::{Line, is_deceptive};
use serde_json::Value;
use tracing::Level;

/// `colours`: where it is read on a terminal.
pub(super) fn write(line: &Line, colours: bool) -> String {
    let paint = |style: &str, text: &str| match colours {
        true => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let level = paint(style(line.level), &format!("{:>5}", line.level));
    let mut told = format!("{} {level} {}", paint("2", &line.time), escaped(&line.message));
    // Our own ordinary lines say themselves what they are about.
    let module = (line.level > Level::INFO || !is_ours(&line.target)).then(|| Value::from(line.target.as_str()));
    let fields = line.fields.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in module.iter().map(|module| ("target", module)).chain(fields) {
        told.push_str("  ");
        told.push_str(&paint("2", &format!("{}={}", escaped(name), shown(value))));
    }
    told
}

fn is_ours(target: &str) -> bool {
    target == "renewd" || target.starts_with("renewd::")
}

fn style(level: Level) -> &'static str {
    match level {
        Level::ERROR => "1;31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    }
}

/// In quotes where it would not be seen where it ends.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains(|c: char| c.is_whitespace() || "\"=".contains(c)) => {
            escaped(&Value::from(text.as_str()).to_string())
        }
        Value::String(text) => escaped(text),
        other => other.to_string(),
    }
}

/// What others wrote stays on its line, and moves no cursor.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        if is_deceptive(c) {
            safe.extend(c.escape_default())
        } else {
            safe.push(c)
        }
        safe
    })
}
