//! The environment, as a value: read from the process once, handed in everywhere else.

use std::collections::BTreeMap;
use std::fmt;

use super::ConfigError;

/// Names that are taken over from the process; all others are none of our business, and may hold others' secrets.
const PREFIXES: [&str; 2] = ["RENEWD_", "PORTONE_"];
const NAMES: [&str; 13] = [
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "NO_COLOR",
    "COLUMNS",
    "USER",
    "LOGNAME",
    // What systemd tells the services that it starts.
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    // What Cloud Run tells the tasks of a job.
    "CLOUD_RUN_TASK_INDEX",
    "CLOUD_RUN_TASK_COUNT",
    // Where Google Cloud keeps what belongs together.
    "GOOGLE_CLOUD_PROJECT",
    // Where OpenTelemetry's spans are collected, by the name that its own tools have for it.
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Environment variables. `Debug` lists their names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that renewd reads: the only place that asks for them.
    ///
    /// # Errors
    /// [`ConfigError::NotText`] for a value that is not UTF-8.
    #[expect(clippy::disallowed_methods, reason = "the only place that asks for the process's variables")]
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name.as_str()) {
                let value = value.into_string().map_err(|_| ConfigError::NotText { name: name.clone() })?;
                values.insert(name, value);
            }
        }
        Ok(Self(values))
    }

    /// The name of whoever runs the process, as the system tells it.
    pub fn user(&self) -> Option<&str> {
        self.get("USER").or_else(|| self.get("LOGNAME"))
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether colour is unwanted: `NO_COLOR` with any value but an empty one, by the convention of that name.
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some_and(|value| !value.is_empty())
    }

    /// The terminal's width in characters, where the shell exports it.
    pub fn columns(&self) -> Option<u16> {
        self.get("COLUMNS")?.parse().ok().filter(|columns| *columns > 0)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_and_no_values() {
        let environment: Environment = [("PORTONE_API_SECRET", "hunter2")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"PORTONE_API_SECRET"}"#);
    }

    #[test]
    fn an_empty_no_color_is_none() {
        let no_color = |value| [("NO_COLOR", value)].into_iter().collect::<Environment>().no_color();
        assert!(no_color("1") && !no_color("") && !Environment::default().no_color());
    }

    #[test]
    fn only_our_names_are_taken_from_the_process() {
        // PATH is set wherever tests run.
        let environment = Environment::of_process().unwrap();
        assert_eq!(environment.get("PATH"), None);
        assert!(environment.names().all(|name| PREFIXES.iter().any(|p| name.starts_with(p)) || NAMES.contains(&name)));
    }
}
