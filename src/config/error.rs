//! What can be wrong with the settings: each message names the key, where its value came from, and what is accepted.

use std::fmt;
use std::path::PathBuf;

use super::layers::names_of;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in `renewd.toml`.
    Default,
    /// The file given by `--config`.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A file named by an environment variable.
    FileOfVariable { name: String, path: PathBuf },
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::FileOfVariable { name, path } => write!(f, "{}, named by {name}", path.display()),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Why the settings cannot be used. Never holds a secret, nor any text that may be one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key of a file that does not exist.
    #[error("unknown key {key} (from {origin}){}", did_you_mean(.nearest))]
    UnknownKey { key: String, origin: Origin, nearest: Option<String> },

    /// A variable that looks like ours and is not.
    #[error("unknown environment variable {name}{}", did_you_mean(.nearest))]
    UnknownVariable { name: String, nearest: Option<String> },

    /// A value that is not accepted, by itself or beside others. `shown` is masked where it must be.
    #[error("{key} = {shown} (from {origin}): {reason}")]
    Bad { key: String, shown: String, origin: Origin, reason: String },

    /// Two variables for one key: which of them was meant is not guessed.
    #[error("{key} is given twice, by {first} and by {second}: unset one of them")]
    Twice { key: String, first: String, second: String },

    /// A file of settings that is not TOML.
    #[error("{origin}, line {line}: {message}")]
    Syntax { origin: Origin, line: usize, message: String },

    /// A file that cannot be read.
    #[error("cannot read {}, the file given by {given_by}", .path.display())]
    Unreadable { path: PathBuf, given_by: String, source: std::io::Error },

    /// A variable whose value is not text.
    #[error("the value of the environment variable {name} is not UTF-8 text")]
    NotText { name: String },

    /// Which of a job's tasks this is cannot be told.
    #[error(
        "CLOUD_RUN_TASK_INDEX is {index:?} and CLOUD_RUN_TASK_COUNT is {count:?}: expected a number from 0 on, and how many there are"
    )]
    Task { index: String, count: String },

    /// Keys that the command needs and nobody gave.
    #[error("{}", missing(.keys))]
    Missing { keys: Vec<&'static str> },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(": did you mean {name}?")).unwrap_or_default()
}

fn missing(keys: &[&str]) -> String {
    let each: Vec<String> = keys
        .iter()
        .map(|key| {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let names: Vec<String> = names_of(key).into_iter().map(|name| name.text).collect();
            let names = names.join(" or ");
            format!("{key} is not set: give {names}, or {name} under [{section}] in the --config file")
        })
        .collect();
    each.join("; ")
}
