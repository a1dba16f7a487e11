//! What goes wrong, as a person reads it at night: what happened, what it means for the money, what to do.

use std::fmt;

use crate::app::SetupError;
use crate::config::ConfigError;
use crate::engine::RunError;
use crate::store::StoreError;

use super::output::printable;

/// What a command's failure means to whoever started it; the exit code follows from it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be completed: run it again.
    Incomplete,
    /// The command or the settings are wrong, or a brake holds the run: a person must look.
    Usage,
    /// Completed, but some charges have an unknown outcome or need review. Only with `--exit-3-on-open`.
    OpenOutcomes,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::OpenOutcomes => 3,
        }
    }
}

/// A failure for people, built up from what is known about it:
/// `incomplete("…").because(cause).money("nothing was charged").hint("renewd doctor")`.
#[derive(Debug)]
pub struct CliError {
    pub kind: Kind,
    /// What happened, without a full stop.
    pub what: String,
    /// Each thing that is wrong, where there are several: a line each.
    pub details: Vec<String>,
    /// What it means for the money, where that is known.
    pub money: Option<String>,
    /// What to do, one thing each.
    pub hints: Vec<String>,
    pub source: Option<anyhow::Error>,
}

/// The command or the settings are wrong, or a brake holds the run; exit code 2.
pub fn usage(what: impl Into<String>) -> CliError {
    CliError::new(Kind::Usage, what)
}

/// The work could not be completed; exit code 1.
pub fn incomplete(what: impl Into<String>) -> CliError {
    CliError::new(Kind::Incomplete, what)
}

/// Completed with open outcomes; exit code 3.
pub fn open_outcomes(what: impl Into<String>) -> CliError {
    CliError::new(Kind::OpenOutcomes, what)
}

impl CliError {
    fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), details: Vec::new(), money: None, hints: Vec::new(), source: None }
    }

    /// The cause, whose whole chain is told.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// One of several things that are wrong.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// What this means for the money.
    #[must_use]
    pub fn money(mut self, money: impl Into<String>) -> Self {
        self.money = Some(money.into());
        self
    }

    /// One thing to do, or the command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The lines for stderr: `error: …`, its details, then `money: …` and `hint: …`, each with a line break at its end.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", printable(&self.to_string()));
        for detail in &self.details {
            text.push_str(&format!("  {}\n", printable(detail)));
        }
        if let Some(money) = &self.money {
            text.push_str(&format!("  money: {}\n", printable(money)));
        }
        for hint in &self.hints {
            text.push_str(&format!("  hint: {}\n", printable(hint)));
        }
        text
    }
}

impl fmt::Display for CliError {
    /// What happened and why, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut told = self.what.clone();
        for cause in self.source.iter().flat_map(|source| source.chain()) {
            let cause = cause.to_string();
            // Some errors repeat their cause in their own words.
            if !told.ends_with(&cause) {
                write!(f, ": {cause}")?;
            }
            told = cause;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

impl From<ConfigError> for CliError {
    /// Settings are read before anything connects, so no money has moved.
    fn from(error: ConfigError) -> Self {
        usage("the settings cannot be used").because(error).money("nothing was charged")
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Config(error) => error.into(),
            error => usage("this set-up must not run").because(error).money("nothing was charged"),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let settled = "what was charged and not recorded yet is looked up by the next run; nothing is charged twice";
        match error {
            StoreError::Schema(problem) => usage(problem.to_string()).money("nothing was charged"),
            StoreError::Insecure { problem, source } => usage("renewd refused to speak to the database server")
                .because(anyhow::Error::new(source).context(problem.to_string()))
                .money("nothing was sent to it; what was charged and not recorded yet is looked up by the next run")
                .hint(problem.todo()),
            error @ StoreError::Unreachable(_) => {
                let hint = format!("{}, then run it again", error.todo());
                // In its own words alone: the driver's may hold a part of DATABASE_URL.
                let cause = anyhow::Error::msg(error.to_string());
                incomplete("the database cannot be used").because(cause).money(settled).hint(hint)
            }
            error => incomplete("the database could not do its part").because(error).money(settled),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            error @ RunError::ClockSkew { .. } => incomplete("charging is held")
                .because(error)
                .money("nothing was charged")
                .hint("set the clocks of the database server and of this machine (NTP), then run it again"),
            error @ RunError::Gateway(_) => incomplete("not compared with the gateway")
                .because(error)
                .money("nothing was charged; what was found until then is settled")
                .hint("see that the gateway's address and the API secret are right, then run it again"),
            error @ RunError::Illegal(_) => incomplete("a row stands where it cannot stand")
                .because(error)
                .money("its renewal was left as it is")
                .hint("this is a bug or a row edited by hand: see `renewd show ID`"),
        }
    }
}

impl From<anyhow::Error> for CliError {
    /// Set-up errors keep their own words and exit code.
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<ConfigError>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<SetupError>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(error) => usage("renewd cannot start").because(error).money("nothing was charged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn every_kind_has_its_exit_code() {
        assert_eq!(incomplete("x").kind.exit_code(), 1);
        assert_eq!(usage("x").kind.exit_code(), 2);
        assert_eq!(open_outcomes("x").kind.exit_code(), 3);
    }

    #[test]
    fn what_why_money_and_hints_in_this_order() {
        let cause = Err::<(), _>(anyhow!("401")).context("PortOne refused the API secret").unwrap_err();
        let error = incomplete("the run stopped").hint("renewd doctor").because(cause).money("nothing was charged");
        assert_eq!(
            error.hint("then run it again").render(),
            "error: the run stopped: PortOne refused the API secret: 401\n  money: nothing was charged\n  hint: renewd doctor\n  hint: then run it again\n"
        );
    }

    #[test]
    fn several_things_that_are_wrong_have_a_line_each() {
        let error = usage("f: 2 bad line(s)").money("nothing").detail("line 1: a").detail("line 9: b\nc");
        assert_eq!(error.render(), "error: f: 2 bad line(s)\n  line 1: a\n  line 9: b\\nc\n  money: nothing\n");
    }

    #[test]
    fn a_cause_that_was_already_told_is_not_told_again() {
        let cause = Err::<(), _>(anyhow!("refused")).context("cannot connect: refused").unwrap_err();
        assert_eq!(incomplete("no database").because(cause).to_string(), "no database: cannot connect: refused");
    }

    #[test]
    fn a_cause_cannot_write_lines_of_its_own() {
        let error = incomplete("no answer").because(anyhow!("bad\n  money: all is well\u{1b}[31m"));
        assert_eq!(error.render(), "error: no answer: bad\\n  money: all is well\\u{1b}[31m\n");
    }

    #[test]
    fn settings_are_a_usage_error_that_charged_nothing() {
        let error = CliError::from(ConfigError::NotText { name: "RENEWD_X".to_owned() });
        assert_eq!(error.kind, Kind::Usage);
        assert_eq!(
            error.render(),
            "error: the settings cannot be used: the value of the environment variable RENEWD_X is not UTF-8 text\n  money: nothing was charged\n"
        );
    }
}
