//! Logs: lines on stderr, text for people and JSON for collectors, stamped in UTC.
//!
//! What does not live here: what is logged. An error is logged once, where it is handled.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Modules of other people that talk too much at our level; the settings can still raise each of them.
const QUIET: &str = "sqlx=warn,sqlx::postgres::notice=error,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

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

/// Sends logs to stderr, for the rest of the process.
///
/// `level` is a level, then levels of single modules: `info,renewd::engine=debug`.
///
/// # Errors
/// A level that cannot be used, or a second call.
pub fn init(level: &str, format: LogFormat, stderr_is_terminal: bool) -> Result<(), TelemetryError> {
    subscriber(level, format, stderr_is_terminal, io::stderr)?
        .try_init()
        .map_err(|source| TelemetryError::Again { source })
}

/// The subscriber behind [`init`], writing to `writer`.
fn subscriber<W>(
    level: &str,
    format: LogFormat,
    terminal: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Ours first: a later directive for the same module replaces an earlier one.
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(terminal);
    Ok(if is_json(format, terminal) {
        Box::new(builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
    } else {
        Box::new(builder.finish())
    })
}

fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `talk` under these settings.
    fn logged(level: &str, format: LogFormat, terminal: bool, talk: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(level, format, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, talk);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_elsewhere() {
        let talk = || tracing::info!(renewal.id = "r1", "paid");
        assert!(logged("info", LogFormat::Auto, true, talk).contains("\u{1b}["));
        let line: serde_json::Value = serde_json::from_str(&logged("info", LogFormat::Auto, false, talk)).unwrap();
        assert_eq!((&line["message"], &line["renewal.id"]), (&"paid".into(), &"r1".into()));
        let stamp = line["timestamp"].as_str().unwrap();
        assert!(stamp.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(stamp).is_ok(), "{stamp}");
    }

    #[test]
    fn a_format_that_was_asked_for_is_kept() {
        let talk = || tracing::info!("paid");
        assert!(!logged("info", LogFormat::Text, false, talk).contains(['{', '\u{1b}']));
        assert!(logged("info", LogFormat::Json, true, talk).starts_with('{'));
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
            let text = logged(level, LogFormat::Text, false, talk);
            ["one", "two", "three", "four"].map(|word| text.contains(word))
        };
        assert_eq!(heard("info"), [false, false, true, false]);
        assert_eq!(heard("debug"), [false, false, true, true]);
        assert_eq!(heard("info,sqlx=debug"), [true, false, true, false]);
    }

    #[test]
    fn a_level_that_cannot_be_used_is_named() {
        let refused = subscriber("info,renewd=loud", LogFormat::Text, false, io::sink).err().unwrap();
        assert_eq!(refused.to_string(), "log.level = \"info,renewd=loud\" cannot be used");
    }
}
