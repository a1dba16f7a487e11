use super::*;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn look(format: LogFormat, stderr_is_terminal: bool) -> Look {
    Look { format, stderr_is_terminal, google_project: None, collector: None }
}

/// What is logged by `talk` under these settings.
fn logged(level: &str, look: &Look, talk: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = subscriber(level, look, None, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, talk);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The one line that `talk` logs as JSON.
fn line(level: &str, look: &Look, talk: impl FnOnce()) -> Value {
    let text = logged(level, look, talk);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn auto_is_text_on_a_terminal_and_json_elsewhere() {
    let talk = || tracing::info!(renewal.id = "r1", "paid");
    assert!(logged("info", &look(LogFormat::Auto, true), talk).contains("\u{1b}["));
    let line = line("info", &look(LogFormat::Auto, false), talk);
    assert_eq!((&line["message"], &line["renewal.id"]), (&"paid".into(), &"r1".into()));
    let stamp = line["time"].as_str().unwrap();
    assert!(stamp.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(stamp).is_ok(), "{stamp}");
}

#[test]
fn a_format_that_was_asked_for_is_kept() {
    let talk = || tracing::info!("paid");
    assert!(!logged("info", &look(LogFormat::Text, false), talk).contains(['{', '\u{1b}']));
    assert!(logged("info", &look(LogFormat::Json, true), talk).starts_with('{'));
}

#[test]
fn levels_are_told_as_severities() {
    let severity = |talk: fn()| line("trace", &look(LogFormat::Json, false), talk)["severity"].clone();
    assert_eq!(severity(|| tracing::error!("x")), "ERROR");
    assert_eq!(severity(|| tracing::warn!("x")), "WARNING");
    assert_eq!(severity(|| tracing::info!("x")), "INFO");
    assert_eq!(severity(|| tracing::debug!("x")), "DEBUG");
    assert_eq!(severity(|| tracing::trace!("x")), "DEBUG");
}

#[test]
fn ids_come_from_the_spans_around_and_are_labels() {
    let talk = || {
        let run = tracing::error_span!("run", run.id = "r", renewal.id = "of the run");
        let renewal = run.in_scope(|| tracing::error_span!("renewal", renewal.id = "n", payment.id = "p"));
        renewal.in_scope(|| tracing::warn!(event.kind = "renewal.paid", tries = 2, payment.id = "own", "said"));
    };
    let line = line("warn", &look(LogFormat::Json, false), talk);
    let labels = json!({ "run.id": "r", "renewal.id": "n", "payment.id": "own", "event.kind": "renewal.paid" });
    assert_eq!((&line["logging.googleapis.com/labels"], &line["tries"]), (&labels, &2.into()));
    assert_eq!((&line["run.id"], &line["payment.id"]), (&"r".into(), &"own".into()));
    assert_eq!(line["logging.googleapis.com/trace"], Value::Null);
}

#[test]
fn a_trace_is_told_where_its_project_is_known() {
    let talk = || tracing::error_span!("request", trace.id = "0af7").in_scope(|| tracing::info!("said"));
    let of =
        |project: Option<&str>| Look { google_project: project.map(str::to_owned), ..look(LogFormat::Json, false) };
    let known = line("info", &of(Some("shop")), talk);
    assert_eq!(known["logging.googleapis.com/trace"], "projects/shop/traces/0af7");
    assert_eq!(known["logging.googleapis.com/labels"], Value::Null);
    let unknown = line("info", &of(None), talk);
    assert_eq!((&unknown["logging.googleapis.com/trace"], &unknown["trace.id"]), (&Value::Null, &"0af7".into()));
}

/// A payment gateway's text, or a customer's id, that would like to be a line of its own.
#[test]
fn what_others_wrote_stays_on_its_line_and_moves_no_cursor() {
    const HOSTILE: &str =
        "no\n{\"severity\":\"INFO\",\"message\":\"paid\"}\r\u{1b}[2J\u{9b}2J\u{2028}\u{202e}diap\u{7f}";
    let talk = || tracing::info!(payment.id = HOSTILE, severity = "EMERGENCY", time = HOSTILE, "PG said {HOSTILE}");
    let text = logged("info", &look(LogFormat::Json, false), talk);
    assert_eq!(text.lines().count(), 1);
    assert!(!text.trim_end().contains(|c: char| c.is_control() || "\u{2028}\u{202e}".contains(c)), "{text:?}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["payment.id"], &line["severity"]), (&HOSTILE.into(), &"INFO".into()));
    assert_eq!(line["message"], format!("PG said {HOSTILE}"));
    assert_ne!(line["time"], HOSTILE);
    for terminal in [false, true] {
        let text = logged("info", &look(LogFormat::Text, terminal), talk);
        let ours = text.replace("\u{1b}[0m", "").replace("\u{1b}[2m", "").replace("\u{1b}[32m", "");
        assert_eq!(ours.lines().count(), 1);
        let inside = ours.trim_end();
        assert!(!inside.contains(|c: char| c.is_control() || "\u{2028}\u{202e}".contains(c)), "{inside:?}");
        assert!(inside.contains("\\u{1b}[2J") && inside.contains("severity=EMERGENCY"), "{inside}");
    }
}

#[test]
fn noisy_modules_are_quiet_until_asked_for() {
    let talk = || {
        tracing::info!(target: "sqlx::query", "one");
        tracing::warn!(target: "sqlx::postgres::notice", "two");
        tracing::warn!(target: "hyper::client", "three");
        tracing::debug!(target: "renewd", "four");
    };
    let heard = |level| {
        let text = logged(level, &look(LogFormat::Text, false), talk);
        ["one", "two", "three", "four"].map(|word| text.contains(word))
    };
    assert_eq!(heard("info"), [false, false, true, false]);
    assert_eq!(heard("debug"), [false, false, true, true]);
    assert_eq!(heard("info,sqlx=debug"), [true, false, true, false]);
}

#[test]
fn a_level_that_cannot_be_used_is_named() {
    let refused = subscriber("info,renewd=loud", &look(LogFormat::Text, false), None, io::sink).err().unwrap();
    assert_eq!(refused.to_string(), "log.level = \"info,renewd=loud\" cannot be used");
}
