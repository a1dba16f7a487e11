//! The settings, as whoever sets them meets them: what wins, what is refused, and what the refusal says.

mod refused;
mod secrets;
mod taken;

use std::io::Write;

use renewd::config::{Config, ConfigError, Environment, Layers};
use tempfile::NamedTempFile;

const SECRET: &str = "hunter2-hunter2";

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn with_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: Environment = variables.iter().copied().collect();
    Config::load(&Layers { environment, ..Layers::default() })
}

fn with_file(text: &str) -> Result<Config, ConfigError> {
    let file = file(text);
    Config::load(&Layers { file: Some(file.path().to_owned()), ..Layers::default() })
}

/// What is said about a file, which is called FILE.
fn said_of_file(text: &str) -> String {
    let file = file(text);
    let layers = Layers { file: Some(file.path().to_owned()), ..Layers::default() };
    let error = Config::load(&layers).unwrap_err();
    error.to_string().replace(&file.path().display().to_string(), "FILE")
}

fn said_of(variables: &[(&str, &str)]) -> String {
    with_environment(variables).unwrap_err().to_string()
}

/// The error, its causes and its `Debug`: everything that could end up in a log.
fn all_words(error: &ConfigError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {error:?} {cause}")
}
